"""Sources to be added to exposures: read from options and tables, recorded in products."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import Table
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError
from coronx.models.arrays import array_of
from coronx.models.schema import extend

__all__ = ["Source", "parse_sources", "read_sources", "record_sources"]

_SEPARATION = ("separation_arcsec", "separation")
_ANGLE = ("pa_deg", "pa")
_BRIGHTNESS = {"contrast": ("contrast",), "Jy": ("flux_jy", "flux")}
_UNITS = {"contrast": units.dimensionless_unscaled, "Jy": units.Jy}


@dataclass(frozen=True)
class Source:
    """A point source beside the star, or an image around it.

    Attributes
    ----------
    separation, angle : float
        Separation in arcsec, and position angle in degrees; NaN for an image.
    brightness : float
        Its flux, in the unit asked for: of the star's, or Jy.
    kind : str
        ``companion``, or the name of an image.
    """

    separation: float
    angle: float
    brightness: float
    kind: str = "companion"

    @property
    def offset(self) -> np.ndarray:
        """Arcsec (east, north) from the star."""
        angle = np.radians(self.angle)
        return self.separation * np.array([np.sin(angle), np.cos(angle)])

    def __str__(self) -> str:
        """Return the source as options name it."""
        return f"{self.separation:g}:{self.angle:g}:{self.brightness:g}"


def parse_sources(texts: Sequence[str]) -> list[Source]:
    """Return point sources of texts such as 1.2:40:1e-5: arcsec, degrees, and brightness.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    found = []
    for text in texts:
        try:
            values = [float(part) for part in str(text).split(":")]
            if len(values) != 3 or not np.isfinite(values).all() or values[0] < 0:
                raise ValueError
        except ValueError as err:
            raise InputError(
                f"companions {text!r}: give separation in arcsec, position angle in degrees and "
                "brightness as 1.2:40:1e-5"
            ) from err
        found.append(Source(*values))
    return found


def read_sources(path: Path, unit: str) -> list[Source]:
    """Return the point sources of a table.

    Parameters
    ----------
    path : Path
        Any table that astropy reads, ECSV best, with the columns separation_arcsec (or separation),
        pa_deg (or pa), and contrast, or flux_jy (or flux); units of its columns are heeded.
    unit : str
        ``contrast`` or ``Jy``: which of the two brightnesses is taken.

    Raises
    ------
    InputError
        If it is no such table.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a table of companions")
    try:
        table = Table.read(path)
    except Exception as err:  # astropy's readers raise what they like
        raise InputError(f"{path}: not a table ({err}); give an ECSV file") from err
    columns = [
        _column(path, table, names, kind)
        for names, kind in (
            (_SEPARATION, units.arcsec), (_ANGLE, units.deg), (_BRIGHTNESS[unit], _UNITS[unit]),
        )
    ]  # fmt: skip
    return [Source(*map(float, values)) for values in zip(*columns, strict=True)]


def _column(path: Path, table: Table, names: Sequence[str], unit: units.UnitBase) -> np.ndarray:
    for name in names:
        if name in table.colnames:
            try:
                column = table[name]
                values = np.ma.filled(np.ma.asarray(column, float), np.nan)
                values = values * (column.unit.to(unit) if column.unit else 1.0)
            except (ValueError, TypeError, units.UnitConversionError) as err:
                raise InputError(f"{path}: column {name}: {err}; give numbers in {unit}") from err
            if not np.isfinite(values).all():
                raise InputError(f"{path}: column {name}: not all are numbers; fill them")
            return values
    raise InputError(f"{path}: no column {' or '.join(names)}; it has {', '.join(table.colnames)}")


def record_sources(
    model: CubeModel, sources: Sequence[Source], flux: np.ndarray, star: float, places: np.ndarray
) -> None:
    """Write what was added to an exposure into its table INJECTED, after what is in it.

    Parameters
    ----------
    model : CubeModel
        Changed in place.
    sources : sequence of Source
        What was added.
    flux : ndarray (nsource,)
        Their fluxes in Jy.
    star : float
        The star's, NaN if not known.
    places : ndarray (nsource, 2)
        Their 0-based (x, y), mean of the integrations.
    """
    extend(model)
    before = array_of(model, "injected")
    known = 0 if before is None else len(before)
    table = np.zeros(known + len(sources), model.get_dtype("injected"))
    if before is not None:
        for name in before.dtype.names:
            table[name][:known] = before[name]
    new = table[known:]
    new["source"] = known + 1 + np.arange(len(sources))
    new["kind"] = [source.kind[:64] for source in sources]
    offsets = np.array([source.offset for source in sources])
    new["separation_arcsec"] = [source.separation for source in sources]
    new["pa_deg"] = [source.angle for source in sources]
    new["east_arcsec"], new["north_arcsec"] = offsets.T
    new["flux_jy"], new["contrast"] = flux, flux / star
    new["x"], new["y"] = (places + 1.0).T
    model.injected = table
