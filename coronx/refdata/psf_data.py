"""stpsf and its data files: found, checked before it is asked for anything, and kept quiet."""

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from coronx.errors import InputError
from coronx.refdata.modes import CoronagraphMode

__all__ = ["MIN_VERSION", "PUPIL", "find_data", "instrument_name", "named_folder", "stpsf_with"]

MIN_VERSION = (2, 1, 0)
"""The oldest version of the data that stpsf 2.2 accepts."""

PUPIL = "jwst_pupil_RevW_npix1024.fits.gz"
_VARIABLES = ("STPSF_PATH", "WEBBPSF_PATH")
_REMEDY = (
    "give the folder of stpsf's data (https://stpsf.readthedocs.io, 'Installing the required data "
    "files') by the option data_path or the variable STPSF_PATH"
)


def instrument_name(mode: CoronagraphMode) -> str:
    """Return stpsf's name of a mode's instrument."""
    return "NIRCam" if mode.instrument == "NIRCAM" else "MIRI"


def find_data(
    mode: CoronagraphMode,
    filter_name: str,
    data_path: str | Path | None = None,
    *,
    with_opd: bool = False,
    more: tuple[str, ...] = (),
) -> Path:
    """Return stpsf's data folder, after a look whether it has all that a mode needs.

    stpsf itself starts a download when it misses something, so nothing of it is called before.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    filter_name : str
        The filter.
    data_path : str or Path, optional
        The folder; by default what STPSF_PATH names, or else WEBBPSF_PATH.
    with_opd : bool
        Whether a wavefront of the telescope will be read, which needs the table of how it changes
        over the field.
    more : tuple of str
        Other files that must be there.

    Raises
    ------
    InputError
        If no folder is named, or a file is missing in it, or its version is too old.
    """
    named = named_folder(data_path)
    if named is None:
        raise InputError(f"neither STPSF_PATH nor WEBBPSF_PATH is set; {_REMEDY}")
    folder, source = named
    if not folder.is_dir():
        raise InputError(f"{source}: {folder} is not a folder; {_REMEDY}")
    missing = [
        name
        for name in (*_needed(mode, filter_name, with_opd), *more)
        if not any(folder.glob(name))
    ]
    if missing:
        raise InputError(f"{source}: {folder} has no {', '.join(missing)}; {_REMEDY}")
    text = (folder / "version.txt").read_text().strip()
    try:
        version = tuple(int(part) for part in text.split(".")[:3])
    except ValueError:
        version = ()
    if version < MIN_VERSION:
        least = ".".join(map(str, MIN_VERSION))
        raise InputError(
            f"{source}: {folder}/version.txt says {text!r}, stpsf needs {least} or later; {_REMEDY}"
        )
    return folder


def named_folder(data_path: str | Path | None = None) -> tuple[Path, str] | None:
    """Return the folder of stpsf's data and what names it: `data_path`, or a variable; or None."""
    named = {"data_path": data_path} | {name: os.environ.get(name) for name in _VARIABLES}
    for source, path in named.items():
        if path:
            return Path(path).expanduser(), source
    return None


def _needed(mode: CoronagraphMode, filter_name: str, with_opd: bool) -> list[str]:
    name = instrument_name(mode)
    files = [
        "version.txt",
        "JWST_OTE_OPD*.fits*",
        PUPIL,
        "JWpupil_segments_RevW_npix1024.fits*",
        f"{name}/filters.tsv",
        f"{name}/filters/{filter_name}_throughput.fits",
    ]
    if with_opd:
        files.append(f"{name}/OPD/field_dep_table_{name.lower()}.fits")
    if name == "NIRCam":
        stop = "Sinc" if mode.pupil == "MASKBAR" else "Somb"
        return [
            *files,
            f"NIRCam/optics/NIRCam_Lyot_{stop}.fits.gz",
            "NIRCam/IPC/KERNEL_IPC_CUBE.fits",
            "NIRCam/IPC/KERNEL_PPC_CUBE.fits",
            "si_zernikes_coron_wfe.fits",
        ]
    stop = "Lyot" if mode.exp_type == "MIR_LYOT" else "FQPM"
    return [
        *files,
        f"MIRI/optics/MIRI_{stop}LyotStop.fits.gz",
        "MIRI/optics/MIRI_tricontagon_oversized_rotated.fits.gz",
        "si_zernikes_isim_cv3.fits",
    ]


@contextmanager
def stpsf_with(folder: Path) -> Iterator[ModuleType]:
    """Give stpsf with a data folder, its warnings and log kept from the user's.

    Raises
    ------
    InputError
        If stpsf is not installed.
    """
    if importlib.util.find_spec("stpsf") is None:
        raise InputError("stpsf is not installed; run `pip install 'coronx[psf]'`")
    loggers = [logging.getLogger(name) for name in ("stpsf", "poppy", "pysiaf")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for package in ("stpsf", "poppy", "pysiaf", "synphot", "astroquery"):
                warnings.filterwarnings("ignore", module=rf"{package}(\.|$)")
            stpsf = _imported()
            # The configuration wins over the environment, which stays as it is.
            with stpsf.conf.set_temp("STPSF_PATH", str(folder)):
                yield stpsf
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _imported() -> ModuleType:
    import requests

    # pysiaf asks GitHub for its newest version, without a time limit, when it is imported.
    get = requests.get

    def no_network(*_args: object, **_options: object) -> None:
        raise requests.ConnectionError("not asked")

    requests.get = no_network
    try:
        import stpsf
    finally:
        requests.get = get
    return stpsf
