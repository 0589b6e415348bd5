"""How much of the stars' light reached each frame of a set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["StarList", "Transparency", "measure_transparency"]

Array = NDArray[np.float64]

_VOTERS = 60  # brightest stars of each list that tell the shift
_FEWEST = 4  # matches that are believed
_SHARE = 0.15  # of the shorter list of voters that have to agree
_FAINT = (
    0.1  # relative error of a flux that is not compared: such stars are seen when noise is kind
)
_ROUNDS = 20
_REFERENCE = 0.75  # quantile of the frames that has transparency 1


@dataclass(frozen=True)
class StarList:
    """Stars of one frame.

    Attributes
    ----------
    x, y : ndarray (n,)
        Places in pixels, or in any plane that frames share.
    rate, sigma : ndarray (n,)
        Flux per second, and its 1-sigma error.
    """

    x: Array
    y: Array
    rate: Array
    sigma: Array


@dataclass(frozen=True)
class Transparency:
    """Transparencies of the frames of a set.

    Attributes
    ----------
    value, sigma : ndarray (n,)
        Relative to the frame at the upper quartile of the set, or the best where three or fewer;
        NaN for a frame whose stars match no other frame's. The error is of the frame alone.
    matched : ndarray of int (n,)
        Stars of each that were found in other frames.
    """

    value: Array
    sigma: Array
    matched: NDArray[np.intp]


def measure_transparency(frames: Sequence[StarList], *, tolerance: float) -> Transparency:
    """Measure the relative transparency of frames by the fluxes of the stars that they share.

    Frames are matched to the one with the most stars, by the shift that most pairs of bright
    stars agree on, the frame as it is or turned by half a turn (a mount past the meridian). Then
    a magnitude of each star and a transparency of each frame are fitted to all logarithms of
    fluxes by medians in turn, so that variable stars and blends do not count.

    Parameters
    ----------
    frames : sequence of StarList
        Stars that are neither saturated nor crowded.
    tolerance : float
        How far matched stars may be apart: about a FWHM.

    Returns
    -------
    Transparency
    """
    count = len(frames)
    value, sigma = np.full(count, np.nan), np.full(count, np.nan)
    matched = np.zeros(count, np.intp)
    lists = [_usable(frame) for frame in frames]
    if not count or max(stars.x.size for stars in lists) < _FEWEST:
        return Transparency(value, sigma, matched)
    main = max(range(count), key=lambda n: lists[n].x.size)
    base = lists[main]
    logs = np.full((count, base.x.size), np.nan)
    errors = np.full((count, base.x.size), np.nan)
    for n, stars in enumerate(lists):
        pairs = _match(base, stars, tolerance)
        if pairs is None:
            continue
        here, there = pairs
        logs[n, here] = np.log(stars.rate[there])
        errors[n, here] = stars.sigma[there] / stars.rate[there]
    if count > 1:
        shared = np.isfinite(logs).sum(axis=0) > 1
        logs[:, ~shared] = np.nan
    matched = np.isfinite(logs).sum(axis=1)
    known = matched >= _FEWEST
    if not known[main]:
        return Transparency(value, sigma, matched)
    frame, residual = _polish(logs[known], errors[known])
    spread = np.array([1.4826 * np.nanmedian(np.abs(row)) for row in residual])
    log = np.sort(frame)
    at = len(log) - 1 if len(log) <= 3 else round(_REFERENCE * (len(log) - 1))
    value[known] = np.exp(frame - log[at])
    sigma[known] = value[known] * np.sqrt(np.pi / 2.0) * spread / np.sqrt(matched[known])
    return Transparency(value, sigma, matched)


def _usable(frame: StarList) -> StarList:
    ok = np.isfinite(frame.x) & np.isfinite(frame.y) & np.isfinite(frame.sigma)
    ok &= np.nan_to_num(frame.rate) * _FAINT > np.nan_to_num(frame.sigma, nan=np.inf)
    order = np.flatnonzero(ok)
    order = order[np.argsort(-frame.rate[order], kind="stable")]
    return StarList(frame.x[order], frame.y[order], frame.rate[order], frame.sigma[order])


def _match(
    base: StarList, stars: StarList, tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Return which stars are which, or None if too few agree on a shift."""
    if min(base.x.size, stars.x.size) < _FEWEST:
        return None
    fixed = np.column_stack([base.x, base.y])
    best: tuple[int, Array] | None = None
    for sign in (1.0, -1.0):
        moving = sign * np.column_stack([stars.x, stars.y])
        votes, shift = _shift(fixed[:_VOTERS], moving[:_VOTERS], tolerance)
        if best is None or votes > best[0]:
            best = votes, moving + shift
    assert best is not None
    votes, moved = best
    if votes < max(_FEWEST, _SHARE * min(_VOTERS, len(fixed), len(moved))):
        return None
    distance, index = KDTree(fixed).query(moved, distance_upper_bound=tolerance)
    distance, index = np.asarray(distance), np.asarray(index)
    # Of several stars at one, the nearest is it.
    order = np.lexsort((distance, index))
    order = order[np.isfinite(distance[order])]
    first = np.unique(index[order], return_index=True)[1]
    there = order[first]
    return index[there].astype(np.intp), there.astype(np.intp)


def _shift(fixed: Array, moving: Array, tolerance: float) -> tuple[int, Array]:
    """Return the shift that most pairs of stars agree on, and how many."""
    steps = (fixed[:, None] - moving[None]).reshape(-1, 2)
    tree = KDTree(steps)
    counts = np.asarray(tree.query_ball_point(steps, tolerance, return_length=True))
    peak = int(np.argmax(counts))
    near = steps[tree.query_ball_point(steps[peak], tolerance)]
    shift = np.median(near, axis=0)
    apart = np.asarray(KDTree(fixed).query(moving + shift, distance_upper_bound=tolerance)[0])
    return int(np.isfinite(apart).sum()), shift


def _polish(logs: Array, errors: Array) -> tuple[Array, Array]:
    """Return frames' terms and residuals of a table of stars' and frames' terms."""
    frame = np.zeros(len(logs))
    weight = np.where(np.isfinite(logs), 1.0 / np.hypot(np.nan_to_num(errors, nan=1.0), 0.01), 0.0)
    stars = np.isfinite(logs).any(axis=0)
    logs, weight = logs[:, stars], weight[:, stars]
    residual = logs.copy()
    for _ in range(_ROUNDS):
        star = np.nanmedian(logs - frame[:, None], axis=0)
        residual = logs - star
        new = np.array([_median(row, w) for row, w in zip(residual, weight, strict=True)])
        change, frame = np.abs(new - frame).max(), new
        if change < 1e-5:
            break
    return frame, residual - frame[:, None]


def _median(values: Array, weight: Array) -> float:
    """Return the weighted median: half of the weight is below."""
    ok = weight > 0.0
    values, weight = values[ok], weight[ok]
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    middle = (total - 0.5 * weight[order]) / total[-1]
    return float(np.interp(0.5, middle, values[order]))
