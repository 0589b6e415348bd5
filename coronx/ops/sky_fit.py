"""Fit a WCS to the stars of an image, of which a catalogue tells where they are in the sky."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.wcs import WCS, NoConvergence, Sip
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["SkyFit", "fit_sky"]

_TURNS = 20
_FEWEST = 5  # stars
_CLIP = 3.5  # sigma beyond which a star is left out
_NODES = 25  # along each axis, to which the inverse of the distortion is fitted


@dataclass(frozen=True)
class SkyFit:
    """A WCS and how well it fits.

    Attributes
    ----------
    wcs : WCS
        TAN about the middle of the image, with SIP terms where the stars ask for them.
    order : int
        Of the SIP polynomials; 1 without them.
    matched : int
        Stars that the fit used.
    rms : float
        Their residual along one axis, in arcseconds.
    """

    wcs: WCS
    order: int
    matched: int
    rms: float


def fit_sky(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    ra: NDArray[np.floating],
    dec: NDArray[np.floating],
    *,
    wcs: WCS,
    shape: tuple[int, int],
    max_order: int = 3,
    tolerance: float = 5.0,
) -> SkyFit:
    """Match stars with a catalogue by a WCS that is nearly right, and make it right.

    Parameters
    ----------
    x, y : ndarray (n,)
        Stars in 0-based pixels.
    ra, dec : ndarray (m,)
        Catalogue, in degrees.
    wcs : WCS
        To begin with.
    shape : tuple of int
        Of the image, (ny, nx).
    max_order : int
        Largest order of the distortion that is tried; 1 for none. Of the orders the one with the
        least Bayesian information criterion (Schwarz 1978) is taken.
    tolerance : float
        Distance within which a star is the catalogue's, in pixels, to begin with.

    Returns
    -------
    SkyFit

    Raises
    ------
    ValueError
        If fewer than five stars are the catalogue's.
    """
    here = np.column_stack([x, y]).astype(np.float64)
    sky = np.column_stack([ra, dec]).astype(np.float64)
    here, sky = here[np.isfinite(here).all(axis=1)], sky[np.isfinite(sky).all(axis=1)]
    matched = _matched(here, sky, wcs, shape, max(max_order, 1), tolerance)
    if matched is None:
        raise ValueError("fewer than five stars are where the catalogue has one")
    pairs, near = matched
    here, sky = here[pairs[:, 0]], sky[pairs[:, 1]]
    found, least = None, np.inf
    for order in range(1, _largest(len(pairs), max(max_order, 1)) + 1):
        made = _least_squares(here, sky, near, shape, order)
        residual = _pixels(made, sky) - here
        count, terms = residual.size, (order + 1) * (order + 2)
        # A hundredth of a pixel is all that a centroid tells, were the catalogue perfect.
        variance = float(np.mean(residual**2)) + 1e-4
        criterion = count * np.log(variance) + terms * np.log(count)
        if criterion < least:
            rms = float(np.sqrt(np.sum(residual**2) / max(count - terms, 1))) * _scale(made)
            found, least = SkyFit(made, order, len(pairs), rms), criterion
    assert found is not None
    return found


def _scale(wcs: WCS) -> float:
    """Return arcseconds a pixel."""
    return float(np.sqrt(np.abs(np.linalg.det(wcs.pixel_scale_matrix)))) * 3600.0


def _largest(count: int, max_order: int) -> int:
    """Return the largest order that so many stars tell: two for each that it needs."""
    return max(n for n in range(1, max_order + 1) if n == 1 or (n + 1) * (n + 2) <= count)


def _matched(
    here: NDArray[np.float64],
    sky: NDArray[np.float64],
    wcs: WCS,
    shape: tuple[int, int],
    max_order: int,
    tolerance: float,
) -> tuple[NDArray[np.intp], WCS] | None:
    """Return which stars are which, and the WCS by which they are; None of fewer than five.

    What is clipped is told by the largest order: by a plane's residuals, the stars of distorted
    corners would go first, and all others after them.
    """
    used, limit = np.zeros((0, 2), np.intp), tolerance
    for turn in range(_TURNS):
        there = _pixels(wcs, sky)
        distance, nearest = (np.asarray(v) for v in KDTree(there).query(here))
        back = np.asarray(KDTree(here).query(there)[1])
        same = (back[nearest] == np.arange(len(here))) & (distance < limit)
        pairs = np.column_stack([np.nonzero(same)[0], nearest[same]])
        if len(pairs) < _FEWEST:
            return None
        if turn > max_order and np.array_equal(pairs, used):
            break
        used = pairs
        order = _largest(len(pairs), min(turn + 1, max_order))
        wcs = _least_squares(here[pairs[:, 0]], sky[pairs[:, 1]], wcs, shape, order)
        residual = _pixels(wcs, sky[pairs[:, 1]]) - here[pairs[:, 0]]
        if turn + 1 >= max_order:
            spread = 1.4826 * float(np.median(np.abs(residual)))
            limit = min(tolerance, max(_CLIP * np.sqrt(2) * spread, 0.05))
    return used, wcs


def _pixels(wcs: WCS, sky: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where stars are in the image, far off where they cannot be in it."""
    try:
        at = np.asarray(wcs.all_world2pix(sky, 0, quiet=False))
    except NoConvergence as err:
        at = np.asarray(err.best_solution)
    return np.where(np.isfinite(at), at, -1e9)


def _powers(order: int, least: int = 0) -> list[tuple[int, int]]:
    return [(p, q) for p in range(order + 1) for q in range(order + 1 - p) if p + q >= least]


def _least_squares(
    here: NDArray[np.float64],
    sky: NDArray[np.float64],
    wcs: WCS,
    shape: tuple[int, int],
    order: int,
) -> WCS:
    """Fit the plane's coordinates by polynomials of the pixels about the middle of the image."""
    middle = np.array([(shape[1] - 1) / 2.0, (shape[0] - 1) / 2.0])
    unit = max(shape) / 2.0
    at = (here - middle) / unit
    terms = _powers(order)
    matrix = np.column_stack([at[:, 0] ** p * at[:, 1] ** q for p, q in terms])
    center = np.asarray(wcs.all_pix2world([middle], 0))[0]
    plane = WCS(naxis=2)
    plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    plane.wcs.radesys = "ICRS"
    plane.wcs.crpix = [0.0, 0.0]
    coefficients = np.zeros((len(terms), 2))
    for _ in range(4):  # the constant term is what the middle is off
        plane.wcs.crval = center
        plane.wcs.set()
        coefficients = np.linalg.lstsq(matrix, np.asarray(plane.wcs_world2pix(sky, 0)) + 1.0,
                                       rcond=None)[0]  # fmt: skip
        constant = coefficients[terms.index((0, 0))]
        center = np.asarray(plane.wcs_pix2world([constant - 1.0], 0))[0]
    linear = (
        np.column_stack([coefficients[terms.index((1, 0))], coefficients[terms.index((0, 1))]])
        / unit
    )
    result = WCS(naxis=2)
    result.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    result.wcs.radesys = "ICRS"
    result.wcs.crval, result.wcs.crpix = center, middle + 1.0
    result.wcs.cd = linear
    if order > 1:
        result.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
        result.sip = _sip(
            np.asarray(coefficients, np.float64), terms, linear, order, unit, middle, shape
        )
    result.wcs.set()
    result.array_shape = shape
    return result


def _sip(
    coefficients: NDArray[np.float64],
    terms: list[tuple[int, int]],
    linear: NDArray[np.float64],
    order: int,
    unit: float,
    middle: NDArray[np.float64],
    shape: tuple[int, int],
) -> Any:
    """Return the terms beyond the linear ones as SIP, in pixels, and their inverse."""
    forward, inverse = np.zeros((2, order + 1, order + 1)), np.zeros((2, order + 1, order + 1))
    turned = np.linalg.solve(linear, coefficients.T)
    for k, (p, q) in enumerate(terms):
        if p + q > 1:
            forward[:, p, q] = turned[:, k] / unit ** (p + q)
    u, v = (
        axis.ravel() - at
        for axis, at in zip(
            np.meshgrid(*(np.linspace(0.0, n - 1.0, _NODES) for n in shape[::-1])),
            middle,
            strict=True,
        )
    )
    shift = [
        sum(forward[axis, p, q] * u**p * v**q for p, q in _powers(order, 2)) for axis in (0, 1)
    ]
    u, v = u + shift[0], v + shift[1]
    back = _powers(order)
    matrix = np.column_stack([(u / unit) ** p * (v / unit) ** q for p, q in back])
    for axis in (0, 1):
        fitted = np.linalg.lstsq(matrix, -np.asarray(shift[axis]), rcond=None)[0]
        for value, (p, q) in zip(fitted, back, strict=True):
            inverse[axis, p, q] = value / unit ** (p + q)
    return Sip(forward[0], forward[1], inverse[0], inverse[1], middle + 1.0)
