"""How the noise of a matched-filter map is correlated: smoothness, and independent values."""

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

__all__ = ["MapCorrelation", "map_correlation"]

Array = NDArray[np.float64]

_OVERSAMPLING = 4
_DIRECTIONS = 36
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
    radial, radial_square : ndarray (m,)
        Correlation of places k * `step` apart, and its square, means of all directions.
    profile : ndarray (n,)
        Largest share of a source's peak, of either sign, in places k * `step` apart or more.
    step : float
        Of these, in arcsec.
    """

    roughness: float
    sharpness: float
    radial: Array = field(repr=False)
    radial_square: Array = field(repr=False)
    profile: Array = field(repr=False)
    step: float

    def extent(self, level: float) -> float:
        """Return the distance in arcsec beyond which a source of peak one is below a level."""
        return float(np.count_nonzero(self.profile > level)) * self.step

    def lengths(
        self, width: float, *, radius: float = np.inf, clearance: float = 0.0
    ) -> tuple[float, float, float]:
        """Return the arcsec of a ring for each value that tells independently of the others.

        Parameters
        ----------
        width : float
            Of the ring, in arcsec.
        radius : float
            Of the ring, in arcsec; a straight one by default.
        clearance : float
            Arcsec.

        Returns
        -------
        of_mean, of_variance : float
            Integrals of rho and of rho^2 along the ring: as far as its mean is concerned, and
            its variance.
        beyond : float
            The part of the first that is more than `clearance` from the place.
        """
        along = np.arange(1 - self.radial.size, self.radial.size) * self.step
        across = along[np.abs(along) < width]
        if np.isfinite(radius):
            along = along[np.abs(along) <= np.pi * radius]
            along = 2.0 * radius * np.sin(0.5 * along / radius)
        # Two values of a ring are this far apart across it, so often.
        often = np.clip(1.0 - np.abs(across) / width, 0.0, None)
        often /= often.sum()
        apart = np.hypot(across[:, np.newaxis], along)
        steps = np.arange(self.radial.size) * self.step
        rho, square = (np.interp(apart, steps, f) for f in (self.radial, self.radial_square))
        of_mean, of_variance, beyond = (
            float((often @ f).sum()) * self.step for f in (rho, square, rho * (apart >= clearance))
        )
        return max(of_mean, of_variance), of_variance, beyond


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
    return MapCorrelation(
        roughness, sharpness, *_around(rho), _profile(image), scale / _OVERSAMPLING
    )


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


def _around(rho: Array) -> tuple[Array, Array]:
    """Return the means in all directions of rho and of its square, by oversampled pixels away."""
    middle = rho.shape[0] // 2
    angle = np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    at = np.stack([np.sin(angle), np.cos(angle)])[:, np.newaxis] * np.arange(middle)[:, np.newaxis]
    around = np.asarray(map_coordinates(rho, middle + at, order=3))
    return around.mean(axis=1), (around**2).mean(axis=1)


def _profile(image: Array) -> Array:
    """Return the largest value at and beyond each distance, in oversampled pixels."""
    middle = image.shape[0] // 2
    y, x = np.indices(image.shape) - middle
    ring = np.hypot(y, x).astype(int)
    highest = np.zeros(middle)
    inside = ring < middle
    np.maximum.at(highest, ring[inside], np.abs(image[inside]))
    return np.maximum.accumulate(highest[::-1])[::-1]
