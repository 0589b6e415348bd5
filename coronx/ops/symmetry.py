"""Measure where a star is from the symmetry of its halo, without a model of the optics.

Light that small errors of the wavefront throw behind a coronagraph is alike on opposite sides of
the star: to first order the field is the transform of an imaginary function, and its strength is
even (Perrin et al. 2003, ApJ 596, 702). The point about which the image, turned by 180 degrees,
is most like itself is the star's place.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

__all__ = ["SymmetryCenter", "symmetry_center"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Mask = NDArray[np.bool_]
_Found = tuple[Array, Array, float, bool]

_EDGE = 3  # samples around the range searched, for the spline
_MAX_NEWTON = 20
_TOLERANCE = 1e-4  # pixels
_PRIOR = 0.5
_LEAST = 0.5  # correlation: with less, most of the image is not symmetric
_SURE = 0.25  # of the range searched: a larger uncertainty is no measurement


@dataclass(frozen=True)
class SymmetryCenter:
    """The centre of symmetry of each image.

    Attributes
    ----------
    place : ndarray (n, 2)
        0-based (x, y) in pixels.
    sigma : ndarray (n, 2)
        1-sigma uncertainties, from how much of the image is not symmetric.
    correlation : ndarray (n,)
        Of the image with itself, turned about the place; 1 for perfect symmetry.
    good : ndarray of bool (n,)
        Whether there is a maximum within the range searched, known to a quarter of that range, with
        a correlation of at least one half.
    """

    place: Array
    sigma: Array
    correlation: Array
    good: Mask


def symmetry_center(
    images: NDArray[np.floating],
    bad: Mask,
    *,
    weight: Array,
    guess: tuple[float, float],
    limit: float,
    power: float = 0.5,
) -> SymmetryCenter:
    """Return the point about which each image is most like itself turned by 180 degrees.

    What is maximised is the weighted correlation coefficient of image and turned image, over the
    pixels that are good in both, so that neither a hole in the weight nor a gap in the data
    attracts it. All trial points on a grid of half a pixel come from a few transforms; between them
    a quintic spline is climbed.

    Parameters
    ----------
    images : ndarray (n, ny, nx)
        Images, sky subtracted.
    bad : ndarray of bool (n, ny, nx)
        Pixels without a meaning; those that are not finite have none either.
    weight : ndarray (ny, nx)
        Weight of each pixel, zero beyond the halo.
    guess : tuple of float
        0-based (x, y) in pixels about which to search.
    limit : float
        How far from it along each axis, in pixels.
    power : float
        Brightness is raised to this power, its sign kept: 0.5 makes photon noise uniform, and
        keeps the brightest speckles from deciding alone.

    Returns
    -------
    SymmetryCenter

    Raises
    ------
    ValueError
        If shapes differ, or no pixel about the guess has weight.
    """
    images = np.asarray(images, dtype=np.float64)
    if images.ndim != 3 or images.shape != bad.shape or weight.shape != images.shape[1:]:
        raise ValueError(f"images {images.shape}, bad {bad.shape}, weight {weight.shape}")
    rows, cols = (np.flatnonzero(weight.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        raise ValueError("no pixel has weight")
    box = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    corner = np.array([cols[0], rows[0]], dtype=np.float64)
    search = _Search(weight[box], np.asarray(guess) - corner, limit)
    found: list[_Found] = []
    for image, hidden in zip(images, bad, strict=True):
        inside = image[box]
        skip = hidden[box] | ~np.isfinite(inside)
        inside = np.where(skip, 0.0, inside)
        found.append(search.center(np.sign(inside) * np.abs(inside) ** power, skip))
    place, sigma, correlation, good = (np.array(v) for v in zip(*found, strict=True))
    return SymmetryCenter(place + corner, sigma, correlation, good.astype(bool))


class _Search:
    """The correlation with the turned image, for points on a grid of half a pixel about a guess."""

    def __init__(self, weight: Array, guess: Array, limit: float) -> None:
        self._weight = weight
        self._middle = np.rint(2.0 * guess).astype(int)  # (x, y), of sums of two coordinates
        self._half = int(np.ceil(2.0 * limit)) + _EDGE
        # What wraps around must not reach the lags that are looked at.
        reach = [
            max(m + self._half + 1, 2 * n - 1 - (m - self._half))
            for m, n in zip(self._middle[::-1], weight.shape, strict=True)
        ]
        self._size = tuple(
            scipy.fft.next_fast_len(max(int(r), n), real=True)
            for r, n in zip(reach, weight.shape, strict=True)
        )
        self._limit = limit
        lags = np.arange(-self._half, self._half + 1)
        self._x, self._y = self._middle[0] + lags, self._middle[1] + lags
        # Of maxima that are about as high, the nearest to the guess is taken.
        away = np.add.outer((self._y / 2.0 - guess[1]) ** 2, (self._x / 2.0 - guess[0]) ** 2)
        self._likely = np.maximum(1.0 - _PRIOR * away / limit**2, 0.0)
        self._guess = guess
        self._plain = self._transform(weight)

    def _transform(self, plane: Array) -> Complex:
        return np.asarray(scipy.fft.rfft2(plane, s=self._size))

    def _at_lags(self, product: Complex) -> Array:
        plane = np.asarray(scipy.fft.irfft2(product, s=self._size))
        return plane[np.ix_(self._y % self._size[0], self._x % self._size[1])]

    def center(self, image: Array, skip: Mask) -> _Found:
        nothing = self._guess, np.full(2, np.nan), 0.0, False
        weight, plain = self._weight, self._plain
        if skip.any():
            weight = np.where(skip, 0.0, weight)
            plain = self._transform(weight)
        total = float(weight.sum())
        if not total > 0.0:
            return nothing
        image = image - float((weight * image).sum()) / total
        first, second = self._transform(weight * image), self._transform(weight * image**2)
        pairs = np.maximum(self._at_lags(plain * plain), 1e-6 * total)
        mean = self._at_lags(first * plain)
        both = self._at_lags(first * first) - mean**2 / pairs
        own = self._at_lags(second * plain) - mean**2 / pairs
        if not (np.median(pairs) > 1e-2 * total and own.min() > 0.0):
            return nothing
        score = both / own
        inner = (score * self._likely)[_EDGE:-_EDGE, _EDGE:-_EDGE]
        row, col = np.unravel_index(int(np.argmax(inner)), inner.shape)
        start = np.array([self._x[col + _EDGE], self._y[row + _EDGE]], dtype=np.float64)
        spline = RectBivariateSpline(self._y, self._x, score, kx=5, ky=5)
        lag, value, curve, converged = _climb(spline, start)
        place = lag / 2.0
        good = converged and float(np.abs(place - self._guess).max()) <= self._limit
        sigma = _sigma(value, curve, float(np.median(pairs)) / float(weight.max()))
        # NaN is not less than anything.
        good = good and value > _LEAST and bool((sigma < _SURE * self._limit).all())
        return place, sigma, value, good


def _climb(spline: RectBivariateSpline, start: Array) -> tuple[Array, float, Array, bool]:
    """Return maximum, value, Hessian (order x, y) and whether it is one, by Newton's method."""
    lag, converged = start, False
    hessian = np.full((2, 2), np.nan)
    for _ in range(_MAX_NEWTON):
        x, y = lag
        gradient = np.array([spline.ev(y, x, dy=1), spline.ev(y, x, dx=1)], dtype=np.float64)
        cross = float(spline.ev(y, x, dx=1, dy=1))
        hessian = np.array(
            [[float(spline.ev(y, x, dy=2)), cross], [cross, float(spline.ev(y, x, dx=2))]]
        )
        values, vectors = np.linalg.eigh(hessian)
        # Uphill everywhere: away from a maximum the curvature's sign is turned.
        step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-12))
        length = float(np.abs(step).max())
        lag = lag + step * min(1.0, 0.5 / max(length, 1e-12))
        if float(np.abs(lag - start).max()) > 2.0:
            break
        if length < 2.0 * _TOLERANCE:
            converged = bool(values.max() < 0.0)
            break
    return lag, float(spline.ev(lag[1], lag[0])), hessian, converged


def _sigma(value: float, hessian: Array, count: float) -> Array:
    """Return the uncertainty of a centre from the share of the image that is not symmetric.

    Image and turned image are two noisy copies of one scene, whose delay is twice the centre's.
    With correlation q and curvature k (relative), correlated over an area of 2 pi / k, `count`
    pixels in pairs, its variance is 8 (1 - q) / (1 + q) * (2 pi / k) / (count * k).
    """
    q = float(np.clip(value, 1e-3, 1.0 - 1e-6))
    curve = -np.diag(hessian) / q
    if not (np.isfinite(curve).all() and curve.min() > 0.0):
        return np.full(2, np.nan)
    area = 2.0 * np.pi / float(np.sqrt(curve[0] * curve[1]))
    variance = 8.0 * (1.0 - q) / (1.0 + q) * area / (count * curve)
    return 0.5 * np.sqrt(variance)
