"""How often noise alone makes a peak somewhere in a field: expected Euler characteristic."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr, ndtri, stdtr, stdtrit

__all__ = ["expected_peaks", "field_false_alarm", "field_threshold", "gaussian_sigmas", "t_value"]

Array = NDArray[np.float64]

_HIGHEST = 30.0  # sigmas; rarer values of t cannot be computed
_ENDLESS = 1e100  # a t that stands for infinity


def t_value(sigmas: Any, freedom: Array) -> Array:
    """Return the value of Student's t that is as rare as so many sigmas of a Gaussian."""
    return -cast("Array", stdtrit(freedom, ndtr(-np.asarray(sigmas, np.float64))))


def gaussian_sigmas(t: Any, freedom: Any) -> Array:
    """Return how many sigmas of a Gaussian are as rare as a value of Student's t; at most 30."""
    sigmas = -cast("Array", ndtri(stdtr(freedom, -np.asarray(t, np.float64))))
    return np.clip(sigmas, -_HIGHEST, _HIGHEST)


def expected_peaks(sigmas: float, resels: Array, freedom: Array) -> float:
    """Return how many peaks of noise above a threshold are expected in a field.

    In the limit of high thresholds it is the expected Euler characteristic of the
    set above the threshold: for a Gaussian field of unit variance, A sqrt(det L) (2 pi)^(-3/2) u
    exp(-u^2 / 2), with L the covariance of its gradient (Worsley et al. 1996, Human Brain
    Mapping 4, 58, table II). A map over a noise that was estimated from a ring is such a field
    with a threshold that is uncertain but common to the neighbourhood, u -> t s, where s^2 follows
    chi^2 / freedom: the mean over s is A sqrt(det L) t f(t) / (2 pi), with f the density of
    Student's t. In Worsley's t field the denominator is as rough as the numerator, and the
    density is greater by 1 + t^2 / freedom; a ring's is not.

    Parameters
    ----------
    sigmas : float
        Threshold, the same rarity everywhere: t is `t_value(sigmas, freedom)`.
    resels : ndarray (n,)
        Area times roughness of each part of the field (`MapCorrelation.roughness`).
    freedom : ndarray (n,)
        Degrees of freedom of the noise in each.

    Returns
    -------
    float
    """
    # Rarer values than can be computed are NaN or of either sign, and as good as endless.
    t = t_value(sigmas, freedom)
    t = np.where((t >= 0.0) & (t < _ENDLESS), t, _ENDLESS)
    log_density = (
        gammaln(0.5 * (freedom + 1.0))
        - gammaln(0.5 * freedom)
        - 0.5 * np.log(freedom * np.pi)
        - 0.5 * (freedom + 1.0) * np.log1p(t**2 / freedom)
    )
    return float((resels * t * np.exp(log_density)).sum() / (2.0 * np.pi))


def field_false_alarm(sigmas: float, resels: Array, freedom: Array) -> float:
    """Return the probability that noise alone makes a peak of so many sigmas in a field.

    Peaks of noise are taken as independent, 1 - exp(-expected number); parameters as for
    `expected_peaks`. Below one sigma, where the expectation means nothing, it is 1.
    """
    if not np.isfinite(sigmas):
        return 0.0 if sigmas > 0.0 else 1.0
    if sigmas < 1.0:
        return 1.0
    if sigmas > _HIGHEST:
        return 0.0
    return float(-np.expm1(-expected_peaks(sigmas, resels, freedom)))


def field_threshold(probability: float, resels: Array, freedom: Array) -> float:
    """Return the threshold in sigmas that noise alone exceeds in a field so probably.

    The inverse of `field_false_alarm`; at least one sigma.

    Raises
    ------
    ValueError
        If the probability is not between 0 and 1.
    """
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability must be between 0 and 1, not {probability}")

    def excess(sigmas: float) -> float:
        return field_false_alarm(sigmas, resels, freedom) - probability

    if excess(1.0) <= 0.0:
        return 1.0
    return float(cast("Callable[..., float]", brentq)(excess, 1.0, _HIGHEST))
