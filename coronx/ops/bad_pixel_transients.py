"""Find pixels that are bad in some integrations, by comparison with the others."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.prediction import OFFSETS

__all__ = ["FEWEST", "detect_transients", "masked_median"]

FEWEST = 3
"""Integrations that are needed to tell which one is off."""

_MAD = 1.4826  # to the sigma of a Gaussian
_STEEP = 0.05  # pixels: a shift that is seen above the noise where the image is this steep
_MANY = 50  # pixels that a measurement of the jitter needs
_CLIP = 4.0
_ROUNDS = 3
_ENOUGH = 10_000  # pixels, of those that tell and of the others, for the change


def detect_transients(
    images: NDArray[np.floating],
    err: NDArray[np.floating],
    usable: NDArray[np.bool_],
    *,
    sigma: float = 5.0,
    jitter: float = 0.01,
) -> NDArray[np.bool_]:
    """Find outliers over the integrations.

    Parameters
    ----------
    images, err : ndarray (n, ny, nx)
        Integrations of one scene and their 1-sigma errors.
    usable : ndarray of bool (n, ny, nx)
        Pixels to look at and to learn from; those that are not finite are left out too.
    sigma : float
        Threshold.
    jitter : float
        Least shift in pixels, along each axis, that is allowed for beside what is measured.

    Returns
    -------
    ndarray of bool (n, ny, nx)
        Pixels found; none where there are fewer than `FEWEST` integrations.

    Notes
    -----
    Each integration's difference from the median is freed of a change of level, brightness
    and place (a linear combination of one, the median image and its gradients, fitted
    robustly). What is left of the jitter is measured as the scatter over the gradient where
    the image is steep, and added to the error in proportion to the gradient; and where
    the differences around a pixel scatter by more than their errors, as they do on speckles
    when the wavefront drifts, the threshold is raised by as much.
    """
    found = np.zeros(images.shape, dtype=bool)
    if len(images) < FEWEST:
        return found
    good = usable & np.isfinite(images) & np.isfinite(err) & (err > 0)
    typical = masked_median(images, good)
    covered = np.isfinite(typical)
    usual = np.median(typical[covered]) if covered.any() else 0.0
    filled = np.where(covered, typical, usual).astype(np.float32)
    slope_y, slope_x = np.gradient(filled)
    steep = np.hypot(slope_y, slope_x)
    terms = np.stack([np.ones_like(filled), filled, slope_x, slope_y]).reshape(4, -1)
    for plane, (image, noise, ok) in enumerate(zip(images, err, good, strict=True)):
        ok = ok & covered
        if ok.sum() < _MANY:
            continue
        noise = np.where(ok, noise, np.float32(1.0)).astype(np.float32, copy=False)
        difference = np.where(ok, image - filled, np.float32(0.0))
        tells = (steep > noise) & ok
        used = np.concatenate([_some(tells), _some(ok & ~tells)])
        solved = _change(difference.ravel()[used], noise.ravel()[used], terms[:, used])
        residual = difference - (solved.astype(np.float32) @ terms).reshape(filled.shape)
        sharp = ok & (steep * np.float32(_STEEP) > noise)
        left = jitter
        if sharp.sum() > _MANY:
            left += _MAD * float(np.median(np.abs(residual[sharp]) / steep[sharp]))
        total = np.sqrt(noise**2 + (np.float32(left) * steep) ** 2)
        ratio = np.where(ok, np.abs(residual) / total, np.float32(np.nan))
        rows, cols = np.nonzero(ratio > sigma)
        padded = np.pad(ratio, 2, constant_values=np.nan)
        around = padded[rows[:, None] + 2 + OFFSETS[:, 0], cols[:, None] + 2 + OFFSETS[:, 1]]
        scatter = _MAD * masked_median(around.T, np.isfinite(around.T))
        over = ratio[rows, cols] > sigma * np.fmax(scatter, 1.0)
        found[plane, rows[over], cols[over]] = True
    return found


def masked_median(values: NDArray[np.floating], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the median of the good values along the first axis; NaN where there is none."""
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    if good.all():
        return np.median(values, axis=0).astype(np.float64)
    ordered = np.sort(np.where(good, values, np.nan), axis=0)  # NaN last
    count = good.sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(values) - 1)[None], axis=0)[0]
    return np.where(count > 0, 0.5 * (low.astype(np.float64) + high), np.nan)


def _some(mask: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Return the flat indices of pixels, evenly taken where there are many."""
    at = np.flatnonzero(mask)
    return at[:: max(1, at.size // _ENOUGH)]


def _change(
    difference: NDArray[np.floating], noise: NDArray[np.floating], terms: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the combination of the terms that fits a difference best, outliers left out."""
    values = (difference / noise).astype(np.float64)
    weighted = (terms / noise).astype(np.float64)
    solved: NDArray[np.float64] = np.zeros(len(terms))
    used = np.ones(values.shape)
    for number in range(_ROUNDS):
        if number:
            ratio = np.abs(values - solved @ weighted)
            used = ratio <= _CLIP * max(1.0, _MAD * float(np.median(ratio)))
        matrix = weighted * used
        solved = np.linalg.lstsq(matrix @ weighted.T, matrix @ values, rcond=None)[0].astype(float)
    return solved
