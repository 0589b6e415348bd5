"""Scatter of boxes of an image about a plane fitted to each."""

from collections.abc import Iterator

import numpy as np
from astropy.stats import mad_std
from numpy.typing import NDArray

__all__ = ["CLIPPED_STD", "boxes", "plane_residuals"]

_CLIP = 4.0  # sigma
CLIPPED_STD = 0.99942
"""Standard deviation of a normal distribution of width 1 that is cut at 4 sigma."""


def boxes(shape: tuple[int, ...], side: int) -> Iterator[tuple[slice, slice]]:
    """Return the squares that an image is made of; what is left over at its ends joins the last."""
    rows, columns = (
        [
            slice(start, length if start + 2 * side > length else start + side)
            for start in range(0, max(length - side, 0) + 1, side)
        ]
        for length in shape
    )
    for row in rows:
        for column in columns:
            yield row, column


def plane_residuals(values: NDArray[np.floating], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what is left of good pixels when a plane is taken out, without outliers.

    Parameters
    ----------
    values : ndarray (ny, nx)
        A small piece of an image.
    good : ndarray of bool (ny, nx)
        Pixels to fit.

    Returns
    -------
    ndarray (n,)
        Within 4 sigma of the plane, scaled so that their standard deviation is that of all
        if they are normal: for the pixels cut off and the three parameters fitted.
    """
    y, x = (axis[good] for axis in np.indices(values.shape))
    flux = np.asarray(values[good], dtype=np.float64)
    if flux.size < 10:
        return np.zeros(0)
    terms = np.stack([np.ones(x.size), x - x.mean(), y - y.mean()], axis=1)
    kept = np.abs(flux - np.median(flux)) <= 2 * _CLIP * float(mad_std(flux))
    off = flux - np.median(flux)
    for _ in range(3):
        if kept.sum() < 10:
            return np.zeros(0)
        off = flux - terms @ np.linalg.lstsq(terms[kept], flux[kept], rcond=None)[0]
        kept = np.abs(off) <= _CLIP * float(np.std(off[kept]))
    return off[kept] / CLIPPED_STD * np.sqrt(flux.size / (flux.size - 3))
