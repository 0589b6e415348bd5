"""The stars of a CCD image as tables: places, fluxes, shapes."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import wcs_of
from coronx.ops.psf_field import shapes_over_field
from coronx.ops.star_finding import FoundStars, find_stars, nearest
from coronx.ops.star_fit import ellipse, fit_gaussians
from coronx.ops.star_photometry import StarFluxes, measure_fluxes

__all__ = ["StarOptions", "add_stars", "bad_pixels_of", "saturated_pixels_of"]

log = logging.getLogger(__name__)

_SHAPE_SNR = 30.0  # of stars whose shape is measured for the field
_APART = 4.0  # FWHM between them and their neighbours


@dataclass(frozen=True)
class StarOptions:
    """How stars are found and measured; see `coronx.ops.star_finding` and `.star_photometry`."""

    fwhm: float = 3.0
    threshold: float = 7.0
    box: int = 64
    aperture: float = 1.5
    total: float = 4.0
    annulus: tuple[float, float] = (5.0, 8.0)
    zero_point: float | None = None


def saturated_pixels_of(model: GroundImageModel) -> NDArray[np.bool_]:
    """Return the saturated pixels of an image: by flags, and in a raw one by its values."""
    flagged = (model.dq & np.uint32(FLAGS["SATURATED"])) != 0
    ground = model.meta.ground
    raw = not (ground.bias_subtracted or ground.dark_subtracted or ground.flat_divided)
    if raw and ground.saturation is not None:
        flagged = flagged | (np.nan_to_num(model.data, nan=-np.inf) >= ground.saturation)
    return flagged & ~_bad_beside_saturation(model)


def bad_pixels_of(model: GroundImageModel) -> NDArray[np.bool_]:
    """Return the pixels that hold no value, or one that cannot be used; not the saturated ones."""
    unusable = (model.dq & np.uint32(FLAGS["DO_NOT_USE"])) != 0
    return ~np.isfinite(model.data) | (unusable & ~saturated_pixels_of(model))


def add_stars(model: GroundImageModel, options: StarOptions, *, allow_none: bool = False) -> None:
    """Find and measure the stars of an image, and put them into it.

    Written are the tables ``stars`` and ``psf_shape``, and the keywords FWHM, SKYLEVEL, SKYRMS.

    Parameters
    ----------
    model : GroundImageModel
        Changed in place.
    options : StarOptions
        How.
    allow_none : bool
        Whether an image without stars gets empty tables rather than an error.

    Raises
    ------
    InputError
        If there is no star, or hardly a good pixel.
    """
    bad, saturated = bad_pixels_of(model), saturated_pixels_of(model)
    err = arrays_of(model).get("err")
    try:
        found = find_stars(
            model.data, bad, saturated, err=err,
            fwhm=options.fwhm, threshold=options.threshold, box=options.box,
        )  # fmt: skip
    except ValueError as reason:
        raise InputError(f"{name_of(model)}: {reason}; leave the frame out") from reason
    if not found.x.size and not allow_none:
        raise InputError(
            f"{name_of(model)}: no star above {options.threshold:g} sigma of the background "
            f"({np.median(found.rms):.3g} {model.meta.bunit or 'ADU'}); lower the threshold, "
            "give fwhm if stars are wide, leave the frame out, or set allow_none"
        )
    noise = _errors(model, found, err)
    fluxes = measure_fluxes(
        model.data - found.level, noise, found.bad | saturated, found.x, found.y,
        fwhm=found.fwhm, usable=~found.saturated,
        aperture=options.aperture, total=options.total, annulus=options.annulus,
    ) if found.x.size else None  # fmt: skip
    _write_shapes(model, _write_stars(model, found, fluxes, found.bad | saturated, options), found)
    ground = model.meta.ground
    ground.fwhm = found.fwhm if found.x.size else None
    if model.meta.ground_steps.measure_background != "COMPLETE":  # else it says what was taken off
        ground.sky_level = float(np.median(found.level))
    ground.sky_rms = float(np.median(found.rms))
    if found.x.size and fluxes is not None:
        log.info(
            "%s: %d stars, %d saturated; FWHM %.2f pixels; light beyond the aperture %.1f +- %.1f "
            "%% by %d stars",
            name_of(model), found.x.size, np.count_nonzero(found.saturated), found.fwhm,
            100 * (fluxes.correction - 1), 100 * fluxes.correction_sigma,
            fluxes.calibrators,
        )  # fmt: skip


def _bad_beside_saturation(model: GroundImageModel) -> NDArray[np.bool_]:
    other = sum(FLAGS[name] for name in ("COSMIC_RAY", "BAD_PIXEL", "BAD_COLUMN", "USER_BAD"))
    return (model.dq & np.uint32(other | FLAGS["NO_DATA"])) != 0


def _errors(
    model: GroundImageModel, found: FoundStars, err: np.ndarray | None
) -> NDArray[np.float64]:
    """Return 1-sigma errors: the image's, or of the background's noise and the stars' photons."""
    if err is not None:
        return np.asarray(err, np.float64)
    variance = found.rms**2
    if model.meta.ground.gain:
        light = np.nan_to_num(model.data - found.level)
        variance = variance + np.maximum(light, 0.0) / model.meta.ground.gain
    else:
        log.warning(
            "%s: no ERR and no gain; the stars' own photon noise is not in the errors of fluxes",
            name_of(model),
        )
    return np.sqrt(variance)


def _write_stars(
    model: GroundImageModel,
    found: FoundStars,
    fluxes: StarFluxes | None,
    masked: NDArray[np.bool_],
    options: StarOptions,
) -> NDArray[np.float64]:
    """Write the table ``stars``; return variances and covariances of those that are stars alone."""
    table = np.zeros(found.x.size, model.get_dtype("stars"))
    shapes = np.full((found.x.size, 3), np.nan)
    if fluxes is not None:
        fit = fit_gaussians(
            model.data - found.level, found.rms, ~masked, found.x, found.y,
            shape=tuple(found.shape), radius=max(1.25 * found.fwhm, 2.5), free=True,
        )  # fmt: skip
        shapes = fit.shape
        table["number"] = np.arange(1, found.x.size + 1)
        table["x"], table["y"] = found.x + 1.0, found.y + 1.0
        table["x_sigma"], table["y_sigma"] = found.x_sigma, found.y_sigma
        table["ra"], table["dec"] = _sky(model, found)
        table["flux"], table["flux_sigma"] = fluxes.flux, fluxes.flux_sigma
        table["mag"], table["mag_sigma"] = _magnitudes(model, fluxes, options.zero_point)
        table["background"], table["peak"] = fluxes.level + _at(found.level, found), found.peak
        major, minor, angle = ellipse(shapes)
        table["fwhm"], table["axis_ratio"] = fit.fwhm, minor / np.where(major > 0, major, np.nan)
        table["angle"], table["lost"] = angle, fluxes.lost
        table["saturated"], table["crowded"] = found.saturated, fluxes.crowded
        snr = fluxes.flux / np.where(fluxes.flux_sigma > 0, fluxes.flux_sigma, np.nan)
        fair = ~found.saturated & (fluxes.lost < 0.02) & (np.nan_to_num(snr) > _SHAPE_SNR)
        fair &= nearest(found.x, found.y) > _APART * found.fwhm
        shapes = np.where(fair[:, None], shapes, np.nan)
    model.stars = table
    return shapes


def _write_shapes(model: GroundImageModel, shapes: NDArray[np.float64], found: FoundStars) -> None:
    regions = shapes_over_field(found.x, found.y, shapes, size=tuple(model.shape))
    table = np.zeros(len(regions), model.get_dtype("psf_shape"))
    for row, region in zip(table, regions, strict=True):
        for name in table.dtype.names:
            row[name] = getattr(region, name)
    model.psf_shape = table


def _magnitudes(
    model: GroundImageModel, fluxes: StarFluxes, zero_point: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ground = model.meta.ground
    zero = ground.zero_point if zero_point is None else zero_point
    seconds = 1.0 if "/s" in str(model.meta.bunit or "") else ground.exposure_time
    if not seconds:
        log.warning("%s: no exposure time; magnitudes are of the whole exposure", name_of(model))
        seconds = 1.0
    good = fluxes.flux > 0.0
    flux = np.where(good, fluxes.flux, np.nan)
    sigma = 2.5 / np.log(10.0) * fluxes.flux_sigma / flux
    return (zero or 0.0) - 2.5 * np.log10(flux / seconds), sigma


def _sky(
    model: GroundImageModel, found: FoundStars
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wcs = wcs_of(model)
    if wcs is None:
        nothing = np.full(found.x.size, np.nan)
        return nothing, nothing
    ra, dec = wcs.all_pix2world(found.x, found.y, 0)
    return np.asarray(ra), np.asarray(dec)


def _at(image: NDArray[np.float64], found: FoundStars) -> NDArray[np.float64]:
    rows = np.clip(np.rint(found.y).astype(int), 0, image.shape[0] - 1)
    cols = np.clip(np.rint(found.x).astype(int), 0, image.shape[1] - 1)
    return image[rows, cols]
