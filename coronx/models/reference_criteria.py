"""By what an exposure is judged, from its header, before it serves another star as reference."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.table import Table
from astropy.time import Time
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.refdata.modes import plain_mask_name

__all__ = [
    "Criterion",
    "alike",
    "another_star",
    "days_between",
    "excluded",
    "of_programs",
    "of_types",
    "within_dates",
]

Criterion = tuple[str, Callable[[Header], bool]]
"""What is said of an exposure that fails, and whether a header passes."""

_SAME_STAR = 30.0  # arcsec: fast stars move this far in decades, no reference is this near


def alike(like: CubeModel) -> list[Criterion]:
    """Return what makes an exposure one of the same mode: as far as the science exposure tells."""
    instrument = like.meta.instrument
    wanted = {
        "INSTRUME": instrument.name,
        "DETECTOR": instrument.detector,
        "EXP_TYPE": like.meta.exposure.type,
        "FILTER": instrument.filter,
        "PUPIL": instrument.pupil,
        "CORONMSK": instrument.coronagraph,
        "SUBARRAY": like.meta.subarray.name,
    }

    def criterion(keyword: str, value: str) -> Criterion:
        plain = plain_mask_name if keyword == "CORONMSK" else str.upper
        return f"of another {keyword}", lambda h: plain(_text(h, keyword)) == plain(value)

    return [criterion(keyword, value) for keyword, value in wanted.items() if value]


def another_star(like: CubeModel) -> Criterion:
    """Return the criterion that an exposure is of another star, by its names and its place."""
    target = like.meta.target
    own = {_plain(str(name)) for name in (target.proposer_name, target.catalog_name) if name}
    place = None
    if target.ra is not None and target.dec is not None:
        place = SkyCoord(target.ra, target.dec, unit="deg")

    def passes(header: Header) -> bool:
        if own & _names(header):
            return False
        ra, dec = header.get("TARG_RA"), header.get("TARG_DEC")
        if place is None or ra is None or dec is None:
            return True
        return bool(place.separation(SkyCoord(ra, dec, unit="deg")).arcsec > _SAME_STAR)

    return "of the science target", passes


def excluded(names: Collection[str]) -> Criterion:
    """Return the criterion that an exposure is of none of some stars."""
    unwanted = {_plain(name) for name in names}
    return "excluded by name", lambda h: not unwanted & _names(h)


def of_programs(programs: Collection[str]) -> Criterion:
    """Return the criterion that an exposure is of one of some programmes."""
    numbers = {str(number).lstrip("0") for number in programs}
    return "of another programme", lambda h: _text(h, "PROGRAM").lstrip("0") in numbers


def within_dates(like: CubeModel, given: Sequence[str | float]) -> Criterion:
    """Return the criterion of a time: days about the science exposure, or two ISO dates.

    Raises
    ------
    InputError
        If they cannot be read, or the science exposure has no date to count from.
    """
    told = ", ".join(map(str, given))
    try:
        if len(given) == 1:
            days, middle = float(given[0]), _start(like)
            if middle is None:
                raise InputError(
                    f"{name_of(like)}: no date in its header; give two dates, not {days:g} days"
                )
            first, last = middle - days, middle + days
        else:
            begin, end = (str(value).strip() for value in given)
            first = Time(begin).mjd
            last = Time(end).mjd + (0.0 if "T" in end or " " in end else 1.0)  # a whole day
    except ValueError as err:
        raise InputError(
            f"dates {told}: neither a number of days nor two ISO dates; give 30, or "
            "2022-07-01,2022-12-31"
        ) from err
    if not first < last:
        raise InputError(f"dates {told}: the last is before the first; give them in order")

    def passes(header: Header) -> bool:
        mjd = _mjd(header)
        return mjd is not None and first <= mjd <= last

    return "of another date", passes


def of_types(spectral_types: Collection[str], catalog: Path | None) -> Criterion:
    """Return the criterion that a star's spectral type begins with one of some.

    Raises
    ------
    InputError
        If the catalogue cannot be read.
    """
    wanted = tuple(str(kind).strip().upper() for kind in spectral_types)
    types = {} if catalog is None else _read_catalog(catalog)

    def passes(header: Header) -> bool:
        told = [types[name] for name in _names(header) if name in types]
        return (told[0] if told else _text(header, "SPTYPE").upper()).startswith(wanted)

    return "of another spectral type, or one not known", passes


def days_between(like: CubeModel, header: Header) -> float:
    """Return how many days lie between two exposures; infinite where that is not told."""
    start, mjd = _start(like), _mjd(header)
    return float("inf") if start is None or mjd is None else abs(mjd - start)


def _read_catalog(path: Path) -> Mapping[str, str]:
    """Return the spectral type by a star's plain name."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a table of target and spectral_type")
    try:
        table = Table.read(path, format="ascii.ecsv" if path.suffix == ".ecsv" else "ascii.csv")
        rows = zip(table["target"], table["spectral_type"], strict=True)
        return {_plain(str(name)): str(kind).strip().upper() for name, kind in rows}
    except (KeyError, ValueError, OSError) as err:
        reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        raise InputError(
            f"{path}: cannot be read ({reason}); give a CSV or ECSV table with the columns "
            "target and spectral_type"
        ) from err


def _names(header: Header) -> set[str]:
    told = (_text(header, keyword) for keyword in ("TARGPROP", "TARGNAME"))
    return {_plain(name) for name in told if name}


def _plain(name: str) -> str:
    """Return a star's name without what is written in different ways: V-AU-MIC, V* AU Mic."""
    return re.sub(r"[^A-Z0-9+]", "", name.upper())


def _text(header: Header, keyword: str) -> str:
    return str(header.get(keyword) or "").strip()


def _start(like: CubeModel) -> float | None:
    if like.meta.exposure.start_time is not None:
        return float(like.meta.exposure.start_time)
    date = like.meta.observation.date
    return float(Time(date).mjd) if date else None


def _mjd(header: Header) -> float | None:
    if header.get("EXPSTART") is not None:
        return float(header["EXPSTART"])
    date = _text(header, "DATE-OBS")
    return float(Time(date).mjd) if date else None
