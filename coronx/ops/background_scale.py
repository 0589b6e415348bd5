"""By what factor a background frame has to be scaled to match a target's background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BackgroundScale", "fit_background_scale"]

_ROUNDS = 30
_TOLERANCE = 0.02  # sigma
_CLIPS = 2
_CLIP = 4.0  # sigma
# The background's own structure has to stand out from its noise by this many sigma.
_SIGNIFICANT = 5.0


@dataclass(frozen=True)
class BackgroundScale:
    """A factor, and how well it is known.

    Attributes
    ----------
    scale, sigma : float
        The factor and its 1-sigma uncertainty; 1 and 0 where the background tells none.
    determined : bool
        Whether the background stands out from its noise enough to tell a factor.
    count : int
        Number of pixels that the fit rests on.
    """

    scale: float
    sigma: float
    determined: bool
    count: int


def fit_background_scale(
    target: NDArray[np.floating],
    background: NDArray[np.floating],
    target_sigma: NDArray[np.floating],
    background_sigma: NDArray[np.floating],
    *,
    offset: bool = False,
) -> BackgroundScale:
    """Fit target = scale * background, or scale * background + offset.

    Parameters
    ----------
    target, background : ndarray (n,)
        Pixels of both that see nothing but the background; those not finite are left out.
    target_sigma, background_sigma : ndarray (n,)
        Their 1-sigma errors.
    offset : bool
        Leave a difference of level between the two free, so that the factor is that of the
        background's structure.

    Returns
    -------
    BackgroundScale

    Notes
    -----
    Least squares with errors in both (York et al. 2004, Am. J. Phys. 72, 367). An ordinary
    regression takes the background's noise for structure, which lowers the factor by the ratio
    of noise to structure; where there is noise alone, to zero. Pixels further than 4 sigma
    from the fit are left out, and the uncertainty is scaled by the residuals' scatter.
    """
    known = np.isfinite(target) & np.isfinite(background)
    known &= (target_sigma > 0.0) & (background_sigma > 0.0)
    t, b = target[known].astype(np.float64), background[known].astype(np.float64)
    t2 = np.square(target_sigma[known], dtype=np.float64)
    b2 = np.square(background_sigma[known], dtype=np.float64)
    if t.size < 3:
        return BackgroundScale(1.0, 0.0, False, int(t.size))
    line = _Line(1.0, float(np.median(t - b)) if offset else 0.0, 0.0, False)
    count, scatter = t.size, 1.0
    for _ in range(_CLIPS):
        pull = np.abs(t - line.scale * b - line.level) / np.sqrt(t2 + line.scale**2 * b2)
        scatter = max(1.4826 * float(np.median(pull)), 1.0)
        kept = pull <= _CLIP * scatter
        count = int(np.count_nonzero(kept))
        line = _fit(t[kept], b[kept], t2[kept], b2[kept], line.scale, offset)
        if not line.determined:
            return BackgroundScale(1.0, 0.0, False, count)
    return BackgroundScale(line.scale, line.sigma * scatter, True, count)


@dataclass(frozen=True)
class _Line:
    scale: float
    level: float
    sigma: float
    determined: bool


def _fit(
    t: NDArray[np.float64],
    b: NDArray[np.float64],
    t2: NDArray[np.float64],
    b2: NDArray[np.float64],
    scale: float,
    offset: bool,
) -> _Line:
    """Fit the line to pixels, from a first guess of the scale; t2 and b2 are variances."""
    level, sigma = 0.0, 0.0
    for _ in range(_ROUNDS):
        weight = 1.0 / (t2 + scale**2 * b2)
        total = float(weight.sum())
        middle_t = float(weight @ t) / total if offset else 0.0
        middle_b = float(weight @ b) / total if offset else 0.0
        u, v = b - middle_b, t - middle_t
        structure = float(weight @ (u**2 - b2))
        if structure < _SIGNIFICANT * float(np.sqrt(2.0 * (weight**2 @ b2**2))):
            return _Line(1.0, middle_t - middle_b, 0.0, False)
        # Fuller 1987, Measurement Error Models, section 1.3: the second term is for the
        # product of the two noises.
        second = float(weight**2 @ (t2 * b2)) / structure
        sigma = float(np.sqrt((1.0 + second) / structure))
        true = weight**2 * (u * t2 + scale * v * b2)  # the background without its noise, weighted
        before, scale = scale, float(true @ v) / float(true @ u)
        level = middle_t - scale * middle_b
        if abs(scale - before) < _TOLERANCE * sigma:
            break
    return _Line(scale, level, sigma, True)
