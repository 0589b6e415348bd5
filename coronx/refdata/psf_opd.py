"""Which wavefront of the telescope the model is given: none, a file, or the closest in time."""

from datetime import datetime
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.time import Time

from coronx.errors import InputError

__all__ = ["EXAMPLE", "Opd", "choose_opd", "sensing_files", "set_opd"]

Opd = Path | tuple[Path, int] | None


EXAMPLE = "JWST_OTE_OPD_cycle1_example_2022-07-30.fits"
"""The wavefront that comes with stpsf's data: measured in flight, in July 2022."""


def choose_opd(
    opd: str | Path | tuple[str | Path, int] | None,
    *,
    data: Path,
    folder: str | Path | None = None,
    date: str | None = None,
) -> Opd:
    """Return the wavefront to use.

    Parameters
    ----------
    opd : str, Path, (path, slice) or None
        A FITS file (1024 x 1024, micrometres, or a cube and the number of its slice), also of the
        data folder; "none" for none; None for the closest in time of `folder`, or without a folder
        the example that comes with stpsf's data, if it is there, or else none.
    data : Path
        stpsf's data folder.
    folder : str or Path, optional
        Folder with wavefronts as MAST names them.
    date : str, optional
        ISO 8601; the wavefront of `folder` measured closest to it is used.

    Returns
    -------
    Path, (Path, int) or None
        None stands for a perfect telescope.

    Raises
    ------
    InputError
        If a file or a date is missing.
    """
    if isinstance(opd, tuple):
        return _file(opd[0], data), int(opd[1])
    if opd is not None:
        return None if str(opd).lower() == "none" else _file(opd, data)
    if folder is None:
        return data / EXAMPLE if (data / EXAMPLE).is_file() else None
    if date is None:
        raise InputError(f"{folder}: no date to choose a wavefront by; give date, or opd a file")
    return _closest(Path(folder).expanduser(), date)


def sensing_files(opd: Opd) -> tuple[str, ...]:
    """Return the data files that stpsf needs to take a file of MAST's apart; none for others.

    MAST's files hold what the camera saw that senses wavefronts: telescope and camera together.
    """
    if not isinstance(opd, Path) or not _is_sensed(opd):
        return ()
    with fits.open(opd) as hdus:
        aperture = hdus[0].header.get("APERNAME", "")
    known = {"NRCA3_FP1": "fp1", "NRCA1_FP6": "fp6"}
    target = (f"NIRCam/OPD/wss_target_phase_{known[aperture]}.fits",) if aperture in known else ()
    return (
        *target,
        "NIRCam/filters.tsv",
        "NIRCam/OPD/field_dep_table_nircam.fits",
        "si_zernikes_isim_cv3.fits",
    )


def set_opd(instrument: Any, opd: Opd) -> None:
    """Give one of stpsf's instruments a wavefront."""
    if isinstance(opd, tuple):
        instrument.pupilopd = (str(opd[0]), opd[1])
    elif opd is None:
        instrument.pupilopd = None
    elif _is_sensed(opd):
        instrument.load_wss_opd(str(opd), verbose=False)
    else:
        instrument.pupilopd = str(opd)


def _is_sensed(path: Path) -> bool:
    try:
        with fits.open(path) as hdus:
            return "RESULT_PHASE" in hdus
    except OSError as error:
        raise InputError(f"{path}: {error}; give a wavefront's FITS file or none") from error


def _file(path: str | Path, data: Path) -> Path:
    path = Path(path).expanduser()
    for place in (path, data / path):
        if place.is_file():
            return place
    raise InputError(f"opd: {path} is not a file; give a wavefront's FITS file or none")


def _closest(folder: Path, date: str) -> Path:
    # MAST: O2022073001-NRCA3_FP1-1.fits, R2022073002-NRCA3_FP1-1.fits. The day is in the name, the
    # time in the header.
    files = sorted(p for p in folder.glob("*.fits") if _day(p) is not None)
    if not files:
        raise InputError(
            f"{folder}: no wavefront named as MAST names them (R2022073002-NRCA3_FP1-1.fits); "
            "download them there, or give opd a file or none"
        )
    try:
        wanted = Time(date).mjd
    except ValueError as error:
        raise InputError(f"date {date!r}: {error}; give it as ISO 8601") from error
    # The header counts only among those of the closest days: opening all takes long.
    days = {path: abs(_day(path) - wanted) for path in files}
    near = [path for path in files if days[path] <= min(days.values()) + 2]
    return min(near, key=lambda path: abs(_moment(path) - wanted))


def _day(path: Path) -> float | None:
    try:
        return Time(datetime.strptime(path.name[1:9], "%Y%m%d")).mjd
    except ValueError:
        return None


def _moment(path: Path) -> float:
    header = fits.getheader(path)
    for key in ("DATE-OBS", "DATE"):
        text = header.get(key)
        if text and "TIME-OBS" in header and "T" not in text:
            text = f"{text}T{header['TIME-OBS']}"
        if text:
            return Time(text).mjd
    return _day(path) + 0.5
