"""Tables of products: as an HDU's schema, and as an ECSV file beside the product."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy import units
from astropy.table import QTable

from coronx.models.writing import whole_file

__all__ = ["STAR_SIGMA", "Column", "described", "table_schema", "with_error", "write_table"]


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : str
        Type; ``uint8`` is a yes or no, as FITS tables of the host have none.
    unit : str
        Empty where there is none.
    description : str
        What it is.
    """

    name: str
    kind: str
    unit: str
    description: str


STAR_SIGMA = Column(
    "star_sigma", "float64", "mas", "Error of the star's place, in the errors of this one"
)


def with_error(name: str, unit: str, description: str) -> list[Column]:
    """Return the columns of a quantity and of its error."""
    return [
        Column(name, "float64", unit, description),
        Column(f"{name}_sigma", "float64", unit, "Its 1-sigma error"),
    ]


def table_schema(title: str, hdu: str, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the schema of a table in an HDU."""
    kinds = [
        {"name": name, "datatype": kind, **({"unit": unit} if unit else {})}
        for name, kind, unit, _ in columns
    ]
    return {"title": title, "fits_hdu": hdu, "datatype": kinds}


def described(table: Any, columns: Sequence[Column]) -> QTable:
    """Return a table of a product with its units and descriptions."""
    made = QTable()
    for name, kind, unit, description in columns:
        values = np.asarray(table[name]).astype(bool if kind == "uint8" else kind)
        made[name] = values * units.Unit(unit) if unit else values
        made[name].info.description = description
    return made


def write_table(path: str | Path, table: Any, columns: Sequence[Column]) -> Path:
    """Write a table of a product as ECSV, whole or not at all; an older file is replaced.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    path = Path(path)
    with whole_file(path) as made:
        described(table, columns).write(made, format="ascii.ecsv")
    return path
