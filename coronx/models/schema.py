"""What coronx adds to the host's data models: keywords and tables.

The host's classes are kept, so that every product opens with ``jwst.datamodels.open``; the
additions are schema extensions, made when a model is opened or written.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel

from coronx.ops.registration import Registration
from coronx.ops.sky_level import SkyLevel
from coronx.registry import REGISTRY

__all__ = [
    "CURVE",
    "EXTENSION",
    "extend",
    "level_table",
    "levels_of",
    "plane_table",
    "planes_shown",
    "shift_table",
    "shifts_of",
]


def _keyword(title: str, kind: str, keyword: str) -> dict[str, Any]:
    return {"title": title, "type": kind, "fits_keyword": keyword}


def _table(title: str, hdu: str, columns: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        "title": title,
        "fits_hdu": hdu,
        "datatype": [{"name": name, "datatype": kind} for name, kind in columns],
    }


_PLANES: list[tuple[str, Any]] = [("exposure", ["ascii", 64]), ("integration", "int32")]
_FIT = [
    *((name, "float64") for name in ("dx", "dy", "sigma_x", "sigma_y", "scale", "residual")),
    ("converged", "uint8"),
]
_SHIFTS = [*_PLANES, *_FIT]
# What a plane shows: another star (psf), or the science star's surroundings (science), which are
# turned as the pixels per arcsec towards east and north say.
_MATRIX = ("x_east", "x_north", "y_east", "y_north")
_STACKED: list[tuple[str, Any]] = [
    *_PLANES, ("role", ["ascii", 16]), *((name, "float64") for name in _MATRIX),
]  # fmt: skip
_LEVELS: list[tuple[str, Any]] = [
    ("integration", "int32"), ("level", "float64"), ("sigma", "float64"),
]  # fmt: skip
_COADDED: list[tuple[str, Any]] = [
    (name, "int32") for name in ("integration", "first", "last", "count")
]
_STAR: list[tuple[str, Any]] = [
    ("integration", "int32"),
    *((name, "float64") for name in ("x", "y", "sigma_x", "sigma_y")),
    ("good", "uint8"),
]

_INJECTED: list[tuple[str, Any]] = [
    ("source", "int32"), ("kind", ["ascii", 64]),
    *((name, "float64") for name in (
        "separation_arcsec", "pa_deg", "east_arcsec", "north_arcsec", "flux_jy", "contrast",
        "x", "y")),
]  # fmt: skip
_PASSED: list[tuple[str, Any]] = [
    ("exposure", ["ascii", 64]), ("region", ["ascii", 16]),
    *((name, "float64") for name in (
        "inner_arcsec", "outer_arcsec", "pixels", "model_jy", "in_jy", "left_jy", "transmission",
        "throughput", "matched", "total")),
]  # fmt: skip

_META: dict[str, Any] = {
    "version": _keyword("coronx version", "string", "CRXVER"),
    "star_x": _keyword("[pixel] x of the star, 1-indexed", "number", "STARCENX"),
    "star_y": _keyword("[pixel] y of the star, 1-indexed", "number", "STARCENY"),
    "star_source": _keyword("where the star's place is from", "string", "STARSRC"),
    "star_sigma_x": _keyword("[pixel] scatter of x among integrations", "number", "STARSIGX"),
    "star_sigma_y": _keyword("[pixel] scatter of y among integrations", "number", "STARSIGY"),
    "star_error_x": _keyword("[pixel] 1-sigma error of STARCENX", "number", "STARERRX"),
    "star_error_y": _keyword("[pixel] 1-sigma error of STARCENY", "number", "STARERRY"),
    "star_ra": _keyword("[deg] RA of the star by this WCS", "number", "STAR_RA"),
    "star_dec": _keyword("[deg] Dec of the star by this WCS", "number", "STAR_DEC"),
    "mask_x": _keyword("[pixel] x of the mask's centre, 1-indexed", "number", "MASKCENX"),
    "mask_y": _keyword("[pixel] y of the mask's centre, 1-indexed", "number", "MASKCENY"),
    "center_dx": _keyword("[pixel] added to CRPIX1 for the mask's centre", "number", "CENDX"),
    "center_dy": _keyword("[pixel] added to CRPIX2 for the mask's centre", "number", "CENDY"),
    "center_source": _keyword("where the mask's centre is from", "string", "CENSRC"),
    "frame_dx": _keyword("[pixel] how far x of the pixels was moved", "number", "FRAMEDX"),
    "frame_dy": _keyword("[pixel] how far y of the pixels was moved", "number", "FRAMEDY"),
    "mask_recentered": _keyword("PSFMASK hole moved to the mask", "boolean", "MASKMOVD"),
    "wcs_offset": _keyword("[arcsec] FITS WCS minus gwcs at CRPIX", "number", "WCSDIFF"),
    "background_scale": _keyword("factor on the background subtracted", "number", "BKGSCALE"),
    "background_scale_sigma": _keyword("uncertainty of BKGSCALE", "number", "BKGSCSIG"),
    "blur_sigma": _keyword("[pixel] sigma of the Gaussian convolved with", "number", "BLURSIG"),
    "high_pass_size": _keyword("[pixel] size of the high-pass filter", "number", "HPFSIZE"),
    "strategy": _keyword("which references were used", "string", "STRATEGY"),
    "method": _keyword("how the star was fitted", "string", "PSFMETH"),
    "kl_truncate": _keyword("number of modes asked for", "integer", "KLTRUNC"),
    "annuli": _keyword("[arcsec] radii at which annuli end", "string", "ANNULI"),
    "sectors": _keyword("sectors of each annulus", "integer", "SECTORS"),
    "zone_padding": _keyword("[arcsec] by which fits are wider", "number", "ZONEPAD"),
    "least_rotation": _keyword("[lambda/D] least motion in ADI", "number", "LEASTROT"),
    "nrefs_best": _keyword("references chosen, 0 is all", "integer", "NREFBEST"),
    "rank_by": _keyword("likeness by which they were chosen", "string", "RANKBY"),
    "rank_radius": _keyword("[arcsec] within which they were compared", "number", "RANKRAD"),
    "companions": _keyword("separation:PA kept out of fits", "string", "COMPMASK"),
    "companion_radius": _keyword("[lambda/D] radius kept out", "number", "COMPRAD"),
    "color_change": _keyword("relative change of wavelength fitted", "number", "COLORCHG"),
    "kl_modes": _keyword("number of modes subtracted", "integer", "KLMODES"),
    "error_kind": _keyword("how ERR was made", "string", "ERRKIND"),
    **{
        e.name: _keyword(f"{e.alias}", "string", e.status)
        for e in REGISTRY
        if e.status and not e.is_ground
    },
}

EXTENSION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "meta": {
            "type": "object",
            "properties": {
                "coronx": {"title": "coronx", "type": "object", "properties": _META},
            },
        },
        "planes": _table("Exposure and integration of each plane", "PLANES", _STACKED),
        "psf_model": {
            "title": "Star as fitted",
            "fits_hdu": "PSFMODEL",
            "ndim": 3,
            "datatype": "float32",
        },
        "shared_variance": {
            "title": "Covariance between integrations",
            "fits_hdu": "SHAREVAR",
            "ndim": 2,
            "datatype": "float32",
        },
        "reference_shifts": _table(
            "Shift that moved each reference to the first integration", "REFSHIFT", _SHIFTS
        ),
        "integration_shifts": _table(
            "Place of each integration relative to the first", "SCISHIFT", _SHIFTS
        ),
        "frame_shifts": _table(
            "Shift that moved, or would move, each integration onto the common frame",
            "FRMSHIFT",
            _SHIFTS,
        ),
        "star_places": _table("Place of the star in each integration", "STARPOS", _STAR),
        "coadded": _table("First, last and number of integrations coadded", "COADDED", _COADDED),
        "backgrounds": _table(
            "Background exposures subtracted", "BACKGRND", [("exposure", ["ascii", 64])]
        ),
        "injected": _table("Sources added by coronx_inject", "INJECTED", _INJECTED),
        "passed": _table("What is left of a model's flux", "PASSED", _PASSED),
        "levels": _table("Level subtracted from each integration", "LEVELS", _LEVELS),
    },
}

# Beside the host's contrast table (radius, sigma), which takes no further columns.
CURVE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "curve": _table(
            "Noise about the star",
            "CURVE",
            [
                ("radius", "float32"),
                ("sigma", "float32"),
                ("radius_arcsec", "float32"),
                ("npix", "int32"),
            ],
        )
    },
}


def extend(model: JwstDataModel) -> JwstDataModel:
    """Add coronx's keywords and tables to the schema of an open model, and return it."""
    if "coronx" not in model.schema["properties"]["meta"]["properties"]:
        model.extend_schema(EXTENSION)
    return model


def level_table(levels: Sequence[SkyLevel], common: float = 0.0) -> np.ndarray:
    """Return the levels of integrations as a table.

    Parameters
    ----------
    levels : sequence of SkyLevel
        One for each integration.
    common : float
        An uncertainty that all share, beside their own.
    """
    table = np.zeros(len(levels), [("integration", "i4"), ("level", "f8"), ("sigma", "f8")])
    table["integration"] = np.arange(len(levels)) + 1
    table["level"] = [found.level for found in levels]
    table["sigma"] = np.hypot([found.sigma for found in levels], common)
    return table


def levels_of(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels and uncertainties of a table, (n, 1, 1), float32; 0 where there is none."""
    level, sigma = (
        np.nan_to_num(table[name]).astype(np.float32)[:, np.newaxis, np.newaxis]
        for name in ("level", "sigma")
    )
    return level, sigma


def plane_table(
    model: CubeModel, *, role: str = "psf", matrix: np.ndarray | None = None
) -> np.ndarray:
    """Return what each plane of a cube is: its exposure, integration (from 1), and what it shows.

    A stack's own table is taken where it has one.

    Parameters
    ----------
    model : CubeModel
        The cube.
    role : str
        ``psf`` for another star, ``science`` for the science star.
    matrix : ndarray (2, 2), optional
        Pixels (x, y) per arcsec (east, north), where it matters.
    """
    known = getattr(model, "planes", None)
    if known is not None and len(known) == model.shape[0]:
        return np.asarray(known)
    columns = [(name, "f8") for name in _MATRIX]
    table = np.zeros(
        model.shape[0], [("exposure", "S64"), ("integration", "i4"), ("role", "S16"), *columns]
    )
    table["exposure"] = str(model.meta.filename or "")[:64]
    table["integration"] = np.arange(model.shape[0]) + 1
    table["role"] = role
    for name, value in zip(_MATRIX, np.full(4, np.nan) if matrix is None else matrix.ravel(),
                           strict=True):  # fmt: skip
        table[name] = value
    return table


def planes_shown(model: JwstDataModel, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which planes of a stack show the science star, (n,), and their matrices, (n, 2, 2).

    NaN for those of other stars, as all are in a stack without a table.
    """
    table = getattr(model, "planes", None)
    if table is None or len(table) != count or "role" not in table.dtype.names:
        return np.zeros(count, bool), np.full((count, 2, 2), np.nan)
    science = np.char.strip(np.asarray(table["role"]).astype(str)) == "science"
    matrices = np.stack([table[name] for name in _MATRIX], axis=1).reshape(-1, 2, 2).astype(float)
    matrices[~science] = np.nan
    return science, matrices


def shift_table(model: CubeModel, found: Registration, *, inverse: bool = False) -> np.ndarray:
    """Return a registration as a table, a row for each plane of a cube.

    Parameters
    ----------
    model : CubeModel
        The cube that was registered.
    found : Registration
        Shifts onto the template.
    inverse : bool
        Give the place of each plane relative to the template, not the shift onto it.
    """
    planes = plane_table(model)
    table = np.zeros(len(planes), [("exposure", "S64"), ("integration", "i4"), *_FIT])
    for name in ("exposure", "integration"):
        table[name] = planes[name]
    shift = -found.shift if inverse else found.shift
    table["dx"], table["dy"] = shift.T
    table["sigma_x"], table["sigma_y"] = found.sigma.T
    table["scale"], table["residual"] = found.scale, found.residual
    table["converged"] = found.converged
    return table


def shifts_of(table: np.ndarray) -> np.ndarray:
    """Return the (dx, dy) of a table of shifts, (n, 2), float64."""
    return np.stack([table["dx"], table["dy"]], axis=1).astype(np.float64)
