"""Make associations of a folder of CCD frames: ``coronx_make_ground_asn FOLDER``."""

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coronx.errors import InputError
from coronx.models.ground_image import ROLES
from coronx.models.ground_reading import read_keywords
from coronx.models.writing import check_folder, whole_file

__all__ = ["file_word", "main", "make_ground_asn"]

log = logging.getLogger(__name__)

_ENDINGS = re.compile(r"\.(fits?|fts)(\.(gz|bz2|fz))?$", re.IGNORECASE)


@dataclass(frozen=True)
class _Frame:
    path: Path
    said: Mapping[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        value = self.said.get(name)
        return default if value is None else value


def make_ground_asn(
    folder: str | Path, *, temperature_step: float = 1.0, recursive: bool = False
) -> list[Path]:
    """Group a folder's frames, and write an association for each camera set-up.

    A set-up is a telescope, a shape and binning of the frames, and the temperature that the CCD
    was to have. Its association has a product for the biases, for the darks of each exposure
    time, for the flats of each filter, and for the science frames of each target, filter and
    exposure time.

    Parameters
    ----------
    folder : str or Path
        Folder of FITS frames; associations are written into it.
    temperature_step : float
        Temperatures that round to the same multiple of this, in deg C, are the same.
    recursive : bool
        Whether frames are looked for in folders within the folder, too.

    Returns
    -------
    list of Path
        The associations.

    Raises
    ------
    InputError
        If there is no frame, or none that says what it is an image of.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with FITS frames")
    check_folder(folder)
    found = folder.rglob("*") if recursive else folder.iterdir()
    paths = sorted(path for path in found if _ENDINGS.search(path.name) and path.is_file())
    frames = [_Frame(path, read_keywords(path)) for path in paths]
    if not frames:
        raise InputError(f"{folder}: no FITS frame in it; give another folder")
    known = [frame for frame in frames if frame.get("image_type") in ROLES]
    for frame in frames:
        if frame not in known:
            log.warning("%s: says no IMAGETYP that is known; left out", frame.path)
    if not known:
        raise InputError(
            f"{folder}: no frame says by IMAGETYP whether it is a bias, dark, flat or light; add "
            "the card"
        )
    groups: dict[tuple[str, ...], list[_Frame]] = {}
    for frame in known:
        groups.setdefault(_setup(frame, temperature_step), []).append(frame)
    return [_write(folder, setup, members) for setup, members in sorted(groups.items())]


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="coronx_make_ground_asn", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of FITS frames")
    parser.add_argument("--temperature-step", type=float, default=1.0, help="deg C")
    parser.add_argument("--recursive", action="store_true", help="look into folders, too")
    options = parser.parse_args(None if arguments is None else list(arguments))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        made = make_ground_asn(
            options.folder,
            temperature_step=options.temperature_step,
            recursive=options.recursive,
        )
    except InputError as err:
        print(err.message, file=sys.stderr)
        raise SystemExit(1) from None
    for path in made:
        print(path)


def _setup(frame: _Frame, step: float) -> tuple[str, ...]:
    """Return telescope, size, binning and temperature of a frame, as parts of a file name."""
    telescope = frame.get("telescope") or frame.get("instrument") or "ccd"
    height, width = frame.get("shape")
    temperature = frame.get("set_temperature", frame.get("ccd_temperature"))
    parts = [file_word(telescope), f"{width}x{height}", f"bin{int(frame.get('binning_x', 1))}"]
    if temperature is not None:
        degrees = round(round(temperature / step) * step)
        parts.append(f"{'m' if degrees < 0 else ''}{abs(degrees)}c")
    return tuple(parts)


def _product(frame: _Frame) -> str:
    """Return the name of what is made of a frame."""
    role = frame.get("image_type")
    seconds = f"{frame.get('exposure_time', 0.0):g}s"
    color = file_word(frame.get("filter") or "nofilter")
    return {
        "bias": "bias",
        "dark": f"dark_{seconds}",
        "flat": f"flat_{color}",
        "science": f"{file_word(frame.get('object') or 'target')}_{color}_{seconds}",
    }[role]


def file_word(text: str) -> str:
    """Return a text as a part of a file name."""
    # Small and large letters name different filters (r and R), but not telescopes or targets.
    return re.sub(r"[^A-Za-z0-9.+-]+", "", str(text)) or "unnamed"


def _write(folder: Path, setup: tuple[str, ...], frames: list[_Frame]) -> Path:
    name = "_".join(setup)
    products: dict[str, list[dict[str, str]]] = {}
    for frame in frames:
        members = products.setdefault(_product(frame), [])
        relative = frame.path.relative_to(folder).as_posix()
        members.append({"expname": relative, "exptype": frame.get("image_type")})
    table = {
        "asn_type": "ground",
        "asn_rule": "coronx_make_ground_asn",
        "asn_id": name,
        "asn_pool": "none",
        "products": [
            {"name": f"{name}_{product}", "members": members}
            for product, members in sorted(products.items())
        ],
    }
    path = folder / f"{name}_asn.json"
    with whole_file(path) as made:
        made.write_text(json.dumps(table, indent=2))
    return path
