"""Give missing pixels of a stack the value that the rest of the stack implies."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_from_stack"]

_BLOCK = 8192  # pixels worked on at a time


def fill_from_stack(
    images: NDArray[np.floating], bad: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fill each image's missing pixels from the other images, brought to its brightness.

    Parameters
    ----------
    images : ndarray (n, ny, nx)
        Aligned images of like scenes, in any unit.
    bad : ndarray of bool (n, ny, nx)
        Pixels not to be trusted; those that are not finite count as bad too.

    Returns
    -------
    filled : ndarray (n, ny, nx), float32
        A copy in which a bad pixel holds the mean of the good images there, each divided
        by its brightness, times the image's own brightness; zero where no image is good.
    covered : ndarray of bool (ny, nx)
        Where at least one image is good.

    Notes
    -----
    The brightness of an image is its least-squares ratio to the mean image over their
    common good pixels.
    """
    n, ny, nx = images.shape
    filled = images.reshape(n, -1).astype(np.float32)
    good = (~bad & np.isfinite(images)).reshape(n, -1)
    covered = good.any(axis=0)
    filled[~good] = 0.0
    mean = filled.sum(axis=0, dtype=np.float64) / np.maximum(good.sum(axis=0), 1)
    square = mean**2
    # Image by image: a product with `good` would hold it in double precision.
    norm = np.array([square.sum(where=row) for row in good])
    brightness = np.array([row @ mean for row in filled]) / np.maximum(norm, np.finfo(float).tiny)
    brightness[~(brightness > 0.0)] = 1.0
    partly = np.flatnonzero(~good.all(axis=0) & covered)
    for start in range(0, partly.size, _BLOCK):
        cols = partly[start : start + _BLOCK]
        seen = good[:, cols]
        values = filled[:, cols]
        level = (values / brightness[:, None] * seen).sum(axis=0) / seen.sum(axis=0)
        filled[:, cols] = np.where(seen, values, brightness[:, None] * level)
    return filled.reshape(n, ny, nx), covered.reshape(ny, nx)
