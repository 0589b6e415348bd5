"""Figures of CCD frames by which they are judged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coronx.errors import name_of
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.ground_wcs import wcs_of
from coronx.models.star_catalogue import bad_pixels_of, saturated_pixels_of
from coronx.models.tables import Column
from coronx.ops.transparency import StarList, Transparency, measure_transparency

__all__ = [
    "QUALITY_COLUMNS",
    "add_quality",
    "quality_table",
    "sets_of",
    "transparencies",
]

QUALITY_COLUMNS = (
    Column("file", "U128", "", "File"),
    Column("filter", "U32", "", "Filter"),
    Column("exposure_time", "float64", "s", "Exposure time"),
    Column("stars", "int32", "", "Stars found"),
    Column("fwhm", "float64", "pix", "Median FWHM of bright stars that stand alone"),
    Column("fwhm_scatter", "float64", "pix", "Standard deviation of the single stars' FWHM"),
    Column("axis_ratio", "float64", "", "Minor over major axis of the median star"),
    Column("axis_ratio_sigma", "float64", "", "Its 1-sigma error"),
    Column("angle", "float64", "deg", "Direction of the major axis, from +x towards +y"),
    Column("background", "float64", "", "Median background, in the image's unit"),
    Column("background_rms", "float64", "", "Its noise in a pixel"),
    Column("saturated", "int64", "", "Saturated pixels"),
    Column("saturated_share", "float64", "", "Their share of all pixels"),
    Column("bad_share", "float64", "", "Share of pixels that cannot be used"),
    Column("limiting_magnitude", "float64", "mag", "Instrumental, of 5 sigma within 1.5 FWHM"),
    Column("transparency", "float64", "", "Light of shared stars over that of clear frames"),
    Column("transparency_sigma", "float64", "", "Its 1-sigma error"),
    Column("matched", "int32", "", "Stars that it was measured of"),
    Column("airmass", "float64", "", "Airmass"),
)

_APERTURE = 1.5  # FWHM, radius of the aperture that the limiting magnitude is for
_LOST = 0.2  # share of a star's light on bad pixels, beyond which it is not compared
_TOLERANCE = 3.0  # pixels, at least, that matched stars may be apart


def add_quality(model: GroundImageModel) -> None:
    """Put the figures of an image that has tables of stars into its table ``quality``.

    The transparency is left open: it is one of a set.
    """
    stars = _stars_of(model)
    shape = tables_of(model).get("psf_shape")
    ground, pixels = model.meta.ground, model.data.size
    saturated = int(np.count_nonzero(saturated_pixels_of(model)))
    row = np.zeros(1, model.get_dtype("quality"))
    for name, kind in row.dtype.descr:
        if "f" in kind:
            row[name] = np.nan
    row["file"], row["filter"] = name_of(model)[:128], str(ground.filter or "")[:32]
    row["exposure_time"] = _number(ground.exposure_time)
    row["stars"] = len(stars)
    if shape is not None and len(shape):
        field = shape[0]
        row["fwhm"], row["fwhm_scatter"] = field["fwhm"], field["scatter"]
        row["axis_ratio"], row["angle"] = field["axis_ratio"], field["angle"]
        row["axis_ratio_sigma"] = field["axis_ratio_sigma"]
    if not np.isfinite(row["fwhm"][0]):
        row["fwhm"] = _number(ground.fwhm)  # few stars, but they were found with one
    row["background"], row["background_rms"] = _number(ground.sky_level), _number(ground.sky_rms)
    row["saturated"], row["saturated_share"] = saturated, saturated / pixels
    row["bad_share"] = np.count_nonzero(bad_pixels_of(model)) / pixels
    row["limiting_magnitude"] = _limit(stars, row["background_rms"][0], row["fwhm"][0])
    row["airmass"] = _number(ground.airmass)
    model.quality = row


def sets_of(models: Sequence[GroundImageModel]) -> list[list[int]]:
    """Return which images can be compared: of one telescope, filter, exposure, size and target."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for n, model in enumerate(models):
        g = model.meta.ground
        seconds = None if g.exposure_time is None else round(g.exposure_time, 3)
        key = (g.telescope, g.instrument, g.filter, seconds, g.object, tuple(model.shape))
        groups.setdefault(key, []).append(n)
    return list(groups.values())


def transparencies(models: Sequence[GroundImageModel]) -> Transparency:
    """Return the transparencies of the images of one set, by the stars that they share.

    Stars are matched on the sky if all images have a WCS, else by their pixels.
    """
    tables = [_stars_of(model) for model in models]
    places = _places(models, tables)
    lists = []
    for model, stars, (x, y) in zip(models, tables, places, strict=True):
        fair = (stars["saturated"] == 0) & (stars["crowded"] == 0) & (stars["lost"] < _LOST)
        seconds = model.meta.ground.exposure_time or 1.0
        rate, sigma = stars["flux"][fair] / seconds, stars["flux_sigma"][fair] / seconds
        lists.append(StarList(x[fair], y[fair], rate, sigma))
    widths = [_number(model.meta.ground.fwhm) for model in models]
    known = [width for width in widths if np.isfinite(width)]
    wide = float(np.median(known)) if known else 0.0
    return measure_transparency(lists, tolerance=max(_TOLERANCE, wide))


def quality_table(models: Sequence[GroundImageModel]) -> NDArray[np.void]:
    """Return the rows of several images' tables ``quality`` as one."""
    return np.concatenate([np.asarray(model.quality) for model in models])


def _places(
    models: Sequence[GroundImageModel], tables: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return places of stars in a plane that images share: pixels of the first one's WCS."""
    pixels = [(np.asarray(t["x"], float), np.asarray(t["y"], float)) for t in tables]
    wcs = wcs_of(models[0])
    if wcs is None or any(len(t) and not np.isfinite(t["ra"]).all() for t in tables):
        return pixels
    flat = wcs.celestial.deepcopy()
    flat.sip = None  # the plane need not be that of the pixels, and its inverse may not be known
    return [
        tuple(flat.wcs_world2pix(t["ra"], t["dec"], 1)) if len(t) else place
        for t, place in zip(tables, pixels, strict=True)
    ]


def _stars_of(model: GroundImageModel) -> np.ndarray:
    found = tables_of(model).get("stars")
    return np.zeros(0, model.get_dtype("stars")) if found is None else found


def _limit(stars: np.ndarray, rms: float, fwhm: float) -> float:
    """Return the magnitude of five times the background's noise in an aperture."""
    known = np.isfinite(stars["mag"]) & (stars["flux"] > 0.0)
    if not known.any():
        return float("nan")
    zero = float(np.median(stars["mag"][known] + 2.5 * np.log10(stars["flux"][known])))
    return zero - 2.5 * float(np.log10(5.0 * rms * np.sqrt(np.pi) * _APERTURE * fwhm))


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
