"""Frames of one orientation on the sky, which may be averaged."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_frames", "group_means"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Whole = NDArray[np.int_]

_SAME = 0.01  # pixels: frames closer than this are one


def group_frames(matrices: Array, separation: float) -> Whole:
    """Return the number of each frame's orientation, from 0 in the order in which they come.

    Parameters
    ----------
    matrices : ndarray (n, 2, 2)
        Pixels per arcsec of each frame.
    separation : float
        Arcsec from the star at which frames of one orientation agree to 0.01 pixels.

    Returns
    -------
    ndarray of int (n,)
    """
    numbers = np.zeros(len(matrices), np.int64)
    firsts: list[int] = []
    for n, matrix in enumerate(matrices):
        for k, first in enumerate(firsts):
            if np.abs(matrix - matrices[first]).max() * separation <= _SAME:
                numbers[n] = k
                break
        else:
            numbers[n] = len(firsts)
            firsts.append(n)
    return numbers


def group_means(
    values: NDArray[np.floating], mask: Mask, group: Whole
) -> tuple[Array, NDArray[np.float64]]:
    """Return the mean of each group's frames.

    Parameters
    ----------
    values : ndarray (n, ny, nx)
        Frames.
    mask : ndarray of bool (n, ny, nx)
        What is averaged.
    group : ndarray of int (n,)
        Number of each frame's group, from 0 on.

    Returns
    -------
    mean : ndarray (ngroup, ny, nx)
        NaN where there is nothing.
    count : ndarray (ngroup, ny, nx)
        Frames averaged.
    """
    count = np.zeros((int(group.max()) + 1, *values.shape[1:]))
    total = np.zeros(count.shape)
    for value, use, g in zip(values, mask, group, strict=True):
        total[g] += np.where(use, value, 0.0)
        count[g] += use
    with np.errstate(invalid="ignore"):
        return total / np.where(count > 0, count, np.nan), count
