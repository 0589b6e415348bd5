"""Contrast limits: the faintest source that noise is unlikely to pass for, about a star."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.flux_map import FluxMap
from coronx.ops.ring_noise import Masked, RingNoise, masked_places, ring_noise
from coronx.ops.small_sample import FIVE_SIGMA, threshold

__all__ = ["ContrastCurve", "ContrastMap", "contrast_curve", "contrast_map", "curve_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ContrastMap:
    """Contrast limit at every place of a flux map.

    Attributes
    ----------
    calibrated : ndarray (n, n)
        Flux over the star's that is told from noise, corrected for what the subtraction and the
        mask take; NaN within one resolution element, and where too little is left to tell.
    raw : ndarray (n, n)
        The same without the corrections.
    factor : ndarray (n, n)
        Small-sample threshold in sample standard deviations.
    noise, raw_noise : RingNoise
        Of the calibrated and the raw flux map.
    """

    calibrated: Array
    raw: Array
    factor: Array
    noise: RingNoise
    raw_noise: RingNoise


@dataclass(frozen=True)
class ContrastCurve:
    """Contrast limit against separation; all (n,), means over what can be used of a ring.

    Attributes
    ----------
    separation : ndarray
        Arcsec.
    sigma : ndarray
        Noise of the calibrated flux, one sample standard deviation, in the map's unit.
    factor : ndarray
        Threshold in such deviations.
    raw, calibrated : ndarray
        Limit over the star's flux, without and with the corrections; calibrated is factor times
        sigma over the star's flux.
    throughput : ndarray
        Share of a source's flux that the subtraction leaves.
    transmission : ndarray
        Share that the mask lets pass.
    count : ndarray
        Resolution elements used.
    """

    separation: Array
    sigma: Array
    factor: Array
    raw: Array
    calibrated: Array
    throughput: Array
    transmission: Array
    count: Array


def contrast_map(
    flux_map: FluxMap,
    *,
    fwhm: float,
    star_flux: float,
    masked: Masked = (),
    false_alarm: float = FIVE_SIGMA,
    robust: bool = False,
) -> ContrastMap:
    """Return the contrast limit at every place.

    The noise is that of the place's ring (`ring_noise`), scaled by the expected noise, so that the
    limit follows coverage and transmission around the star; the threshold is Student's t for
    the ring's resolution elements (Mawet et al. 2014, ApJ 792, 97).

    Parameters
    ----------
    flux_map : FluxMap
    fwhm : float
        Of the PSF in arcsec.
    star_flux : float
        In the unit of the map.
    masked : sequence of (east, north, radius)
        Known companions in arcsec, left out of the noise.
    false_alarm : float
        Probability at one place that noise exceeds the limit; that of five sigma of a
        Gaussian by default.
    robust : bool
        Median absolute deviation instead of the standard deviation.

    Returns
    -------
    ContrastMap

    Raises
    ------
    ValueError
        If the star's flux is not positive and finite, or the probability is none.
    """
    if not (star_flux > 0.0 and np.isfinite(star_flux)):
        raise ValueError(f"the star's flux must be positive, not {star_flux}")
    grid = flux_map.grid
    noise, raw_noise = (
        ring_noise(
            values, grid, fwhm=fwhm, correlation=flux_map.correlation, scale=scale, masked=masked,
            robust=robust,
        )
        for values, scale in (
            (flux_map.flux, flux_map.sigma),
            (flux_map.raw, flux_map.raw_sigma),
        )
    )  # fmt: skip
    factor = threshold(noise.count, false_alarm=false_alarm)
    factor[grid.separation < fwhm] = np.nan
    return ContrastMap(
        factor * noise.sigma / star_flux,
        factor * raw_noise.sigma / star_flux,
        np.where(np.isfinite(noise.sigma), factor, np.nan),
        noise,
        raw_noise,
    )


def contrast_curve(
    flux_map: FluxMap,
    *,
    fwhm: float,
    star_flux: float,
    separations: Array | None = None,
    masked: Masked = (),
    false_alarm: float = FIVE_SIGMA,
    robust: bool = False,
) -> ContrastCurve:
    """Return the contrast limit against separation.

    Parameters
    ----------
    flux_map : FluxMap
    fwhm, star_flux, masked, false_alarm, robust
        As for `contrast_map`.
    separations : ndarray (n,), optional
        Arcsec; by default every half FWHM from one FWHM to the grid's edge.

    Returns
    -------
    ContrastCurve
        The rings are half a FWHM wide; NaN within one FWHM and where nothing is left.
    """
    grid = flux_map.grid
    at = np.arange(fwhm, grid.half * grid.scale, 0.5 * fwhm, dtype=np.float64)
    at = at if separations is None else np.asarray(separations, np.float64)
    limits = contrast_map(
        flux_map, fwhm=fwhm, star_flux=star_flux, masked=masked,
        false_alarm=false_alarm, robust=robust,
    )  # fmt: skip
    return curve_of(limits, flux_map, at, fwhm=fwhm, star_flux=star_flux, masked=masked)


def curve_of(
    limits: ContrastMap,
    flux_map: FluxMap,
    separations: Array,
    *,
    fwhm: float,
    star_flux: float,
    masked: Masked = (),
) -> ContrastCurve:
    """Return the curve of a map of limits that was made before; parameters as above."""
    grid = flux_map.grid
    away = grid.separation
    usable = np.isfinite(limits.calibrated) & ~masked_places(grid, masked)
    rows: list[list[float]] = []
    for separation in np.asarray(separations, np.float64):
        ring = usable & (np.abs(away - separation) <= 0.25 * fwhm)
        if separation < fwhm * (1.0 - 1e-9) or not ring.any():
            rows.append([np.nan] * 7)
            continue
        # The median, since what a bar hides of a ring has no limit worth its name.
        sigma, raw = (float(np.median(n.sigma[ring])) for n in (limits.noise, limits.raw_noise))
        count = float(limits.noise.count[ring].mean())
        factor = float(np.median(limits.factor[ring]))
        rows.append(
            [
                sigma,
                factor,
                factor * raw / star_flux,
                factor * sigma / star_flux,
                float(np.median(flux_map.throughput[ring])),
                float(np.median(flux_map.transmission[ring])),
                count,
            ]
        )
    return ContrastCurve(np.array(separations, np.float64), *np.array(rows).reshape(-1, 7).T)
