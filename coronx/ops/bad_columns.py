"""Find bad columns of a CCD: whole ones, neighbours, and parts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from astropy.stats import mad_std
from numpy.typing import NDArray

from coronx.ops.bad_pixel_transients import masked_median
from coronx.ops.column_levels import excess_of_columns, middle_mean

__all__ = ["BadColumn", "find_bad_columns"]

_SHORTEST = 32  # rows of the shortest part that is looked at
_PASSES = 5  # parts of one column, at most
_WHOLE = 0.9  # of the rows: the column is bad as a whole
_SLENDER = 12  # times its width: what is shorter is a star
_CHANCE = 6.0  # log of the likelihood that the choice of a row as the end gains by chance


@dataclass(frozen=True)
class BadColumn:
    """A column, or a part of one, that is not like its neighbours; counted from 0.

    Attributes
    ----------
    column : int
        Its number.
    first, last : int
        First and last row, both within.
    offset : float
        How far it is above its neighbours, in the unit of the image.
    score : float
        The same over the scatter of good columns.
    whole : bool
        Whether it is bad over the whole image.
    """

    column: int
    first: int
    last: int
    offset: float
    score: float
    whole: bool


def find_bad_columns(
    image: NDArray[np.floating],
    bad: NDArray[np.bool_] | None = None,
    *,
    sigma: float = 5.0,
    window: int = 11,
) -> list[BadColumn]:
    """Find columns whose level is not that of the columns around them.

    For rows, give the image transposed.

    Parameters
    ----------
    image : ndarray (ny, nx)
        An image whose level changes slowly across the columns: a dark, a flat, a blank sky.
    bad : ndarray of bool (ny, nx), optional
        Pixels to leave out; those that are not finite always are.
    sigma : float
        Distance from the neighbours, in their scatter, from which a column is bad.
    window : int
        Columns, the one in question among them, that it is compared with.

    Returns
    -------
    list of BadColumn
        In the order of columns and rows.

    Raises
    ------
    ValueError
        If the window is shorter than 5 columns or wider than the image.

    Notes
    -----
    A column's level is the mean of its middle half of values, which stars and hot pixels are not
    in. It is compared with the median of the others in its window, of which those found before
    are none: a bad neighbour is no measure. The same is done for parts of columns, the halves,
    quarters, ... down to 32 rows, each also shifted by half its length; where a part is found, its
    ends are those that make a step of its height likeliest. What is shorter than 32 rows, or than
    12 times the width of its group of columns, is taken for a star.
    """
    nx = image.shape[1]
    if not 5 <= window <= nx:
        raise ValueError(f"window {window}; it holds 5 to {nx} columns, all that there are")
    values = np.array(image, dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    if bad is not None:
        values[bad] = np.nan
    found: list[BadColumn] = []
    for _ in range(_PASSES):
        new = _search(values, sigma, window)
        if not new:
            break
        found += new
        for one in new:
            values[one.first : one.last + 1, one.column] = np.nan
    slender = [one for group in _groups(found) for one in group if _is_slender(group)]
    return sorted(slender, key=lambda one: (one.column, one.first))


def _groups(found: list[BadColumn]) -> list[list[BadColumn]]:
    """Return what is found in neighbouring columns and the same rows together."""
    groups: list[list[BadColumn]] = []
    for one in found:
        near = [group for group in groups if any(_touch(one, other) for other in group)]
        groups = [group for group in groups if not any(group is other for other in near)]
        groups.append([one, *(other for group in near for other in group)])
    return groups


def _touch(one: BadColumn, other: BadColumn) -> bool:
    beside = abs(one.column - other.column) <= 1
    return beside and one.first <= other.last and other.first <= one.last


def _is_slender(group: list[BadColumn]) -> bool:
    width = len({one.column for one in group})
    length = max(one.last - one.first + 1 for one in group)
    return length >= _SLENDER * width or any(one.whole for one in group)


def _search(values: NDArray[np.float64], sigma: float, window: int) -> list[BadColumn]:
    """Return the surest part of each column that is bad."""
    ny, nx = values.shape
    score, offset = np.zeros(nx), np.zeros(nx)
    guess = np.zeros((nx, 2), dtype=np.int_)
    for length, starts in _parts(ny):
        levels = np.array([middle_mean(values[s : s + length]) for s in starts])
        excess, noise = excess_of_columns(levels, sigma=sigma, window=window)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.nan_to_num(np.abs(excess) / noise, posinf=np.inf)
        best = scores.argmax(axis=0)
        each = np.arange(nx)
        better = scores[best, each] > score
        score[better] = scores[best, each][better]
        offset[better] = excess[best, each][better]
        begin = np.asarray(starts)[best]
        guess[better] = np.stack([begin, begin + length], axis=1)[better]
    candidates = np.nonzero(score > sigma)[0]
    others = values.copy()
    others[:, candidates] = np.nan
    made: list[BadColumn] = []
    for column in candidates:
        profile = values[:, column] - _beside(others, int(column), window)
        first, last, height, gain = _ends(profile, guess[column], float(offset[column]))
        if gain < 0.5 * sigma**2:
            continue  # no more than its likeliest part
        if last - first + 1 < min(_SHORTEST, ny):
            continue  # a star
        whole = bool(last - first + 1 >= _WHOLE * ny)
        if whole:
            first, last = 0, ny - 1
        made.append(BadColumn(int(column), first, last, height, float(score[column]), whole))
    return made


def _parts(ny: int) -> Iterator[tuple[int, list[int]]]:
    """Return the lengths of parts of a column, and where those of each begin."""
    length = ny
    while True:
        step = max(length // 2, 1)
        yield length, sorted({*range(0, ny - length + 1, step), ny - length})
        length //= 2
        if length < _SHORTEST:
            return


def _beside(others: NDArray[np.float64], column: int, window: int) -> NDArray[np.float64]:
    """Return the median, row by row, of the good columns around one."""
    half = window // 2
    part = others[:, max(column - half, 0) : column + half + 1].T
    return masked_median(part, np.isfinite(part))


def _ends(
    profile: NDArray[np.float64], guess: NDArray[np.int_], offset: float
) -> tuple[int, int, float, float]:
    """Return first and last row of a step, its height, and the log of its likelihood."""
    known = profile[np.isfinite(profile)]
    if not known.size:
        return int(guess[0]), int(guess[1]) - 1, offset, 0.0
    spread = max(float(mad_std(np.diff(known))) / 2.0**0.5, 1e-6 * abs(offset))
    height, first, last, likely = offset, int(guess[0]), int(guess[1]) - 1, 0.0
    for _ in range(3):
        # A star or a hot pixel counts no more than any other.
        limits = min(height, 0.0) - 3.0 * spread, max(height, 0.0) + 3.0 * spread
        gain = height * (np.clip(profile, *limits) - height / 2.0) / spread**2
        total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(gain))])
        end = int((total - np.minimum.accumulate(total)).argmax())
        if end == 0:
            break
        start = int(total[:end].argmin())
        # An end that is hardly likelier than the image's is the image's.
        if total[0] - total[start] < _CHANCE:
            start = 0
        if total[end] - total[-1] < _CHANCE:
            end = profile.size
        first, last, likely = start, end - 1, float(total[end] - total[start])
        height = _level(profile[first : last + 1], height)
    return first, last, height, likely


def _level(values: NDArray[np.float64], before: float) -> float:
    """Return the level of a part, or what was known before if it has none of that sign."""
    level = float(middle_mean(values[:, None])[0])
    return level if np.isfinite(level) and level * before > 0.0 else before
