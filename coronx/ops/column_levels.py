"""Levels of a CCD's columns, compared with those around them."""

import numpy as np
from astropy.stats import mad_std
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from coronx.ops.bad_pixel_transients import masked_median

__all__ = ["excess_of_columns", "middle_mean"]

_BENT = 3.0  # times the scatter, by which lines through both sides pass a column
_FEWEST = 3  # neighbours that a column is compared with
_TURNS = 4  # of finding bad columns and leaving them out


def middle_mean(block: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean of the middle half of the values of each column.

    Parameters
    ----------
    block : ndarray (ny, nx)
        Values; NaN are left out.

    Returns
    -------
    ndarray (nx,)
        NaN where less than half of the values, or less than four, are known.

    Notes
    -----
    It is as robust as a median against a quarter of wild values, less noisy, and
    does not stick to whole numbers.
    """
    ordered = np.sort(np.asarray(block, np.float64), axis=0)  # NaN last
    count = np.isfinite(ordered).sum(axis=0)
    total = np.zeros((len(ordered) + 1, ordered.shape[1]))
    np.cumsum(np.nan_to_num(ordered), axis=0, out=total[1:])
    low, high = count // 4, count - count // 4
    each = np.arange(ordered.shape[1])
    mean = (total[high, each] - total[low, each]) / np.maximum(high - low, 1)
    return np.where((count >= 4) & (2 * count >= len(ordered)), mean, np.nan)


def excess_of_columns(
    levels: NDArray[np.float64], *, sigma: float, window: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far levels are from those around them, and the scatter of good ones.

    Parameters
    ----------
    levels : ndarray (m, nx)
        Levels of nx columns in m parts of the image; NaN is not known.
    sigma : float
        Distance, in scatters, from which a level is left out where others are compared.
    window : int
        Columns that one is compared with, itself among them.

    Returns
    -------
    excess, noise : ndarray (m, nx)
        How far the level is outside of what lines through both sides of the window reach; 0
        where too few are known. The larger of the scatter of all columns and that of the window.
    """
    candidate = np.zeros(levels.shape, dtype=np.bool_)
    excess, noise = np.zeros_like(levels), np.ones_like(levels)
    for _ in range(_TURNS):
        good = np.where(candidate, np.nan, levels)
        rest, outside, local = _against_window(good, levels, window)
        known = rest[~candidate & np.isfinite(local)]
        usual = float(mad_std(known)) if known.size else 0.0
        # Where the level bends, a column is between what both sides make of it.
        bent = np.abs(outside - rest) > _BENT * usual
        excess = np.where(bent, outside, rest)
        # Where the scene varies from column to column, so does what is good.
        noise = np.maximum(usual, local)
        now = np.abs(excess) > sigma * noise
        if (now == candidate).all():
            break
        candidate = now
    return excess, noise


def _against_window(
    good: NDArray[np.float64], levels: NDArray[np.float64], window: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return levels less those around them, less the nearer of both sides, and the scatter."""
    half, nx = window // 2, levels.shape[1]
    before = np.stack([_shifted(good, -step) for step in range(1, half + 1)])
    after = np.stack([_shifted(good, step) for step in range(1, half + 1)])
    steps: NDArray[np.float64] = np.arange(1, half + 1).astype(np.float64)
    left, right = _line_at(before, -steps), _line_at(after, steps)
    # A bad neighbour shifts the median of a slope: it is taken of what is left without the slope.
    rise = masked_median(after, np.isfinite(after)) - masked_median(before, np.isfinite(before))
    slope = np.asarray(median_filter(np.nan_to_num(rise), (1, 4 * half + 1))) / (half + 1.0)
    away = steps[:, None, None] * slope
    around = np.concatenate([before + away, after - away])
    rest = levels - masked_median(around, np.isfinite(around))
    low, high = np.fmin(left, right), np.fmax(left, right)
    outside = levels - np.clip(levels, low, high)
    clean = np.where(np.isfinite(good), rest, np.nan)
    beside = np.stack([_shifted(clean, step) for step in range(-half, half + 1) if step])
    known = np.isfinite(beside)
    scatter = 1.4826 * masked_median(np.abs(beside), known)
    for column in (*range(half), *range(nx - half, nx)):
        # At the edge the neighbours are on one side: a line through them reaches the column, but a
        # steep edge is no line.
        others = np.delete(np.arange(nx), column)
        others = others[np.argsort(np.abs(others - column), kind="stable")[: 2 * half]]
        line = _line_at(good[:, others].T, (others - column).astype(np.float64))
        rest[:, column] = outside[:, column] = levels[:, column] - line
        spread = np.abs(levels[:, others].T - line)
        scatter[:, column] = 1.4826 * masked_median(spread, np.isfinite(spread))
    enough = (known.sum(axis=0) >= _FEWEST) & np.isfinite(rest)
    rest, outside = np.where(enough, rest, 0.0), np.where(enough, np.nan_to_num(outside), 0.0)
    return rest, outside, np.where(enough, scatter, np.inf)


def _shifted(values: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return the value `step` columns further on; NaN beyond the edge."""
    result = np.full_like(values, np.nan)
    if step > 0:
        result[:, :-step] = values[:, step:]
    else:
        result[:, -step:] = values[:, :step]
    return result


def _line_at(values: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a robust line (Theil and Sen's) through values (k, ...) has at place 0."""
    first, second = np.triu_indices(place.size, 1)
    spaced = place.reshape(-1, *[1] * (values.ndim - 1))
    slopes = (values[second] - values[first]) / (spaced[second] - spaced[first])
    slope = masked_median(slopes, np.isfinite(slopes))
    rest = values - spaced * slope
    known = np.isfinite(rest)
    return np.where(known.sum(axis=0) >= _FEWEST, masked_median(rest, known), np.nan)
