"""Combine background exposures by the median, with the median's own uncertainty."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.median_efficiency import median_efficiency

__all__ = ["Background", "combine_background"]

_ROWS = 16


@dataclass(frozen=True)
class Background:
    """A background frame.

    Attributes
    ----------
    data : ndarray (ny, nx), float32
        Median of the good samples; NaN where there is none.
    err : ndarray (ny, nx), float32
        Standard error of that median; NaN where there is no good sample.
    count : ndarray of int (ny, nx)
        Number of good samples.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32]
    count: NDArray[np.int_]


def combine_background(
    data: NDArray[np.floating], err: NDArray[np.floating], good: NDArray[np.bool_]
) -> Background:
    """Return the median of background integrations and its standard error.

    Parameters
    ----------
    data, err : ndarray (n, ny, nx)
        Integrations and their 1-sigma errors.
    good : ndarray of bool (n, ny, nx)
        Samples to use. Those whose value or error is not finite are left out too.

    Returns
    -------
    Background
        Bad samples are left out pixel by pixel, and the error is that of as many as are left.

    Notes
    -----
    The error of a mean is multiplied by the root of `median_efficiency`. Samples of unequal errors
    count as 1 / err, since the scatter of a median follows the density of samples at it (Kenney &
    Keeping 1951, section 8.11); two are averaged, and the error of that mean is exact.
    """
    shape = data.shape[1:]
    result = Background(
        np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, int)
    )
    factor = np.sqrt([median_efficiency(n) for n in range(len(data) + 1)])
    for first in range(0, shape[0], _ROWS):  # few rows at a time stay in the processor's cache
        rows = np.s_[first : first + _ROWS]
        middle, of_mean, count = _combine(data[:, rows], err[:, rows], good[:, rows])
        result.data[rows], result.count[rows] = middle, count
        result.err[rows] = factor[count] * of_mean
    return result


def _combine(
    data: NDArray[np.floating], err: NDArray[np.floating], good: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.int_]]:
    """Return the median, the error of the mean, and the number of good samples."""
    use = good & np.isfinite(data) & np.isfinite(err)
    count = use.sum(axis=0)
    ordered = np.sort(np.where(use, data, np.nan), axis=0)  # NaN last
    low = np.maximum(count - 1, 0) // 2
    high = np.minimum(count // 2, len(data) - 1)
    low, high = (np.take_along_axis(ordered, at[np.newaxis], axis=0)[0] for at in (low, high))
    some = np.maximum(count, 1)
    with np.errstate(divide="ignore"):
        inverse = np.where(use, 1.0 / err, 0.0).sum(axis=0)
        of_mean = np.sqrt(some) / inverse  # their harmonic mean over the root of their number
    few = count <= 2
    if few.any():
        square = np.where(use[:, few], np.square(err[:, few]), 0.0)
        of_mean[few] = np.sqrt(square.sum(axis=0)) / some[few]
    of_mean[count == 0] = np.nan
    return 0.5 * (low + high), of_mean, count
