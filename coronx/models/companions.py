"""Table of the companions fitted: FITS columns and ECSV."""

from typing import Any

import numpy as np
from astropy import units
from astropy.table import QTable, Table

from coronx.errors import InputError

__all__ = ["COMPANIONS", "SAMPLES", "as_ecsv", "candidate_places", "schema"]

# Name, type, unit.
_VALUES = (
    ("east", "arcsec"),
    ("north", "arcsec"),
    ("separation", "arcsec"),
    ("pa", "deg"),
    ("flux", "Jy"),
    ("contrast", ""),
)
COMPANIONS: list[tuple[str, str, str]] = [
    ("number", "int32", ""),
    *((name + end, "float64", unit) for name, unit in _VALUES for end in ("", "_sigma")),
    ("covariance_east_north", "float64", "arcsec2"),
    ("covariance_east_flux", "float64", "arcsec Jy"),
    ("covariance_north_flux", "float64", "arcsec Jy"),
    ("snr", "float64", ""),
    ("chi2", "float64", ""),
    ("dof", "int32", ""),
    ("inflation", "float64", ""),
    ("ring_samples", "float64", ""),
    ("iterations", "int32", ""),
    ("converged", "uint8", ""),
    *((name + end, "float64", unit) for name, unit in _VALUES for end in ("_low", "_high")),
    ("log_evidence", "float64", ""),
]
SAMPLES: list[tuple[str, str, str]] = [
    ("number", "int32", ""),
    ("east", "float64", "arcsec"),
    ("north", "float64", "arcsec"),
    ("flux", "float64", "Jy"),
]


def _table(title: str, hdu: str, columns: list[tuple[str, str, str]]) -> dict[str, Any]:
    kinds = [
        {"name": name, "datatype": kind, **({"unit": unit} if unit else {})}
        for name, kind, unit in columns
    ]
    return {"title": title, "fits_hdu": hdu, "datatype": kinds}


def schema() -> dict[str, Any]:
    """Return the schema of both tables, to be added to a model's."""
    return {
        "type": "object",
        "properties": {
            "companions": _table("Companions fitted", "COMPANIONS", COMPANIONS),
            "companion_samples": _table("Samples of their posteriors", "SAMPLES", SAMPLES),
        },
    }


def as_ecsv(table: np.ndarray) -> QTable:
    """Return a table of companions with its units."""
    made = QTable()
    for name, kind, unit in COMPANIONS:
        column = np.asarray(table[name])
        if kind == "uint8":
            made[name] = column.astype(bool)
        else:
            made[name] = column.astype(kind) * units.Unit(unit) if unit else column.astype(kind)
    return made


def candidate_places(candidates: Any) -> list[tuple[float, float]]:
    """Return the (east, north) in arcsec of a table of candidates, or of a file with one.

    Parameters
    ----------
    candidates : str, Path, Table or structured array
        With columns ``east`` and ``north``; a file is ECSV, or FITS with an extension CANDIDATES.

    Raises
    ------
    InputError
        If it cannot be read, or has no such columns.
    """
    table = candidates
    if not hasattr(table, "dtype"):
        try:
            if str(candidates).endswith(".fits"):
                table = Table.read(candidates, format="fits", hdu="CANDIDATES")
            else:
                table = Table.read(candidates, format="ascii.ecsv")
        except (OSError, ValueError, KeyError) as err:
            raise InputError(
                f"{candidates}: no table of candidates ({err}); give what coronx_detect wrote"
            ) from err
    missing = [name for name in ("east", "north") if name not in (table.dtype.names or ())]
    if missing:
        raise InputError(
            f"{candidates if isinstance(candidates, str) else 'candidates'}: no column "
            f"{' and '.join(missing)}; give offsets from the star in arcsec as east and north"
        )
    return [(_plain(row["east"]), _plain(row["north"])) for row in table]


def _plain(value: Any) -> float:
    return float(getattr(value, "value", value))
