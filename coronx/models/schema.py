"""What coronx adds to the host's data models: keywords and tables.

The host's classes are kept, so that every product opens with ``jwst.datamodels.open``; the
additions are schema extensions, made when a model is opened or written.
"""

from typing import Any

from stdatamodels.jwst.datamodels import JwstDataModel

__all__ = ["EXTENSION", "PLANES_DTYPE", "SHIFTS_DTYPE", "extend"]


def _keyword(title: str, kind: str, keyword: str) -> dict[str, Any]:
    return {"title": title, "type": kind, "fits_keyword": keyword}


def _table(title: str, hdu: str, columns: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        "title": title,
        "fits_hdu": hdu,
        "datatype": [{"name": name, "datatype": kind} for name, kind in columns],
    }


PLANES_DTYPE: list[tuple[str, Any]] = [("exposure", ["ascii", 64]), ("integration", "int32")]
SHIFTS_DTYPE: list[tuple[str, Any]] = [
    *PLANES_DTYPE,
    *((name, "float64") for name in ("dx", "dy", "sigma_x", "sigma_y", "scale", "residual")),
    ("converged", "uint8"),
]

_META: dict[str, Any] = {
    "version": _keyword("coronx version", "string", "CRXVER"),
    "star_x": _keyword("[pixel] x of the star, 1-indexed", "number", "STARCENX"),
    "star_y": _keyword("[pixel] y of the star, 1-indexed", "number", "STARCENY"),
    "star_source": _keyword("where the star's place is from", "string", "STARSRC"),
    "star_ra": _keyword("[deg] RA of the star by this WCS", "number", "STAR_RA"),
    "star_dec": _keyword("[deg] Dec of the star by this WCS", "number", "STAR_DEC"),
    "mask_x": _keyword("[pixel] x of the PSFMASK hole, 1-indexed", "number", "MASKCENX"),
    "mask_y": _keyword("[pixel] y of the PSFMASK hole, 1-indexed", "number", "MASKCENY"),
    "mask_recentered": _keyword("PSFMASK hole moved to the mask", "boolean", "MASKMOVD"),
    "wcs_offset": _keyword("[arcsec] FITS WCS minus gwcs at the star", "number", "WCSDIFF"),
    "kl_modes": _keyword("number of KL modes subtracted", "integer", "KLMODES"),
    "error_kind": _keyword("how ERR was made", "string", "ERRKIND"),
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
        "planes": _table("Exposure and integration of each plane", "PLANES", PLANES_DTYPE),
        "reference_shifts": _table(
            "Shift that moved each reference to the first integration", "REFSHIFT", SHIFTS_DTYPE
        ),
        "integration_shifts": _table(
            "Place of each integration relative to the first", "SCISHIFT", SHIFTS_DTYPE
        ),
    },
}


def extend(model: JwstDataModel) -> JwstDataModel:
    """Add coronx's keywords and tables to the schema of an open model, and return it."""
    if "coronx" not in model.schema["properties"]["meta"]["properties"]:
        model.extend_schema(EXTENSION)
    return model
