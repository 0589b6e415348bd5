"""Covariance of residual speckles among the pixels of a small patch."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.optimize import least_squares

__all__ = ["SpeckleCovariance", "speckle_covariance"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Power that the correlation keeps at every frequency, as a share of its mean: what is measured
# on a finite ring may come out negative, and whitening must not magnify what is hardly there.
_POWER_FLOOR = 0.02
_LEAST_SHARE = 0.02  # of the pairs of lag zero that a lag needs to be believed


@dataclass(frozen=True)
class SpeckleCovariance:
    """Covariance of residual pixels: a scatter that falls with radius, and a correlation.

    Attributes
    ----------
    correlation : ndarray (2 * reach + 1, 2 * reach + 1)
        Correlation of two pixels by their lag (rows, columns), 1 at lag zero, in the middle.
        Any patch of pixels that are no more than `reach` apart has a positive definite matrix.
    scatter, slope : ndarray (n,)
        Of each image: the standard deviation at `radius`, and the power of the radius with
        which it goes. NaN where the ring has too few pixels.
    radius : float
        Pixels.
    white : float
        Share of the variance that is not correlated from pixel to pixel; NaN if `kernel` is
        "empirical".
    length : float
        Correlation length of the kernel in pixels; NaN if "empirical".
    """

    correlation: Array
    scatter: Array
    slope: Array
    radius: float
    white: float
    length: float

    def sigma(self, image: int, radius: Array) -> Array:
        """Return the standard deviation of an image's pixels at given radii in pixels."""
        away = np.maximum(radius, 1.0) / max(self.radius, 1.0)
        return self.scatter[image] * away ** self.slope[image]

    def correlations(self, rows: NDArray[np.int_], cols: NDArray[np.int_]) -> Array:
        """Return the correlation matrix (n, n) of pixels at given rows and columns."""
        reach = self.correlation.shape[0] // 2
        lags = (
            np.subtract.outer(rows, rows) + reach,
            np.subtract.outer(cols, cols) + reach,
        )
        return self.correlation[lags]


def speckle_covariance(
    images: NDArray[np.floating],
    star: tuple[float, float],
    radius: float,
    *,
    half: int,
    masked: Mask | None = None,
    kernel: str = "empirical",
) -> SpeckleCovariance:
    """Measure the covariance of residual pixels in a ring about the star.

    Images are divided by their scatter, a power of the radius, and their autocorrelation is
    taken over the whole ring, all position angles and images together. Speckles are as likely to
    lie in one direction as in another, so it is averaged over directions; then it is used as it
    is, or a kernel and a white part are fitted to it (Matern with nu = 3/2 or Gaussian, as
    Wang et al. 2016, AJ 152, 97, sect. 4). Its power spectrum is kept positive.

    Parameters
    ----------
    images : ndarray (n, ny, nx)
        Residual images; what is not finite is left out.
    star : tuple of float
        0-based (x, y) of the star.
    radius : float
        Separation of the patch's middle from the star, pixels.
    half : int
        The patch is 2 * half + 1 pixels wide; the ring reaches `half` to either side.
    masked : ndarray of bool (n, ny, nx), optional
        Pixels left out: those of known companions.
    kernel : str
        "empirical", "matern" or "gaussian".

    Returns
    -------
    SpeckleCovariance

    Raises
    ------
    ValueError
        If the kernel is unknown, or no image has a usable pixel in the ring.
    """
    if kernel not in ("empirical", "matern", "gaussian"):
        raise ValueError(f"kernel {kernel!r}: give empirical, matern or gaussian")
    y, x = np.indices(images.shape[1:])
    r = np.hypot(x - star[0], y - star[1])
    ring = np.abs(r - radius) <= half + 0.5
    used = np.isfinite(images) & ring
    if masked is not None:
        used &= ~masked
    scatter, slope = _scatter(images, used, r, radius, half)
    some = np.isfinite(scatter)
    if not some.any():
        raise ValueError(f"no usable residual at {radius:.1f} pixels from the star")
    box = _around(ring)
    away = np.maximum(r[box], 1.0) / max(radius, 1.0)
    level = scatter[some, None, None] * away ** slope[some, None, None]
    use = used[some][:, *box]
    scaled = np.where(use, images[some][:, *box] / level, 0.0)
    reach = 2 * half
    pairs, products = _lags(use.astype(np.float64), reach), _lags(scaled, reach)
    rows, cols = np.indices(pairs.shape) - reach
    lag = np.hypot(rows, cols)
    distance, measured, weight = _by_distance(lag, products, pairs)
    white = length = np.nan
    if kernel == "empirical":
        table = np.interp(lag, distance, measured, right=0.0)
    else:
        white, length = _fit(kernel, distance, measured, weight, float(half))
        table = (1.0 - white) * _kernel(kernel, lag, length)
        table[reach, reach] = 1.0
    return SpeckleCovariance(_positive(table), scatter, slope, float(radius), white, length)


def _scatter(
    images: NDArray[np.floating], used: Mask, r: Array, radius: float, half: int
) -> tuple[Array, Array]:
    """Return each image's scatter at the radius and its slope, from rings two pixels wide."""
    scatter = np.full(len(images), np.nan)
    slope = np.zeros(len(images))
    ring = ((r - max(radius - half - 0.5, 0.0)) / 2.0).clip(-1).astype(int)
    for n, (image, use) in enumerate(zip(images, used, strict=True)):
        which = ring[use]
        if which.size < 4 * half:
            continue
        square = np.bincount(which, image[use].astype(np.float64) ** 2)
        count = np.bincount(which)
        where = np.bincount(which, np.maximum(r[use], 1.0)) / np.maximum(count, 1)
        enough = (count >= 8) & (square > 0.0)
        if not enough.any():
            continue
        away = np.log(where[enough] / max(radius, 1.0))
        power = 0.5 * np.log(square[enough] / count[enough])
        design = np.stack([np.ones(away.size), away], axis=1) * np.sqrt(count[enough])[:, None]
        if np.ptp(away) > 0.0:
            found = np.linalg.lstsq(design, power * np.sqrt(count[enough]))[0]
            scatter[n], slope[n] = np.exp(found[0]), np.clip(found[1], -4.0, 4.0)
        else:
            scatter[n] = np.exp(power.mean())
    return scatter, slope


def _around(ring: Mask) -> tuple[slice, slice]:
    rows, cols = np.flatnonzero(ring.any(axis=1)), np.flatnonzero(ring.any(axis=0))
    if rows.size == 0:
        return slice(0, ring.shape[0]), slice(0, ring.shape[1])
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)


def _lags(images: Array, reach: int) -> Array:
    """Return the sum over images of products of pixels by lag, (2 * reach + 1, 2 * reach + 1)."""
    sizes = [max(size, reach) + reach + 1 for size in images.shape[1:]]
    ny, nx = (cast("int", scipy.fft.next_fast_len(size, real=True)) for size in sizes)
    power = np.zeros((ny, nx // 2 + 1))
    for image in images:
        power += np.abs(cast("Array", scipy.fft.rfft2(image, s=(ny, nx)))) ** 2
    full = cast("Array", scipy.fft.irfft2(power, s=(ny, nx)))
    at = np.arange(-reach, reach + 1)
    return full[np.ix_(at, at)]


def _by_distance(lag: Array, products: Array, pairs: Array) -> tuple[Array, Array, Array]:
    """Average a correlation over directions, in bins half a pixel wide, up to the last well met."""
    bins = np.round(2.0 * lag).astype(int).ravel()
    pairs = np.maximum(np.round(pairs), 0.0).ravel()
    count = np.bincount(bins, pairs)
    tried = np.bincount(bins)
    distance = np.bincount(bins, pairs * lag.ravel()) / np.maximum(count, 1.0)
    value = np.bincount(bins, products.ravel()) / np.maximum(count, 1.0)
    value = np.asarray(value, dtype=np.float64)
    met = (tried > 0) & (count >= _LEAST_SHARE * count[0] * tried)
    value /= value[0]
    # Beyond what can be measured the correlation goes to zero, not by a jump.
    taper = np.cos(0.5 * np.pi * np.clip(2.0 * distance / distance[met].max() - 1.0, 0.0, 1.0))
    return distance[met], (value * taper)[met], np.asarray(count[met], dtype=np.float64)


def _kernel(kind: str, lag: Array, length: float) -> Array:
    scaled = lag / length
    if kind == "gaussian":
        return np.exp(-0.5 * scaled**2)
    scaled = np.sqrt(3.0) * scaled
    return (1.0 + scaled) * np.exp(-scaled)


def _fit(
    kind: str, distance: Array, measured: Array, weight: Array, half: float
) -> tuple[float, float]:
    """Fit the white share and the length to the correlation at lags up to half a patch."""
    take = (distance > 0.0) & (distance <= half)
    if not take.any():
        return 1.0, 1.0
    root = np.sqrt(weight[take] / weight[take].max())

    def miss(p: Array) -> Array:
        return root * ((1.0 - p[0]) * _kernel(kind, distance[take], p[1]) - measured[take])

    found = least_squares(miss, [0.3, 1.5], bounds=([0.0, 0.2], [1.0, 2.0 * half]))
    return float(found.x[0]), float(found.x[1])


def _positive(table: Array) -> Array:
    """Raise what is low or negative in a correlation's power spectrum.

    The table is made periodic; a patch's matrix is then a block of a circulant one, whose
    eigenvalues are the spectrum (Bochner's theorem), so that every patch's is positive definite.
    """
    spectrum = np.fft.fft2(np.fft.ifftshift(table)).real
    spectrum = np.maximum(spectrum, _POWER_FLOOR * spectrum.mean())
    whole = np.fft.fftshift(np.fft.ifft2(spectrum).real)
    middle = table.shape[0] // 2
    return np.asarray(whole / whole[middle, middle], dtype=np.float64)
