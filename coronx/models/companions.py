"""Table of the companions fitted: FITS columns and ECSV."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from astropy.table import Table

from coronx.errors import InputError
from coronx.models.tables import STAR_SIGMA, Column, table_schema, with_error

__all__ = ["COMPANIONS", "SAMPLES", "beside", "candidate_places", "schema"]

_VALUES = (
    ("east", "arcsec", "From the star to the east"),
    ("north", "arcsec", "From the star to the north"),
    ("separation", "arcsec", "From the star"),
    ("pa", "deg", "Position angle, from north through east"),
    ("flux", "Jy", "Flux density"),
    ("contrast", "", "Flux over the star's"),
)
COMPANIONS = [
    Column("number", "int32", "", "As in the table of candidates, or 1"),
    *(column for value in _VALUES for column in with_error(*value)),
    STAR_SIGMA,
    Column("covariance_east_north", "float64", "arcsec2", "Of the fit, the star's place known"),
    Column("covariance_east_flux", "float64", "arcsec Jy", "Of the fit"),
    Column("covariance_north_flux", "float64", "arcsec Jy", "Of the fit"),
    Column("snr", "float64", "", "Flux over its error"),
    Column("chi2", "float64", "", "Of the residual, with its covariance"),
    Column("dof", "int32", "", "Degrees of freedom of chi2"),
    Column("inflation", "float64", "", "Errors over those of least squares alone"),
    Column("ring_samples", "float64", "", "Resolution elements that told the errors"),
    Column("iterations", "int32", "", "Steps of the fit"),
    Column("converged", "uint8", "", "Whether the fit is to be believed"),
    Column("lost", "uint8", "", "Whether the fit ran away from the guess; the row is empty then"),
    *(
        Column(name + end, "float64", unit, f"{percent}th percentile of the posterior")
        for name, unit, _ in _VALUES
        for end, percent in (("_low", 16), ("_high", 84))
    ),
    Column("log_evidence", "float64", "", "Natural logarithm, by dynesty"),
]
SAMPLES = [
    Column("number", "int32", "", "Companion"),
    Column("east", "float64", "arcsec", "From the star to the east"),
    Column("north", "float64", "arcsec", "From the star to the north"),
    Column("flux", "float64", "Jy", "Flux density"),
]


def schema() -> dict[str, Any]:
    """Return the schema of both tables, to be added to a model's."""
    return {
        "type": "object",
        "properties": {
            "companions": table_schema("Companions fitted", "COMPANIONS", COMPANIONS),
            "companion_samples": table_schema("Samples of their posteriors", "SAMPLES", SAMPLES),
        },
    }


def beside(
    companions: Sequence[tuple[float, float]],
    shape: tuple[int, ...],
    star: tuple[float, float],
    matrices: Iterable[np.ndarray],
    radius: float,
) -> np.ndarray:
    """Return the pixels (ny, nx) that are near a companion at one of some rolls.

    Parameters
    ----------
    companions : sequence of tuple of float
        Separation in arcsec and position angle in degrees.
    shape : tuple of int
        (ny, nx).
    star : tuple of float
        0-based (x, y) of the star.
    matrices : iterable of ndarray (2, 2)
        Pixels (x, y) per arcsec (east, north), of each roll.
    radius : float
        Pixels.
    """
    y, x = np.indices(shape)
    out = np.zeros(shape, bool)
    every = list(matrices)
    for separation, angle in companions:
        offset = separation * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
        for matrix in every:
            place = np.array(star) + matrix @ offset
            out |= np.hypot(x - place[0], y - place[1]) <= radius
    return out


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
