"""How the noise of a matched-filter map is correlated: smoothness, and independent values."""

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["MapCorrelation", "map_correlation"]

Array = NDArray[np.float64]

_OVERSAMPLING = 4


@dataclass(frozen=True)
class MapCorrelation:
    """What the correlation of a map's noise does to its statistics.

    Attributes
    ----------
    roughness : float
        Square root of the determinant of the covariance of the gradient of the map, the map scaled
        to unit variance: per square arcsec.
    mean_length, variance_length : float
        Arcsec of a ring for each independent value, as far as the ring's mean, and its
        variance, are concerned.
    width : float
        Width of the ring in arcsec for which they hold.
    profile : ndarray (n,)
        Largest correlation, of either sign, of places at least k * `step` apart.
    step : float
        In arcsec.
    """

    roughness: float
    mean_length: float
    variance_length: float
    width: float
    profile: Array = field(repr=False)
    step: float

    def extent(self, level: float) -> float:
        """Return the distance in arcsec beyond which no correlation exceeds a level."""
        return float(np.count_nonzero(self.profile > level)) * self.step


def map_correlation(kernel: Array, matrices: Array, *, width: float) -> MapCorrelation:
    """Derive a flux map's correlation from the PSF.

    White noise correlated with the PSF p has the correlation function of p with itself, rho. Its
    curvature at zero is the covariance of the map's gradient, which the expected Euler
    characteristic needs (Worsley et al. 1996, Human Brain Mapping 4, 58); the integrals
    of rho and rho^2 over a ring are the lengths within which values tell the same
    of the mean and of the variance.

    Parameters
    ----------
    kernel : ndarray (n, n)
        PSF, pixels of a frame.
    matrices : ndarray (..., 2, 2)
        From (east, north) in arcsec to (x, y) in pixels, of the frames.
    width : float
        Width of the rings in arcsec.

    Returns
    -------
    MapCorrelation
    """
    side = scipy.fft.next_fast_len(2 * kernel.shape[0])
    power = np.abs(np.asarray(scipy.fft.fft2(kernel, s=(side, side)))) ** 2
    freq = 2.0 * np.pi * np.asarray(scipy.fft.fftfreq(side))
    ky, kx = np.meshgrid(freq, freq, indexing="ij")
    total = power.sum()
    curvature = np.array([[(power * a * b).sum() / total for b in (kx, ky)] for a in (kx, ky)])
    each = np.asarray(matrices, np.float64).reshape(-1, 2, 2)
    on_sky = np.mean(each.swapaxes(1, 2) @ curvature @ each, axis=0)
    scale = float(np.mean(1.0 / np.sqrt(np.abs(np.linalg.det(each)))))
    rho = _correlation(power)
    along = _lengths(rho, width / scale)
    return MapCorrelation(
        roughness=float(np.sqrt(np.linalg.det(on_sky))),
        mean_length=along[0] * scale,
        variance_length=along[1] * scale,
        width=width,
        profile=_profile(rho),
        step=scale / _OVERSAMPLING,
    )


def _correlation(power: Array) -> Array:
    """Return the correlation function, oversampled, zero in the middle."""
    side = power.shape[0]
    fine = _OVERSAMPLING * side
    padded = np.zeros((fine, fine))
    low = fine // 2 - side // 2
    padded[low : low + side, low : low + side] = np.asarray(scipy.fft.fftshift(power))
    spectrum = np.asarray(scipy.fft.ifftshift(padded))
    rho = np.real(np.asarray(scipy.fft.fftshift(scipy.fft.ifft2(spectrum)), np.complex128))
    return rho / rho.max()


def _profile(rho: Array) -> Array:
    """Return the largest correlation at and beyond each distance, in oversampled pixels."""
    middle = rho.shape[0] // 2
    y, x = np.indices(rho.shape) - middle
    ring = np.hypot(y, x).astype(int)
    highest = np.zeros(middle)
    inside = ring < middle
    np.maximum.at(highest, ring[inside], np.abs(rho[inside]))
    return np.maximum.accumulate(highest[::-1])[::-1]


def _lengths(rho: Array, width: float) -> tuple[float, float]:
    """Return the integrals of rho and rho^2 along a straight ring of a width, in pixels."""
    fine = rho.shape[0]
    apart = np.abs(np.arange(fine) - fine // 2) / _OVERSAMPLING
    # Two values of a ring are this far apart across it, so often.
    often = np.clip(1.0 - apart / width, 0.0, None)
    often /= often.sum()
    lengths = [0.5 * float((often @ f + f @ often).sum()) / _OVERSAMPLING for f in (rho, rho**2)]
    return max(lengths[0], lengths[1]), lengths[1]
