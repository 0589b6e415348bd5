"""How the noise of a matched-filter map is correlated: smoothness, and independent values."""

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["MapCorrelation", "map_correlation"]

Array = NDArray[np.float64]

_OVERSAMPLING = 4
_REACH = 20  # pixels of the PSF on either side of its peak; correlations further out are nothing


@dataclass(frozen=True)
class MapCorrelation:
    """What the correlation of a map's noise does to its statistics.

    Attributes
    ----------
    roughness : float
        Square root of the determinant of the covariance of the gradient of the map, the map scaled
        to unit variance: per square arcsec.
    sharpness : float
        The same of a source's image in the map, scaled to a peak of one, from its curvature; the
        roughness where the filter is the PSF.
    rho : ndarray (m, m)
        Correlation of places apart by (row, column), zero in the middle.
    profile : ndarray (n,)
        Largest share of a source's peak, of either sign, in places k * `step` apart or more.
    step : float
        Of `rho` and `profile`, in arcsec.
    """

    roughness: float
    sharpness: float
    rho: Array = field(repr=False)
    profile: Array = field(repr=False)
    step: float

    def extent(self, level: float) -> float:
        """Return the distance in arcsec beyond which a source of peak one is below a level."""
        return float(np.count_nonzero(self.profile > level)) * self.step

    def lengths(self, width: float) -> tuple[float, float]:
        """Return the arcsec of a ring for each value that tells independently of the others.

        The integrals of rho and of rho^2 along a straight ring `width` arcsec wide: as far as
        the ring's mean is concerned, and its variance.
        """
        apart = np.abs(np.arange(self.rho.shape[0]) - self.rho.shape[0] // 2) * self.step
        # Two values of a ring are this far apart across it, so often.
        often = np.clip(1.0 - apart / width, 0.0, None)
        often /= often.sum()
        of_variance, of_mean = (
            0.5 * float((often @ f + f @ often).sum()) * self.step for f in (self.rho**2, self.rho)
        )
        return max(of_mean, of_variance), of_variance


def map_correlation(
    kernel: Array, matrices: Array, *, weights: Array | None = None
) -> MapCorrelation:
    """Derive a flux map's correlation from the PSF.

    White noise correlated with a filter has the correlation function of the filter with itself,
    rho. Its curvature at zero is the covariance of the map's gradient, which the expected Euler
    characteristic needs (Worsley et al. 1996, Human Brain Mapping 4, 58).

    Parameters
    ----------
    kernel : ndarray (n, n)
        PSF in a frame's pixels, on the middle of an odd square.
    matrices : ndarray (..., 2, 2)
        From (east, north) in arcsec to (x, y) in pixels, of the frames.
    weights : ndarray (n, n), optional
        The filter; the PSF by default.

    Returns
    -------
    MapCorrelation
    """
    low = max(kernel.shape[0] // 2 - _REACH, 0)
    near = np.s_[low : kernel.shape[0] - low, low : kernel.shape[0] - low]
    side = scipy.fft.next_fast_len(2 * (kernel.shape[0] - 2 * low))
    psf = np.asarray(scipy.fft.fft2(kernel[near], s=(side, side)))
    own = psf if weights is None else np.asarray(scipy.fft.fft2(weights[near], s=(side, side)))
    noise, source = np.abs(own) ** 2, np.real(own * np.conj(psf))
    each = np.asarray(matrices, np.float64).reshape(-1, 2, 2)
    scale = float(np.mean(1.0 / np.sqrt(np.abs(np.linalg.det(each)))))
    rho = _correlation(noise)
    image = rho if weights is None else _correlation(source)
    roughness, sharpness = (_curvature(power, each) for power in (noise, source))
    return MapCorrelation(roughness, sharpness, rho, _profile(image), scale / _OVERSAMPLING)


def _curvature(power: Array, matrices: Array) -> float:
    """Return the square root of the determinant of the curvature, on the sky, at zero lag."""
    freq = 2.0 * np.pi * np.asarray(scipy.fft.fftfreq(power.shape[0]))
    ky, kx = np.meshgrid(freq, freq, indexing="ij")
    curvature = np.array([[(power * a * b).sum() for b in (kx, ky)] for a in (kx, ky)])
    on_sky = np.mean(matrices.swapaxes(1, 2) @ (curvature / power.sum()) @ matrices, axis=0)
    return float(np.sqrt(np.linalg.det(on_sky)))


def _correlation(power: Array) -> Array:
    """Return the correlation function of a power spectrum, oversampled, zero in the middle."""
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
