"""How much oftener than a Gaussian's the noise of a map about a star is far from its mean."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.signal import fftconvolve

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.map_correlation import MapCorrelation
from coronx.ops.ring_noise import Masked, RingNoise, masked_places

__all__ = ["tail_freedom"]

Array = NDArray[np.float64]

_HALF = 2.0  # FWHM on either side of a place's radius that tell its tails, or
_SHARE = 0.25  # of the radius where that is more
_ABOVE = 1.2  # times as far from the mean as the deepest value: no noise


def tail_freedom(
    values: Array,
    grid: FluxGrid,
    noise: RingNoise,
    *,
    fwhm: float,
    correlation: MapCorrelation,
    masked: Masked = (),
    clearance: float = 1.5,
) -> Array:
    """Return the degrees of freedom of the Student's t that has the tails of the noise.

    Left-over speckles are not as strong all around a ring: they lie on diffraction spikes,
    along a bar, between a phase mask's axes. Their values are a mixture of Gaussians, whose
    kurtosis kappa is above 3, and Student's t with 4 + 6 / (kappa - 3) degrees of freedom has
    the same. Kurtosis is measured in a wide annulus about the place's radius, each value less
    its ring's mean and over its ring's scatter. Noise has two sides, light of companions one:
    what is farther above the mean than anything is below, and its neighbourhood, is left out,
    so that no companion passes for a heavy tail that hides it or another. What the annulus
    could show by chance, one standard error sqrt(24 / n) of n independent values, counts as
    nothing.

    Parameters
    ----------
    values : ndarray (n, n)
        Map, NaN where unknown.
    grid : FluxGrid
        Its grid.
    noise : RingNoise
        Mean and scatter of its rings.
    fwhm : float
        In arcsec.
    correlation : MapCorrelation
        Of the map's noise.
    masked : sequence of (east, north, radius)
        Places left out, in arcsec.
    clearance : float
        Radius of a place's own neighbourhood in FWHM.

    Returns
    -------
    ndarray (n, n)
        Above 4; infinite where the tails are a Gaussian's.
    """
    told = np.isfinite(noise.sigma) & np.isfinite(values) & ~masked_places(grid, masked)
    with np.errstate(invalid="ignore"):
        scaled = np.where(told, (values - noise.mean) / noise.sigma, 0.0)
    half = np.maximum(_HALF * fwhm, _SHARE * grid.separation)
    near = _disc(clearance * fwhm / grid.scale)
    light = scaled > _ABOVE * _deepest(scaled, told, grid, half)
    told &= ~np.asarray(binary_dilation(light, near > 0.0))
    scaled = np.where(told, scaled, 0.0)
    order = np.argsort(grid.separation[told])
    radii = grid.separation[told][order]
    low = np.searchsorted(radii, grid.separation - half)
    high = np.searchsorted(radii, grid.separation + half, side="right")

    def sums(each: Array) -> Array:
        running = np.concatenate([[0.0], np.cumsum(each[told][order])])
        return running[high] - running[low] - np.asarray(fftconvolve(each, near, mode="same"))

    number = np.maximum(sums(told.astype(np.float64)), 1.0)
    second, fourth = (np.maximum(sums(scaled**n) / number, 0.0) for n in (2, 4))
    independent = np.maximum(number * grid.scale**2 / _area(correlation), 1.0)
    known = second > 0.0
    kurtosis = np.where(known, fourth / np.where(known, second, 1.0) ** 2, 3.0)
    excess = kurtosis - 3.0 - np.sqrt(24.0 / independent)
    heavy = excess > 0.0
    return np.where(heavy, 4.0 + 6.0 / np.where(heavy, excess, 1.0), np.inf)


def _deepest(scaled: Array, told: NDArray[np.bool_], grid: FluxGrid, half: Array) -> Array:
    """Return how far below the mean any value of each place's annulus is."""
    radius = grid.separation
    middles = np.arange(0.0, radius.max() + grid.scale, 2.0 * grid.scale)
    order = np.argsort(radius, axis=None)
    width = np.interp(middles, radius.ravel()[order], half.ravel()[order])
    lowest = [
        float(np.min(scaled[told & (np.abs(radius - r) <= w)], initial=0.0))
        for r, w in zip(middles, width, strict=True)
    ]
    return np.interp(radius, middles, -np.array(lowest))


def _disc(radius: float) -> Array:
    reach = int(radius)
    y, x = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    return (np.hypot(x, y) <= radius).astype(np.float64)


def _area(correlation: MapCorrelation) -> float:
    """Return the area in arcsec^2 for each independent fourth power: the integral of rho^4."""
    fourth = correlation.radial_square**2
    radius = np.arange(fourth.size) * correlation.step
    weights = 2.0 * np.pi * radius * correlation.step
    weights[0] = np.pi * (0.5 * correlation.step) ** 2
    return float((fourth * weights).sum())
