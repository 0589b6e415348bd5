"""Thresholds and false-alarm probabilities where few resolution elements tell the noise."""

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr, stdtrit

__all__ = ["FIVE_SIGMA", "false_alarm", "threshold"]

Array = NDArray[np.float64]

FIVE_SIGMA = float(ndtr(-5.0))
"""Probability that a Gaussian variable exceeds five sigma."""


def threshold(count: ArrayLike, *, false_alarm: float = FIVE_SIGMA) -> Array:
    """Return how many sample standard deviations a signal must reach to be believed.

    Where a ring about the star holds n resolution elements, n - 1 beside the one that is tested
    tell mean and scatter, and the ratio follows Student's t with n - 2 degrees of freedom
    (Mawet et al. 2014, ApJ 792, 97, eqs. 8-10).

    Parameters
    ----------
    count : array_like
        Number of resolution elements in the ring, 2 pi r / FWHM, the tested one among them; it
        need not be whole.
    false_alarm : float
        Probability that noise alone exceeds the threshold; that of five sigma of a
        Gaussian by default.

    Returns
    -------
    ndarray
        Factor on the sample standard deviation, sqrt(1 + 1 / (n - 1)) included; NaN where fewer
        than three elements leave no scatter to measure.

    Raises
    ------
    ValueError
        If the probability is not between 0 and 1.
    """
    if not 0.0 < false_alarm < 1.0:
        raise ValueError(f"false_alarm must be a probability between 0 and 1, not {false_alarm}")
    freedom, inflation = _sample(count)
    return -cast("Array", stdtrit(freedom, false_alarm)) * inflation


def false_alarm(snr: ArrayLike, count: ArrayLike) -> Array:
    """Return the probability that noise alone reaches a ratio of signal to sample scatter.

    Parameters
    ----------
    snr : array_like
        Signal, less the ring's mean, over the sample standard deviation of the ring's other
        resolution elements.
    count : array_like
        As for `threshold`, whose inverse this is.

    Returns
    -------
    ndarray
        NaN where `count` is less than three.
    """
    freedom, inflation = _sample(count)
    return cast("Array", stdtr(freedom, -np.asarray(snr, np.float64) / inflation))


def _sample(count: ArrayLike) -> tuple[Any, Any]:
    """Return degrees of freedom and the factor for the mean's own scatter, NaN for too few."""
    number = np.asarray(count, np.float64)
    number = np.where(number >= 3.0, number, np.nan)
    return number - 2.0, np.sqrt(1.0 + 1.0 / (number - 1.0))
