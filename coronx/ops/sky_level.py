"""The level of the sky in an image, and its uncertainty."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SkyLevel", "border_of", "sky_level", "sky_levels"]

_TO_SIGMA = 1.0 / 0.6744897501960817  # of a median absolute deviation, for a normal distribution
_ROUNDS = 10


@dataclass(frozen=True)
class SkyLevel:
    """A level.

    Attributes
    ----------
    level, sigma : float
        The level and its 1-sigma uncertainty; NaN where there is no pixel.
    count : int
        Number of pixels it is from.
    """

    level: float
    sigma: float
    count: int


def sky_level(
    values: NDArray[np.floating], *, clip: str = "bright", sigma: float = 5.0
) -> SkyLevel:
    """Return the median of those values that belong to the sky.

    Parameters
    ----------
    values : ndarray (n,)
        Pixels that see the sky; those that are not finite are left out.
    clip : str
        "bright": values more than `sigma` above the median are left out, once. "both": values
        further than `sigma` from the median are left out, again and again until none is.
    sigma : float
        Limit in standard deviations, which are 1.4826 times the median absolute deviation.

    Returns
    -------
    SkyLevel
        The uncertainty is that of a median of normal values, sqrt(pi / 2) times that of a mean;
        clipping on both sides raises it.

    Raises
    ------
    ValueError
        If `clip` is neither.
    """
    if clip not in ("bright", "both"):
        raise ValueError(f"clip is 'bright' or 'both', not {clip!r}")
    kept = values[np.isfinite(values)]
    if not kept.size:
        return SkyLevel(float("nan"), float("nan"), 0)
    level, spread = first = _middle(kept)
    for _ in range(1 if clip == "bright" else _ROUNDS):
        away = kept - level
        if clip == "both":
            away = np.abs(away)
        inside = away <= sigma * spread
        if inside.all():
            break
        kept = kept[inside]
        level, spread = _middle(kept)
    noise, factor = first[1], math.sqrt(math.pi / 2.0)
    if clip == "both" and noise > 0.0 and spread > 0.0:
        factor = _clipped_error(sigma * spread / noise)
    return SkyLevel(level, factor * noise / math.sqrt(kept.size), int(kept.size))


def _clipped_error(limit: float) -> float:
    """Return the error of a median of normal values within a limit, over that of their mean.

    The limit, in standard deviations, moves with the median: an M-estimate whose influence is the
    sign of a value within the limit and 0 beyond (Huber & Ronchetti 2009, section 3.2).
    """
    inside = math.erf(limit / math.sqrt(2.0))
    return inside / ((1.0 - math.exp(-0.5 * limit**2)) * math.sqrt(2.0 / math.pi))


def sky_levels(
    cube: NDArray[np.floating],
    good: NDArray[np.bool_],
    sky: NDArray[np.bool_],
    *,
    extra: NDArray[np.floating] | None = None,
    clip: str = "bright",
    sigma: float = 5.0,
) -> list[SkyLevel]:
    """Return the level of each image of a cube, see `sky_level`.

    Parameters
    ----------
    cube : ndarray (n, ny, nx)
        Images.
    good : ndarray of bool (n, ny, nx)
        Pixels that hold a value.
    sky : ndarray of bool (ny, nx)
        Pixels that see the sky.
    extra : ndarray (ny, nx), optional
        What there is beside the sky, such as a star's halo: taken off before.
    clip, sigma
        As for `sky_level`.
    """
    at = np.flatnonzero(sky)
    more = 0.0 if extra is None else extra.reshape(-1)[at].astype(np.float32)
    levels: list[SkyLevel] = []
    for image, usable in zip(cube, good, strict=True):
        values = np.asarray(image, np.float32).reshape(-1)[at] - more
        levels.append(sky_level(values[usable.reshape(-1)[at]], clip=clip, sigma=sigma))
    return levels


def border_of(use: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels along the edge of a field.

    Parameters
    ----------
    use : ndarray of bool (ny, nx)
        Pixels that see the sky.
    width : int
        How far from the edge of the rectangle around them, in pixels.

    Returns
    -------
    ndarray of bool (ny, nx)
        Those of `use` in the border.

    Raises
    ------
    ValueError
        If the border leaves no middle, or there is no pixel.
    """
    rows, columns = (np.flatnonzero(use.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        raise ValueError("no pixel that sees the sky")
    low, high = (rows[0], columns[0]), (rows[-1] + 1, columns[-1] + 1)
    size = tuple(int(b - a) for a, b in zip(low, high, strict=True))
    if width < 1 or 2 * width >= min(size):
        raise ValueError(
            f"a border of {width} pixels in a field of {size[1]} x {size[0]}: it is at least 1 "
            f"and less than {math.ceil(min(size) / 2)}"
        )
    result = use.copy()
    result[low[0] + width : high[0] - width, low[1] + width : high[1] - width] = False
    return result


def _middle(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return median and standard deviation, the latter from the median absolute deviation."""
    level = _median(values)
    return level, _TO_SIGMA * _median(np.abs(values - level))


def _median(values: NDArray[np.floating]) -> float:
    # np.median is several times slower: it looks for NaN, and sorts out more than is needed.
    half = values.size // 2
    if values.size % 2:
        return float(np.partition(values, half)[half])
    low = np.partition(values, half)
    return 0.5 * (float(low[:half].max()) + float(low[half]))
