"""Products on a grid about the star: the flux of a point source there, limits, candidates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel, JwstDataModel

from coronx.errors import InputError, name_of
from coronx.models.pointing import find_star, sky_of
from coronx.models.reduction import Reduction
from coronx.models.schema import extend
from coronx.models.tables import STAR_SIGMA, Column, table_schema, with_error
from coronx.ops.companion_fit import CompanionFit
from coronx.ops.companion_removal import remove_companions
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import FluxMap, flux_map
from coronx.ops.ring_noise import ring_noise
from coronx.ops.stamp import OffAxisPsf
from coronx.ops.throughput_profile import throughput_profile

__all__ = [
    "CANDIDATES",
    "LIMITS",
    "describe",
    "flux_schema",
    "jansky",
    "map_fluxes",
    "map_without",
]

_SEPARATIONS, _ANGLES = 24, 12  # at which the throughput of ADI is measured
# FWHM; the figures they follow from are in docs/steps/contrast.md.
_WINDOW, _WINDOW_ADI = 1.5, 0.8

LIMITS = [
    Column("separation", "float64", "arcsec", "From the star"),
    Column("separation_ld", "float64", "", "The same in lambda/D"),
    Column("sigma", "float64", "Jy", "Noise of a point source's flux"),
    Column("factor", "float64", "", "Threshold in such sigmas"),
    Column("raw", "float64", "", "Contrast limit, uncorrected for subtraction and mask"),
    Column("calibrated", "float64", "", "Contrast limit"),
    Column("throughput", "float64", "", "Share of the flux that the subtraction leaves"),
    Column("transmission", "float64", "", "Share of the flux that the mask lets pass"),
    Column("count", "float64", "", "Resolution elements used"),
]
CANDIDATES = [
    Column("number", "int32", "", "By descending significance"),
    Column("ra", "float64", "deg", "Right ascension"),
    Column("dec", "float64", "deg", "Declination"),
    *with_error("east", "arcsec", "From the star to the east"),
    *with_error("north", "arcsec", "From the star to the north"),
    *with_error("separation", "arcsec", "From the star"),
    *with_error("pa", "deg", "Position angle, from north through east"),
    STAR_SIGMA,
    *with_error("flux", "Jy", "Flux density"),
    *with_error("contrast", "", "Flux over the star's"),
    Column("snr", "float64", "", "Flux over its noise, Student's t"),
    Column("sigmas", "float64", "", "Gaussian sigmas as rare"),
    Column("false_alarm_place", "float64", "", "Probability of noise at one place given before"),
    Column("false_alarm_field", "float64", "", "Probability of noise anywhere in the field"),
    Column("stim", "float64", "", "Mean over standard deviation of the frames"),
]


def flux_schema(
    images: dict[str, tuple[str, str]], tables: dict[str, tuple[str, str, Any]]
) -> dict[str, Any]:
    """Return a schema with images {name: (title, HDU)}, tables {name: (title, HDU, columns)}.

    With the keywords that tell how they were made, in meta.coronx.
    """
    keywords = {
        "star_jy": ("[Jy] star's flux density", "number", "STARJY"),
        "star_jy_sigma": ("[Jy] its 1-sigma error", "number", "STARJYSG"),
        "star_jy_source": ("where the star's flux is from", "string", "STARJYSR"),
        "fwhm": ("[arcsec] of the PSF", "number", "PSFFWHM"),
        "false_alarm": ("false-alarm probability of the threshold", "number", "FALSEALM"),
        "threshold": ("threshold in sigmas of a Gaussian", "number", "THRESH"),
        "stim_threshold": ("largest value of the inverse STIM map", "number", "STIMTHR"),
    }
    record = {
        name: {"title": title, "type": kind, "fits_keyword": keyword}
        for name, (title, kind, keyword) in keywords.items()
    }
    properties: dict[str, Any] = {
        "meta": {
            "type": "object",
            "properties": {"coronx": {"type": "object", "properties": record}},
        }
    }
    for name, (title, hdu) in images.items():
        properties[name] = {"title": title, "fits_hdu": hdu, "ndim": 2, "datatype": "float32"}
    for name, (title, hdu, columns) in tables.items():
        properties[name] = table_schema(title, hdu, columns)
    return {"type": "object", "properties": properties}


def jansky(reduction: Reduction) -> float:
    """Return the Jy of a flux of one MJy/sr in one pixel."""
    return 1e6 * reduction.pixel_area_sr


def map_fluxes(
    reduction: Reduction,
    psfs: Sequence[OffAxisPsf],
    *,
    outer: float | None = None,
    filter_radius: float | None = None,
    parts: Sequence[Any] | None = None,
    throughput: np.ndarray | None = None,
) -> FluxMap:
    """Return the flux of a point source on a grid about the star, in MJy/sr times a pixel.

    What the subtraction leaves is said by each exposure where references are other stars, and
    measured with artificial companions where they are the same one (ADI, ARDI).

    Parameters
    ----------
    reduction : Reduction
        All exposures.
    psfs : sequence of OffAxisPsf
        The PSF in each.
    outer : float, optional
        Half of the grid's side in arcsec; by default it holds every frame's edges.
    filter_radius : float, optional
        Standard deviation in FWHM of the window to the PSF's core that is the filter; 0: the whole
        PSF is. By default 1.5, and 0.8 where references show the star itself.
    parts : sequence of TakenOut, optional
        What is measured, in place of the reduction's own parts: those without companions.
    throughput : ndarray, optional
        On the grid, in place of one measured where references show the star itself.

    Raises
    ------
    InputError
        If no place can be measured.
    """
    scale = reduction.scale_arcsec
    if outer is None:
        reach = max(
            max(x, y, part.shape[2] - 1 - x, part.shape[1] - 1 - y)
            for part in reduction.parts
            for x, y in [part.star]
        )
    else:
        reach = outer / scale
    grid = FluxGrid(max(int(np.ceil(reach)), 1), scale)
    parts = reduction.parts if parts is None else parts
    psf_of = dict(zip(map(id, parts), psfs, strict=True))
    linear = all(part.linear for part in reduction.parts)
    if filter_radius is None:
        filter_radius = _WINDOW if linear else _WINDOW_ADI
    core = filter_radius * reduction.fwhm_arcsec / scale or None
    try:
        if not linear and throughput is None:
            throughput = _measured(reduction, psfs, psf_of, grid, core)
        made = flux_map(parts, lambda part: psf_of[id(part)], grid=grid, core=core,
                        throughput=throughput)  # fmt: skip
    except ValueError as err:
        raise InputError(f"{name_of(reduction.models[0])}: {err}") from err
    if not np.isfinite(made.flux).any():
        raise InputError(
            f"{name_of(reduction.models[0])}: no good pixel about the star; subtract it with other "
            "zones or references"
        )
    return made


def map_without(
    reduction: Reduction,
    psfs: Sequence[OffAxisPsf],
    places: Sequence[tuple[float, float]],
    fluxes: FluxMap,
    **options: Any,
) -> tuple[FluxMap, list[CompanionFit | None]]:
    """Return a flux map without companions, and their fits; see `remove_companions`.

    Parameters
    ----------
    reduction, psfs
        As in `map_fluxes`.
    places : sequence of (east, north)
        Theirs in arcsec, in descending brightness.
    fluxes : FluxMap
        The map with them.
    **options
        Of `map_fluxes`, as that map was made.
    """
    fwhm = reduction.fwhm_arcsec / reduction.scale_arcsec
    done = remove_companions(reduction.parts, psfs, places, fwhm=fwhm)
    made = map_fluxes(reduction, psfs, **options, parts=done.parts, throughput=fluxes.throughput)
    return made, done.fits


def _measured(
    reduction: Reduction, psfs: Any, psf_of: Any, grid: FluxGrid, core: float | None
) -> Any:
    """Return the throughput as a function of separation, by forward modelling."""
    whole = flux_map(
        reduction.parts,
        lambda part: psf_of[id(part)],
        grid=grid,
        throughput=np.ones(grid.shape),
        core=core,
    )
    if not np.isfinite(whole.sigma).any():
        raise ValueError("no good pixel about the star")
    fwhm = reduction.fwhm_arcsec
    separations = np.geomspace(fwhm, max(grid.half * grid.scale, 1.5 * fwhm), _SEPARATIONS)
    half = max(round((1.5 * fwhm / grid.scale) if core is None else 3.0 * core), 2)
    flux = 5.0 * _scatter(whole, separations, fwhm)
    share = throughput_profile(
        reduction.parts, psfs, separations, flux=flux, half=half, core=core, angles=_ANGLES
    )
    known = np.isfinite(share)
    if not known.any():
        raise ValueError("no companion leaves anything anywhere")
    return lambda separation: np.interp(separation, separations[known], share[known])


def _scatter(fluxes: FluxMap, separations: np.ndarray, fwhm: float) -> np.ndarray:
    """Return the scatter of a map in rings, not below its median formal error."""
    grid = fluxes.grid
    noise = ring_noise(fluxes.flux, grid, fwhm=fwhm, correlation=fluxes.correlation).sigma
    least = float(np.nanmedian(fluxes.sigma))
    near = [noise[np.abs(grid.separation - r) <= 0.5 * fwhm] for r in separations]
    found = [np.median(ring[np.isfinite(ring)]) if np.isfinite(ring).any() else 0 for ring in near]
    return np.maximum(found, least)


def describe(model: JwstDataModel, reduction: Reduction, star: Any, grid: FluxGrid) -> None:
    """Write the star's flux, the PSF's width and the grid's WCS into a product."""
    record = extend(model).meta.coronx
    record.fwhm = reduction.fwhm_arcsec
    if star is not None:
        record.star_jy, record.star_jy_source = star.jansky, star.source
        if np.isfinite(star.relative_sigma):
            record.star_jy_sigma = star.jansky * star.relative_sigma
    first = reduction.models[0]
    sky = sky_of(first, find_star(first))
    record.star_ra, record.star_dec = float(sky.ra.deg), float(sky.dec.deg)
    record.star_x = record.star_y = grid.half + 1.0
    record.star_source = "middle of the grid"
    if "wcsinfo" not in model.schema["properties"]["meta"]["properties"]:
        # A ContrastModel has no keywords of a WCS.
        known = ImageModel().schema["properties"]["meta"]["properties"]["wcsinfo"]
        meta = {"type": "object", "properties": {"wcsinfo": known}}
        model.extend_schema({"type": "object", "properties": {"meta": meta}})
    info = model.meta.wcsinfo
    info.wcsaxes, info.ctype1, info.ctype2 = 2, "RA---TAN", "DEC--TAN"
    info.cunit1 = info.cunit2 = "deg"
    info.crpix1 = info.crpix2 = grid.half + 1.0
    info.crval1, info.crval2 = record.star_ra, record.star_dec
    info.cdelt1, info.cdelt2 = -grid.scale / 3600.0, grid.scale / 3600.0
    info.pc1_1, info.pc1_2, info.pc2_1, info.pc2_2 = 1.0, 0.0, 0.0, 1.0
