"""Which frames of a set are worse than the others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIGURES", "Limits", "Reason", "judge_frames", "small_sample_factor"]

Array = NDArray[np.float64]

FIGURES = (
    "fwhm", "transparency", "axis_ratio", "background", "background_rms", "stars",
    "saturated_share", "bad_share", "airmass",
)  # fmt: skip
"""What frames are judged by."""

_SET = 3  # frames that tell what is usual
_SCATTER = 5  # frames that tell how much it scatters
_COUNT = 3.0  # root of the median star count, that a frame must lack
_SATURATED = 1e-3  # share of saturated pixels that no frame is rejected for
_FIELD = 3.0  # median star count from which a frame without a star has lost them


@dataclass(frozen=True)
class Limits:
    """Limits of the figures of frames; None switches one off.

    Attributes
    ----------
    fwhm_ratio : float, optional
        FWHM over the median of the set.
    fwhm_sigma : float, optional
        FWHM above the median in standard deviations (from absolute deviations, with an allowance
        for small sets), if it is also larger by 20 %.
    transparency : float, optional
        Least share of the light of the set's clear frames.
    axis_ratio_share : float, optional
        Least axis ratio over the median.
    axis_ratio_sigma : float, optional
        Axis ratio below the median in standard deviations, if it is also smaller by 15 %.
    background_ratio : float, optional
        Background over the median, if it is also higher by the noise of a pixel. Clouds shine in
        the light of the ground: where they are the reason, the background is not another.
    stars_share : float, optional
        Least number of stars over the median. It follows from seeing and clouds, and is judged
        only where they are not why the frame is rejected.
    saturated_ratio : float, optional
        Saturated pixels over the median, if more than 0.1 % of all.
    airmass_ratio : float, optional
        Airmass over the median.
    max_fwhm, min_axis_ratio, max_background, min_stars, max_saturated, max_airmass, max_bad : float
        Absolute limits in the same units as the figures, none by default.
    """

    fwhm_ratio: float | None = 1.5
    fwhm_sigma: float | None = 5.0
    transparency: float | None = 0.7
    axis_ratio_share: float | None = 0.7
    axis_ratio_sigma: float | None = 5.0
    background_ratio: float | None = 2.0
    stars_share: float | None = 0.3
    saturated_ratio: float | None = 10.0
    airmass_ratio: float | None = 2.0
    max_fwhm: float | None = None
    min_axis_ratio: float | None = None
    max_background: float | None = None
    min_stars: float | None = None
    max_saturated: float | None = None
    max_airmass: float | None = None
    max_bad: float | None = None


@dataclass(frozen=True)
class Reason:
    """Why a frame is rejected.

    Attributes
    ----------
    figure : str
        One of `FIGURES`.
    value, limit : float
        What the frame has, and what it may have.
    """

    figure: str
    value: float
    limit: float


def small_sample_factor(count: int) -> float:
    """Return by how much a limit in standard deviations is widened in a small set.

    The median absolute deviation of few values is often far too small. With the factor
    1 + 8 / (n - 2) less than 1 % of sets of 5 to 30 frames with normal scatter have a frame beyond
    five standard deviations.
    """
    return 1.0 + 8.0 / (count - 2) if count > 2 else float("inf")


def judge_frames(figures: Mapping[str, Array], *, limits: Limits) -> list[list[Reason]]:
    """Return why each frame of a set is rejected; nothing for one that passes.

    Parameters
    ----------
    figures : mapping of str to ndarray (n,)
        By the names of `FIGURES`; NaN where not known, and what is missing is known of none. A
        figure that is not known rejects no frame.
    limits : Limits
        Those relative to the set apply to three frames and more.

    Returns
    -------
    list of list of Reason
        For each frame, the gravest first: focus and seeing, clouds, tracking, sky, and so on.
    """
    count = len(next(iter(figures.values())))
    have = {
        name: np.asarray(figures.get(name, np.full(count, np.nan)), np.float64) for name in FIGURES
    }
    made: list[list[Reason]] = [[] for _ in range(count)]

    def reject(name: str, limit: float, *, above: bool, also: NDArray[np.bool_]) -> None:
        value = have[name]
        beyond = value > limit if above else value < limit
        for n in np.flatnonzero(beyond & also):
            if all(reason.figure != name for reason in made[n]):
                made[n].append(Reason(name, float(value[n]), limit))

    every = np.ones(count, bool)
    middle = {name: _median(value) for name, value in have.items()}
    _outliers(have["fwhm"], limits.fwhm_ratio, limits.fwhm_sigma, 1.2, reject, "fwhm")
    if limits.max_fwhm is not None:
        reject("fwhm", limits.max_fwhm, above=True, also=every)
    if limits.transparency is not None and _known(have["transparency"]) >= _SET:
        reject("transparency", limits.transparency, above=False, also=every)
    _outliers(
        have["axis_ratio"], limits.axis_ratio_share, limits.axis_ratio_sigma, 0.85, reject,
        "axis_ratio",
    )  # fmt: skip
    if limits.min_axis_ratio is not None:
        reject("axis_ratio", limits.min_axis_ratio, above=False, also=every)
    if limits.max_background is not None:
        reject("background", limits.max_background, above=True, also=every)
    for name, ratio, least in (
        ("saturated_share", limits.saturated_ratio, _SATURATED),
        ("airmass", limits.airmass_ratio, 0.0),
    ):
        if ratio is not None and _known(have[name]) >= _SET:
            reject(name, max(ratio * middle[name], least), above=True, also=every)
    for name, most in (
        ("saturated_share", limits.max_saturated),
        ("airmass", limits.max_airmass),
        ("bad_share", limits.max_bad),
    ):
        if most is not None:
            reject(name, most, above=True, also=every)
    # Few stars are seen through clouds and out of focus, and clouds shine: that is the reason, not
    # the number of stars, nor the sky.
    plain = ~_rejected(made, "fwhm", "transparency")
    clear = ~_rejected(made, "transparency")
    if limits.background_ratio is not None and _known(have["background"]) >= _SET:
        noise = np.nan_to_num(have["background_rms"], nan=middle["background_rms"])
        rise = have["background"] - middle["background"] > np.nan_to_num(noise)
        limit = limits.background_ratio * max(middle["background"], 0.0)
        reject("background", limit, above=True, also=rise & clear)
    usual = middle["stars"]
    if limits.stars_share is not None and _known(have["stars"]) >= _SET:
        limit = min(limits.stars_share * usual, usual - _COUNT * np.sqrt(max(usual, 0.0)))
        if usual >= _FIELD:
            limit = max(limit, 0.5)
        reject("stars", float(limit), above=False, also=plain)
    if limits.min_stars is not None:
        reject("stars", limits.min_stars, above=False, also=every)
    return made


def _outliers(
    value: Array, ratio: float | None, sigma: float | None, least: float, reject: object, name: str
) -> None:
    """Reject by a ratio to the median, and by scatter beyond the least ratio."""
    assert callable(reject)
    known = _known(value)
    if known < _SET:
        return
    middle, above = _median(value), least > 1.0
    every = np.ones(value.size, bool)
    limits = [ratio * middle] if ratio is not None else []
    if sigma is not None and known >= _SCATTER:
        spread = 1.4826 * _median(np.abs(value - middle))
        reach = sigma * small_sample_factor(known) * spread
        wide = middle + reach if above else middle - reach
        limits.append(max(wide, least * middle) if above else min(wide, least * middle))
    if limits:
        reject(name, min(limits) if above else max(limits), above=above, also=every)


def _rejected(made: list[list[Reason]], *names: str) -> NDArray[np.bool_]:
    """Return which frames are rejected for one of some reasons."""
    return np.array([any(reason.figure in names for reason in reasons) for reasons in made])


def _known(value: Array) -> int:
    return int(np.isfinite(value).sum())


def _median(value: Array) -> float:
    known = value[np.isfinite(value)]
    return float(np.median(known)) if known.size else float("nan")
