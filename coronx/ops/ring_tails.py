"""Where in its rings the noise of a map about a star is strong, and how heavy its tails are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.signal import fftconvolve

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.map_correlation import MapCorrelation
from coronx.ops.ring_noise import Masked, RingNoise, masked_places
from coronx.ops.sectors import Sectors

__all__ = ["NoiseTails", "noise_tails"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_HALF = 2.0  # FWHM on either side of a place's radius that tell its tails, or
_SHARE = 0.25  # of the radius where that is more
_ABOVE = 1.2  # times as far from the mean as the deepest value: no noise
_LENGTH, _WIDTH = 2.0, 2.5  # FWHM to either side: the sectors whose noise may differ
_WIDEST = 0.7  # radian: a sector that is wider is no part of its ring
_LEAST_SCALE = 0.2
_MOST_LOST = 0.25  # one over degrees of freedom: with fewer than 4 there is no kurtosis


@dataclass(frozen=True)
class NoiseTails:
    """How the noise of every place differs from what its ring says.

    Attributes
    ----------
    scale : ndarray (n, n)
        Unit of the Student's t of its noise over the ring's scatter.
    freedom : ndarray (n, n)
        Its degrees of freedom; infinite where the tails are a Gaussian's.
    """

    scale: Array
    freedom: Array


def noise_tails(
    values: Array,
    grid: FluxGrid,
    noise: RingNoise,
    *,
    fwhm: float,
    correlation: MapCorrelation,
    masked: Masked = (),
    clearance: float = 1.5,
) -> NoiseTails:
    """Return how strong noise is at each place of a ring, and how heavy its tails are.

    Left-over speckles are not as strong all around a ring: they lie on diffraction spikes,
    along a bar, between a phase mask's axes. The variance in a sector about each place and in
    the opposite one, without the place's own neighbourhood, is told by k independent values. How
    much such variances differ beyond chance, in units of the ring's, is a variance tau^2 among
    the places of a wide annulus; where it is not above two standard errors, the ring's variance
    stays. Else a place's variance is the mean of the ring's, with nu degrees of freedom, and of
    the sectors', with k: the estimate of a conjugate prior (Gelman et al. 2013, Bayesian Data
    Analysis, 2.6). Were variances spread as a chi-square, nu would be 2 / tau^2, and the estimate
    would have 2 / tau^2 + k degrees of freedom; but strong places are few, and it is these that
    make false alarms: 1 / tau^2 counts the ring for less.

    What is left of unequal noise is a mixture of Gaussians, whose kurtosis kappa is above 3, and
    Student's t with 4 + 6 / (kappa - 3) degrees of freedom has the same. Kurtosis is measured
    in the annulus, each value less its ring's mean and over its place's scatter. What the
    annulus could show by chance, half a standard error sqrt(24 / n) of n independent values,
    counts as nothing. The distribution keeps the variance that was measured: a Student's t of nu
    degrees of freedom has nu / (nu - 2).

    Noise has two sides, light of companions one: what is farther above the mean than anything is
    below, and its neighbourhood, is left out, so that no companion passes for noise that hides
    it or another.

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
    NoiseTails
    """
    told = np.isfinite(noise.sigma) & np.isfinite(values) & ~masked_places(grid, masked)
    with np.errstate(invalid="ignore"):
        scaled = np.where(told, (values - noise.mean) / noise.sigma, 0.0)
    half = np.maximum(_HALF * fwhm, _SHARE * grid.separation)
    near = _disc(clearance * fwhm / grid.scale)
    light = scaled > _ABOVE * _deepest(scaled, told, grid, half)
    told &= ~np.asarray(binary_dilation(light, near > 0.0), dtype=bool)
    scaled = np.where(told, scaled, 0.0)
    annulus = _Annulus(grid, told, half, near)
    scale, local = _local_scale(scaled, told, grid, annulus, correlation, fwhm)
    scaled /= scale
    number = np.maximum(annulus.sums(told.astype(np.float64), own=False), 1.0)
    second, fourth = (annulus.sums(scaled**n, own=False) / number for n in (2, 4))
    independent = np.maximum(number * grid.scale**2 / _area(correlation, 2), 1.0)
    known = second > 0.0
    kurtosis = np.where(known, fourth / np.where(known, second, 1.0) ** 2, 3.0)
    excess = np.maximum(kurtosis - 3.0 - 0.5 * np.sqrt(24.0 / independent), 0.0)
    # The inverse of 4 + 6 / excess.
    lost = np.minimum(np.maximum(excess / (6.0 + 4.0 * excess), local), _MOST_LOST)
    with np.errstate(divide="ignore"):
        return NoiseTails(scale * np.sqrt(1.0 - 2.0 * lost), 1.0 / lost)


def _local_scale(
    scaled: Array,
    told: Mask,
    grid: FluxGrid,
    annulus: "_Annulus",
    correlation: MapCorrelation,
    fwhm: float,
) -> tuple[Array, Array]:
    """Return the scatter at each place over its ring's, and one over its degrees of freedom."""
    sectors = Sectors(grid, told, length=_LENGTH * fwhm, width=_WIDTH * fwhm)
    square, each = scaled**2, told.astype(np.float64)
    narrow = _WIDTH * fwhm < _WIDEST * grid.separation
    one = grid.scale**2 / _area(correlation, 1)  # independent values for each pixel
    number, total = sectors.sums(each), sectors.sums(square)
    here = narrow & told & (number > 0.5)
    variance = np.where(here, total / np.maximum(number, 1.0), 0.0)
    chance = np.where(here, 2.0 / np.maximum(number * one, 1.0), 0.0)
    count = annulus.sums(here.astype(np.float64))
    places = np.maximum(count, 1.0)
    mean, spread, expected = (
        annulus.sums(kind) / places for kind in (variance, variance**2, chance)
    )
    unknown = (count < 0.5) | (mean <= 0.0)
    between = spread / np.where(unknown, 1.0, mean) ** 2 - 1.0
    # As many sectors are independent as the annulus holds of them.
    alone = np.maximum(count * one * 0.5 * expected, 1.0)
    differ = np.maximum(between - expected * (1.0 + 2.0 * np.sqrt(2.0 / alone)), 0.0)
    differ[unknown] = 0.0
    number, total = annulus.without_own(number, each), annulus.without_own(total, square)
    values = np.where(narrow & ~unknown, np.maximum(number, 0.0) * one, 0.0)
    # Of the annulus's mean: how uncertain rings are is told elsewhere.
    local = np.maximum(total, 0.0) / np.maximum(number, 1.0) / np.where(unknown, 1.0, mean)
    weight = differ * values
    scale = np.sqrt((1.0 + weight * np.where(values > 0.0, local, 1.0)) / (1.0 + weight))
    return np.maximum(scale, _LEAST_SCALE), np.where(values > 0.0, differ / (2.0 + weight), 0.0)


class _Annulus:
    """Sums over the wide annulus through every place."""

    def __init__(self, grid: FluxGrid, told: Mask, half: Array, near: Array) -> None:
        self._order = np.argsort(grid.separation[told])
        radii = grid.separation[told][self._order]
        self._told, self._near = told, near
        self._low = np.searchsorted(radii, grid.separation - half)
        self._high = np.searchsorted(radii, grid.separation + half, side="right")

    def sums(self, values: Array, *, own: bool = True) -> Array:
        """Return the sums, or the sums without each place's own neighbourhood."""
        running = np.concatenate([[0.0], np.cumsum(values[self._told][self._order])])
        total = running[self._high] - running[self._low]
        return total if own else np.maximum(self.without_own(total, values), 0.0)

    def without_own(self, total: Array, values: Array) -> Array:
        """Return sums less those over each place's own neighbourhood."""
        known = np.where(self._told, values, 0.0)
        return total - np.asarray(fftconvolve(known, self._near, mode="same"))


def _deepest(scaled: Array, told: Mask, grid: FluxGrid, half: Array) -> Array:
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


def _area(correlation: MapCorrelation, power: int) -> float:
    """Return the area in arcsec^2 for each independent value: the integral of rho^(2 power).

    Of squares, whose correlation is rho^2, with a power of 1, and of fourth powers with 2.
    """
    height = correlation.radial_square**power
    radius = np.arange(height.size) * correlation.step
    weights = 2.0 * np.pi * radius * correlation.step
    weights[0] = np.pi * (0.5 * correlation.step) ** 2
    return float((height * weights).sum())
