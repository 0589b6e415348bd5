"""Fit Gaussians to many stars at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FWHM", "GaussianFits", "ellipse", "fit_gaussians"]

Array = NDArray[np.float64]

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian, in standard deviations."""

_PIXEL = 1.0 / 12.0  # variance of a pixel's own extent
_ROUNDS = 30
_DONE = 1e-4  # pixels
_NARROW = 0.04  # squared pixels, the least that a star's variance can be


@dataclass(frozen=True)
class GaussianFits:
    """Gaussians fitted to stars; what could not be fitted is NaN.

    Attributes
    ----------
    x, y : ndarray (n,)
        0-based places.
    flux : ndarray (n,)
        Volumes, in the image's unit.
    shape : ndarray (n, 3)
        Variances along x and y and their covariance, in squared pixels, of the light before it
        falls on pixels.
    covariance : ndarray (n, 6, 6)
        Of the errors of (flux, x, y, variance in x, in y, covariance); zero for a shape not fitted.
    """

    x: Array
    y: Array
    flux: Array
    shape: Array
    covariance: Array

    @property
    def fwhm(self) -> Array:
        """The FWHM of circles of the same area, (n,), in pixels."""
        xx, yy, xy = self.shape.T
        return FWHM * np.maximum(xx * yy - xy**2, 0.0) ** 0.25

    @property
    def x_sigma(self) -> Array:
        """The 1-sigma error of x, (n,)."""
        return np.sqrt(self.covariance[:, 1, 1])

    @property
    def y_sigma(self) -> Array:
        """The 1-sigma error of y, (n,)."""
        return np.sqrt(self.covariance[:, 2, 2])


def fit_gaussians(
    image: NDArray[Any],
    err: NDArray[Any],
    good: NDArray[np.bool_],
    x: Array,
    y: Array,
    *,
    shape: tuple[float, float, float],
    radius: float,
    free: bool = False,
) -> GaussianFits:
    """Fit a Gaussian to each of many stars, all at once.

    The same as fits one by one (`photutils.psf.PSFPhotometry`, with which a test compares it), but
    some hundred times as fast, as a frame has thousands of stars: Levenberg and Marquardt's
    steps, with the small matrices of all stars solved together. The extent of a pixel is added
    to the Gaussian's variance, which equals integration over pixels to 1 % of a peak at a FWHM of
    1.5 pixels.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image, its background removed.
    err : ndarray (ny, nx)
        1-sigma errors.
    good : ndarray of bool (ny, nx)
        Pixels that take part.
    x, y : ndarray (n,)
        0-based places to start from.
    shape : tuple of float
        Variances along x and y and their covariance, in squared pixels: what the stars' are, or
        where a free shape starts from.
    radius : float
        Pixels about the star that take part.
    free : bool
        Whether each star has its own shape. Then all pixels weigh the same, as no star is quite a
        Gaussian, and the shape would depend on the flux; else they weigh by their errors.

    Returns
    -------
    GaussianFits
        NaN where a fit did not converge within `radius` of the start.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    values, weight, variance, px, py = _stamps(image, err, good, x, y, radius)
    if free:
        weight = (weight > 0.0).astype(np.float64)
    number = 6 if free else 3
    p = np.zeros((x.size, 6))
    p[:, 1], p[:, 2], p[:, 3:] = x, y, shape
    start, _ = _model(p, px, py, number)
    unit = np.einsum("ij,ij->i", weight, start**2)
    p[:, 0] = np.einsum("ij,ij->i", weight * start, values) / np.where(unit > 0.0, unit, 1.0)
    damping = np.full(x.size, 1e-3)
    model, slopes = _scaled(p, px, py, number)
    cost = np.einsum("ij,ij->i", weight, (values - model) ** 2)
    active = unit > 0.0
    done = np.zeros(x.size, bool)
    for _ in range(_ROUNDS):
        at = np.flatnonzero(active & ~done)
        if not at.size:
            break
        w, j = weight[at], slopes[at]
        matrix = np.einsum("nik,ni,nil->nkl", j, w, j)
        vector = np.einsum("nik,ni->nk", j, w * (values[at] - model[at]))
        diagonal = np.einsum("nkk->nk", matrix)
        diagonal *= 1.0 + damping[at, None]
        diagonal += 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-300
        step = np.linalg.solve(matrix, vector[..., None])[..., 0]
        trial = p[at].copy()
        trial[:, :number] += step
        ok = _possible(trial, radius, p[at])
        trial = np.where(ok[:, None], trial, p[at])
        new_model, new_slopes = _scaled(trial, px[at], py[at], number)
        new_cost = np.einsum("ij,ij->i", w, (values[at] - new_model) ** 2)
        better = ok & (new_cost <= cost[at] * (1.0 + 1e-12))
        won = at[better]
        p[won], cost[won] = trial[better], new_cost[better]
        model[won], slopes[won] = new_model[better], new_slopes[better]
        damping[at] = np.where(better, damping[at] / 5.0, damping[at] * 8.0)
        still = np.abs(step[:, 1:]).max(axis=1) < _DONE
        done[at] = (better & still) | (damping[at] > 1e10)
    fitted = done & (damping < 1e10) & (np.hypot(p[:, 1] - x, p[:, 2] - y) <= radius)
    fitted &= (np.count_nonzero(weight, axis=1) > number) & (p[:, 0] > 0.0)
    covariance = _errors(slopes, weight, variance, number)
    p[~fitted], covariance[~fitted] = np.nan, np.nan
    return GaussianFits(p[:, 1], p[:, 2], p[:, 0], p[:, 3:], covariance)


def ellipse(shape: Array) -> tuple[Array, Array, Array]:
    """Return the axes of Gaussians.

    Parameters
    ----------
    shape : ndarray (..., 3)
        Variances along x and y and their covariance, in squared pixels.

    Returns
    -------
    major, minor : ndarray (...)
        FWHM along the axes, in pixels.
    angle : ndarray (...)
        Of the major axis, from +x towards +y, in degrees, -90 to 90.
    """
    xx, yy, xy = np.moveaxis(np.asarray(shape, np.float64), -1, 0)
    half, spread = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    major, minor = (FWHM * np.sqrt(np.maximum(v, 0.0)) for v in (half + spread, half - spread))
    return major, minor, np.degrees(0.5 * np.arctan2(2.0 * xy, xx - yy))


def _stamps(
    image: NDArray[Any],
    err: NDArray[Any],
    good: NDArray[np.bool_],
    x: Array,
    y: Array,
    radius: float,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return values, weights, variances and places of the pixels about stars, each (n, pixels)."""
    half = int(np.ceil(radius)) + 1
    dy, dx = (d.ravel() for d in np.indices((2 * half + 1, 2 * half + 1)) - half)
    px, py = np.rint(x).astype(int)[:, None] + dx, np.rint(y).astype(int)[:, None] + dy
    ny, nx = image.shape
    use = (px >= 0) & (px < nx) & (py >= 0) & (py < ny)
    use &= np.hypot(px - x[:, None], py - y[:, None]) <= radius
    at = np.clip(py, 0, ny - 1), np.clip(px, 0, nx - 1)
    values, sigma = image[at].astype(np.float64), err[at].astype(np.float64)
    use &= good[at] & np.isfinite(values) & np.isfinite(sigma) & (sigma > 0.0)
    values = np.where(use, values, 0.0)
    variance = np.where(use, sigma, 0.0) ** 2
    weight = np.where(use, 1.0 / np.where(use, variance, 1.0), 0.0)
    return values, weight, variance, px.astype(np.float64), py.astype(np.float64)


def _model(p: Array, px: Array, py: Array, number: int) -> tuple[Array, Array]:
    """Return Gaussians of unit volume, and the slopes of their logarithms but by the flux."""
    xx, yy, xy = (p[:, n, None] for n in (3, 4, 5))
    xx, yy = xx + _PIXEL, yy + _PIXEL
    area = np.maximum(xx * yy - xy**2, 1e-6)
    dx, dy = px - p[:, 1, None], py - p[:, 2, None]
    u, v = (yy * dx - xy * dy) / area, (xx * dy - xy * dx) / area
    value = np.exp(-0.5 * (u * dx + v * dy)) / (2.0 * np.pi * np.sqrt(area))
    slopes = [u, v]
    if number == 6:
        slopes += [0.5 * (u**2 - yy / area), 0.5 * (v**2 - xx / area), u * v + xy / area]
    return value, np.stack(slopes, axis=-1)


def _scaled(p: Array, px: Array, py: Array, number: int) -> tuple[Array, Array]:
    value, slopes = _model(p, px, py, number)
    model = p[:, 0, None] * value
    return model, np.concatenate([value[..., None], slopes * model[..., None]], axis=-1)


def _possible(p: Array, radius: float, before: Array) -> NDArray[np.bool_]:
    """Return which steps lead to an ellipse not far away."""
    xx, yy, xy = p[:, 3:].T
    ok = (xx > -_NARROW) & (yy > -_NARROW) & ((xx + _PIXEL) * (yy + _PIXEL) - xy**2 > 1e-4)
    ok &= (np.abs(p[:, 1:3] - before[:, 1:3]) < radius).all(axis=1)
    return ok & np.isfinite(p).all(axis=1) & (np.maximum(xx, yy) < 9.0 * radius**2)


def _errors(slopes: Array, weight: Array, variance: Array, number: int) -> Array:
    """Return the covariances of least squares whose weights need not be those of the noise."""
    matrix = np.einsum("nik,ni,nil->nkl", slopes, weight, slopes)
    middle = np.einsum("nik,ni,nil->nkl", slopes, weight**2 * variance, slopes)
    inverse = np.linalg.pinv(matrix, hermitian=True)
    covariance = np.zeros((len(slopes), 6, 6))
    covariance[:, :number, :number] = inverse @ middle @ inverse
    return covariance
