"""The table of what is left of a model's flux."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.schema import extend
from coronx.ops.extended_throughput import Share

__all__ = ["Row", "as_record", "as_table"]

_COLUMNS = {
    "exposure": ("", "exposure, or all together"),
    "region": ("", "frame; aperture, where the model is bright; ring about the star"),
    "inner_arcsec": ("arcsec", "inner radius of the ring"),
    "outer_arcsec": ("arcsec", "outer radius of the ring"),
    "pixels": ("", "good pixels, mean of the integrations"),
    "model_jy": ("Jy", "flux of the model, convolved with the PSF, without a mask"),
    "in_jy": ("Jy", "what the mask lets through of it"),
    "left_jy": ("Jy", "what the subtraction of the star leaves of that"),
    "transmission": ("", "in_jy / model_jy"),
    "throughput": ("", "left_jy / in_jy"),
    "matched": ("", "factor by which what the mask lets through fits what is left"),
    "total": ("", "left_jy / model_jy"),
}


class Row(NamedTuple):
    """What is left in a region of an exposure, or of all."""

    exposure: str
    share: Share


def as_record(model: CubeModel, rows: Sequence[Row]) -> CubeModel:
    """Write rows into a product's table PASSED, and return it."""
    extend(model)
    table = np.zeros(len(rows), model.get_dtype("passed"))
    for name, values in _values(rows).items():
        table[name] = values
    model.passed = table
    return model


def as_table(model: CubeModel) -> Table:
    """Return a product's table PASSED with units and descriptions."""
    table = Table({name: np.asarray(model.passed[name]) for name in _COLUMNS})
    for name, (unit, description) in _COLUMNS.items():
        table[name].unit, table[name].description = unit or None, description
    for name in ("exposure", "region"):
        table[name] = table[name].astype(str)
    return table


def _values(rows: Sequence[Row]) -> dict[str, list[object]]:
    found = [
        (row.exposure[:64], share.region, share.inner, share.outer, share.pixels, share.free,
         share.light, share.left, share.transmission, share.throughput, share.matched, share.total)
        for row in rows for share in [row.share]
    ]  # fmt: skip
    return {name: list(values) for name, values in zip(_COLUMNS, zip(*found, strict=True),
                                                       strict=True)}  # fmt: skip
