"""Noise of a map about a star, measured in rings, each place's own neighbourhood left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import FluxMap
from coronx.ops.map_correlation import MapCorrelation

__all__ = ["Masked", "RingNoise", "flux_noise", "masked_places", "ring_noise"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Masked = Sequence[tuple[float, float, float]]

_TO_SIGMA = 1.4826  # median absolute deviation of a Gaussian, inverted
_LEAST_FREEDOM = 1.0


@dataclass(frozen=True)
class RingNoise:
    """Noise at every place of a map, told by the rest of the ring through it.

    Attributes
    ----------
    sigma, mean : ndarray (n, n)
        Sample standard deviation and mean, in the map's unit; NaN where the ring holds too
        little.
    count : ndarray (n, n)
        Resolution elements in the ring that could be used, the place's own one included: good
        area over FWHM times the ring's width, 2 pi r / FWHM in a full ring.
    mean_count : ndarray (n, n)
        Independent values that told the mean.
    freedom : ndarray (n, n)
        Degrees of freedom of sigma^2, from the map's correlation.
    spread : ndarray (n, n)
        Variance over sigma^2 of a value less the mean: 1 + 1 / `mean_count`, less twice the
        correlation of the place with the ring. A PSF's wings reach far along it.
    """

    sigma: Array
    mean: Array
    count: Array
    mean_count: Array
    freedom: Array
    spread: Array

    def t(self, values: Array) -> Array:
        """Return what follows Student's t where `values`, of the map, are noise."""
        return (values - self.mean) / (self.sigma * np.sqrt(self.spread))


def masked_places(grid: FluxGrid, masked: Masked) -> Mask:
    """Return the pixels within the radius of one of (east, north, radius), all in arcsec."""
    inside = np.zeros(grid.shape, bool)
    for east, north, radius in masked:
        inside |= np.hypot(grid.east - east, grid.north - north) <= radius
    return inside


def ring_noise(
    values: Array,
    grid: FluxGrid,
    *,
    fwhm: float,
    correlation: MapCorrelation,
    scale: Array | None = None,
    masked: Masked = (),
    width: float | None = None,
    robust: bool = False,
    clearance: float = 1.5,
) -> RingNoise:
    """Measure the noise at every place from the pixels at its distance from the star.

    A place's ring is `width` wide and centred on it; pixels within `clearance`
    FWHM of the place are left out, as its own light must not pass for noise (Mawet et al. 2014,
    ApJ 792, 97). All other pixels are used, and the degrees of freedom are those of as many
    correlated values: Satterthwaite's 2 <s^2>^2 / var s^2.

    Parameters
    ----------
    values : ndarray (n, n)
        Map, NaN where unknown.
    grid : FluxGrid
        Its grid.
    fwhm : float
        Resolution element in arcsec.
    correlation : MapCorrelation
        Of the map's noise.
    scale : ndarray (n, n), optional
        Expected noise up to a factor that depends on separation only, `FluxMap.sigma` say: values
        are compared in its unit, so that a place seen by one roll, or dimmed by the mask,
        neither raises nor borrows the noise of its ring.
    masked : sequence of (east, north, radius)
        Circles in arcsec that tell nothing of the noise: known companions.
    width : float, optional
        Of the rings in arcsec; one FWHM by default.
    robust : bool
        Median and median absolute deviation instead of mean and standard deviation; they have
        the fewer degrees of freedom that their efficiencies, 0.64 and 0.37, leave. The place's own
        neighbourhood stays in.
    clearance : float
        In FWHM; at 1.5 a companion's light in the map has fallen to a twentieth.

    Returns
    -------
    RingNoise

    Raises
    ------
    ValueError
        If `fwhm` or `width` is not positive.
    """
    width = fwhm if width is None else width
    if not (fwhm > 0.0 and width > 0.0):
        raise ValueError(f"fwhm and width must be positive, not {fwhm} and {width}")
    unit = np.ones(grid.shape) if scale is None else scale
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = values / unit
    relative[~np.isfinite(relative)] = np.nan
    told = np.isfinite(relative) & ~masked_places(grid, masked)
    radius = grid.separation
    sums = _ring_sums(np.where(told, relative, 0.0), told, radius, 0.5 * width)
    own = _own_sums(relative, told, grid, 0.5 * width, clearance * fwhm)
    number, total, square = (ring - here for ring, here in zip(sums, own, strict=True))
    some = number > 0.5
    safe = np.where(some, number, 1.0)
    length = np.where(some, number, np.nan) * grid.scale**2 / width
    of_mean, of_variance, beyond = _lengths(correlation, radius, width, clearance * fwhm)
    mean_count, variance_count = length / of_mean, length / of_variance
    if robust:
        mean, variance = _robust(relative, told, radius, width)
        mean_count, variance_count = 0.64 * mean_count, 0.37 * variance_count
        spread = 1.0 + 1.0 / mean_count
    else:
        spread = 1.0 + (of_mean - 2.0 * beyond) / length
        mean = total / safe
        variance = np.maximum(square / safe - mean**2, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            # The sample's mean takes away its share.
            variance = variance / (1.0 - 1.0 / mean_count)
    lost = 1.0 / mean_count
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (1.0 - lost) ** 2 / (1.0 / variance_count - lost**2)
    enough = some & (mean_count > 1.0) & (freedom >= _LEAST_FREEDOM) & (variance > 0.0)
    enough &= np.isfinite(relative)
    blank = np.where(enough, 1.0, np.nan)
    area = sums[0] * grid.scale**2 / (fwhm * width)
    return RingNoise(
        blank * np.sqrt(np.where(enough, variance, 1.0)) * unit,
        blank * mean * unit,
        area,
        blank * mean_count,
        blank * freedom,
        blank * spread,
    )


def flux_noise(
    flux_map: FluxMap, *, fwhm: float, masked: Masked = (), robust: bool = False
) -> RingNoise:
    """Return the `ring_noise` of a map's fluxes, compared in units of their expected errors."""
    return ring_noise(
        flux_map.flux, flux_map.grid, fwhm=fwhm, correlation=flux_map.correlation,
        scale=flux_map.sigma, masked=masked, robust=robust,
    )  # fmt: skip


def _lengths(correlation: MapCorrelation, radius: Array, width: float, clear: float) -> Array:
    """Return `MapCorrelation.lengths` of the ring through every place, (3, n, n)."""
    radii = np.arange(0.5 * width, radius.max() + width, 0.5 * width)
    found = np.array([correlation.lengths(width, radius=float(r), clearance=clear) for r in radii])
    return np.stack([np.interp(radius, radii, column) for column in found.T])


def _ring_sums(values: Array, told: Mask, radius: Array, half: float) -> tuple[Array, Array, Array]:
    """Return number, sum and sum of squares of the pixels within `half` of each one's radius."""
    order = np.argsort(radius[told])
    sorted_radius, kept = radius[told][order], values[told][order]
    low = np.searchsorted(sorted_radius, radius - half, side="left")
    high = np.searchsorted(sorted_radius, radius + half, side="right")

    def between(summed: Array) -> Array:
        running = np.concatenate([[0.0], np.cumsum(summed)])
        return running[high] - running[low]

    return between(np.ones_like(kept)), between(kept), between(kept**2)


def _own_sums(
    values: Array, told: Mask, grid: FluxGrid, half: float, clear: float
) -> tuple[Array, Array, Array]:
    """Return the same sums over the part of each pixel's ring that is near the pixel."""
    reach = int(clear / grid.scale)
    ny, nx = grid.shape
    known = np.pad(np.where(told, values, 0.0), reach)
    stacked = np.stack([np.pad(told.astype(np.float64), reach), known, known**2])
    away = grid.separation
    radius = np.pad(away, reach, constant_values=np.inf)
    out = np.zeros((3, ny, nx))
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if np.hypot(dy, dx) * grid.scale > clear:
                continue
            there = np.s_[reach + dy : reach + dy + ny, reach + dx : reach + dx + nx]
            inside = np.abs(radius[there] - away) <= half
            out += inside * stacked[(slice(None), *there)]
    return out[0], out[1], out[2]


def _robust(values: Array, told: Mask, radius: Array, width: float) -> tuple[Array, Array]:
    """Return median and squared scaled median absolute deviation of each pixel's ring."""
    middles = np.arange(0.0, radius.max() + width, 0.5 * width)
    found = np.full((2, middles.size), np.nan)
    for k, middle in enumerate(middles):
        ring = values[told & (np.abs(radius - middle) <= 0.5 * width)]
        if ring.size > 1:
            median = np.median(ring)
            found[:, k] = median, (_TO_SIGMA * np.median(np.abs(ring - median))) ** 2
    median, variance = (np.interp(radius, middles, row) for row in found)
    return median, variance
