"""Errors of a companion's fit, from the same fit at other position angles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter
from scipy.stats import t

from coronx.ops.companion_linear import equations_at
from coronx.ops.companion_model import CompanionModel, View

__all__ = ["AnnulusErrors", "annulus_errors"]

Array = NDArray[np.float64]

_SPACING = 0.5  # resolution elements between the places; closer ones tell nothing new
_MOST = 60  # places
_CLEAR = 1.5  # resolution elements kept from the companion and from others
_SEEN = 0.7  # of the patches' pixels that must be there
_SIGMA = 0.8413447  # one-sided probability of one sigma


@dataclass(frozen=True)
class AnnulusErrors:
    """What the fit finds where there is nothing.

    Attributes
    ----------
    covariance : ndarray (3, 3)
        Of (east, north, flux) at the companion's own place, for few samples made wider so
        that one sigma still holds 68 %.
    samples : float
        Resolution elements that it is made of.
    offsets : ndarray (m, 3)
        (east, north, flux) found at each place, turned to the companion's position angle.
    """

    covariance: Array
    samples: float
    offsets: Array


def annulus_errors(
    model: CompanionModel,
    view: View,
    filters: Array,
    gain: Array,
    place: tuple[float, float],
    flux: float,
    *,
    known: tuple[tuple[float, float], ...] = (),
) -> AnnulusErrors:
    """Fit, by the same linear estimator, the residual at other position angles.

    The filters are turned about the star to places of the same separation on the
    residual from which the companion was taken out, and solved for there. The scatter of what is
    found holds all noise that is there: correlated from pixel to pixel, from frame to frame, and
    not Gaussian. It is of few samples close to the star, so it is widened by Student's t
    (Mawet et al. 2014, ApJ 792, 97).

    Parameters
    ----------
    model, view
        What was fitted.
    filters : ndarray (m, h, h, 3)
        By which the residual was weighed.
    gain : ndarray (3, 3)
        As `normal_equations` returns it.
    place : tuple of float
        (east, north) of the companion, arcsec.
    flux : float
        Of the companion.
    known : sequence of tuple of float
        (east, north) of other companions, kept clear of.

    Returns
    -------
    AnnulusErrors
        With NaN if fewer than three resolution elements are free.
    """
    images = model.without(place, flux)
    elements = 2.0 * np.pi * model.separation / model.fwhm
    count = int(np.clip(np.ceil(elements / _SPACING), 8, _MOST))
    splines = [[spline_filter(slope[..., k]) for k in range(3)] for slope in filters]
    found: list[Array] = []
    for angle in 2.0 * np.pi * np.arange(1, count) / count:
        there = _turned(place, angle)
        away = [np.hypot(there[0] - e, there[1] - n) for e, n in (place, *known)]
        if min(away) * model.scale < _CLEAR * model.fwhm:
            continue
        matrix, vector, seen = equations_at(model, view, splines, images, place, there, angle)
        if seen >= _SEEN:
            scale = 1.0 / np.sqrt(np.diag(matrix))
            turn = np.linalg.lstsq(matrix * np.outer(scale, scale), scale * vector)[0]
            found.append(gain @ (scale * turn))
    samples = min(float(len(found)), elements * len(found) / count)
    offsets = np.array(found).reshape(-1, 3)
    if samples < 3.0:
        return AnnulusErrors(np.full((3, 3), np.nan), samples, offsets)
    widen = float(t.ppf(_SIGMA, samples)) ** 2
    return AnnulusErrors(widen * offsets.T @ offsets / len(found), samples, offsets)


def _turned(place: tuple[float, float], angle: float) -> tuple[float, float]:
    """Return a place (east, north) turned about the star by an angle (radians, from N to E)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return place[0] * cos + place[1] * sin, place[1] * cos - place[0] * sin
