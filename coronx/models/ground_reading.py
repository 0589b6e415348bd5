"""Read CCD frames: our own files, and those that cameras and other programs write."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from coronx.errors import InputError
from coronx.models.ground_header import KNOWN, described
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import split_wcs

__all__ = ["open_frame", "read_keywords"]

# Cards of the host's own, and those that tell how the file was stored.
_DROPPED = frozenset((
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "BZERO", "BSCALE", "CHECKSUM",
    "DATASUM", "HISTORY", "DATE", "XTENSION", "PCOUNT", "GCOUNT", "EXTNAME", "EXTVER", "BLANK",
    "DATAMODL",
))  # fmt: skip


def open_frame(path: str | Path) -> GroundImageModel:
    """Open a frame.

    Of a plain FITS file the first image is read, as float32. PEDESTAL, which camera programs add
    to keep numbers positive, is undone and recorded. A raw frame has no error array.

    Parameters
    ----------
    path : str or Path
        A FITS file; it may be compressed.

    Returns
    -------
    GroundImageModel

    Raises
    ------
    InputError
        If the file is missing, cut short, not FITS, or has no two-dimensional image.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; put it there, or give another name")
    try:
        with warnings.catch_warnings():
            for symptom in ("truncated", "Error validating header"):
                warnings.filterwarnings("error", f"(?s).*{symptom}", AstropyUserWarning)
            warnings.filterwarnings("ignore", category=fits.verify.VerifyWarning)
            with path.open("rb") as stream, fits.open(stream, memmap=False) as hdulist:
                if hdulist[0].header.get("DATAMODL") == GroundImageModel.__name__:
                    return _own(hdulist)
                hdu = _image(hdulist, path)
                header = hdu.header.copy()
                if hdu is not hdulist[0]:
                    header.extend(hdulist[0].header, unique=True)
                data = np.asarray(hdu.data, np.float32)
                whole = np.issubdtype(hdu.data.dtype, np.integer)
    except (OSError, ValueError, TypeError, AstropyUserWarning, KeyError) as err:
        reason = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise InputError(f"{path}: cannot be read ({reason}); fetch the file again") from err
    return _plain(path, header, data, 16 if whole and header.get("BITPIX") == 16 else None)


def read_keywords(path: str | Path) -> dict[str, Any]:
    """Return what a frame's header says, by the names of the schema, and its ``shape``.

    Raises
    ------
    InputError
        As `open_frame`, but the image itself is not read.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream, fits.open(stream) as hdulist:
            if hdulist[0].header.get("DATAMODL") == GroundImageModel.__name__:
                header = hdulist[0].header
                shape = (hdulist["SCI"].header["NAXIS2"], hdulist["SCI"].header["NAXIS1"])
            else:
                hdu = _image(hdulist, path)
                header = hdu.header.copy()
                header.extend(hdulist[0].header, unique=True)
                shape = hdu.shape
            found = described(header, str(path))
            found["master"] = bool(header.get("MASTER", False))
    except (OSError, ValueError, TypeError, KeyError) as err:
        reason = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise InputError(f"{path}: cannot be read ({reason}); fetch the file again") from err
    return {**found, "shape": tuple(shape)}


def _own(hdulist: fits.HDUList) -> GroundImageModel:
    with GroundImageModel(hdulist) as model:
        return model.copy()


def _image(hdulist: fits.HDUList, path: Path) -> Any:
    for hdu in hdulist:
        if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0):
            if hdu.header["NAXIS"] != 2:
                break
            return hdu
    raise InputError(
        f"{path}: no two-dimensional image in it; give a frame of one colour, one plane"
    )


def _plain(path: Path, header: fits.Header, data: np.ndarray, bits: int | None) -> GroundImageModel:
    found = described(header, str(path))
    model = GroundImageModel(data=data)
    model.meta.filename = path.name.partition(".f")[0] + ".fits"
    model.meta.bunit = str(header.get("BUNIT") or "ADU").strip()
    pedestal = float(header.get("PEDESTAL") or 0.0)
    if pedestal:
        # The card holds what has to be added for a zero that means zero.
        model.data = data + np.float32(pedestal)
        found["pedestal"] = pedestal
    if bits is not None and "saturation" not in found:
        found["saturation"] = (2.0**16 - 1.0 if header.get("BZERO") else 2.0**15 - 1.0) + pedestal
    for name, value in found.items():
        setattr(model.meta.ground, name, value)
    cards, rest = split_wcs(header)
    kept = [
        [card.keyword, card.value, card.comment]
        for card in rest.cards
        if card.keyword not in _DROPPED | KNOWN and card.keyword and not _undefined(card.value)
    ]
    for card in kept:
        if card[0] == "FILENAME":
            card[0] = "ORIGFILE"
    extra = {"PRIMARY": {"header": kept}} if kept else {}
    if cards:
        extra["SCI"] = {"header": [[c.keyword, c.value, c.comment] for c in cards.cards]}
    model.instance["extra_fits"] = extra
    for line in header.get("HISTORY", []):
        model.add_history_entry(str(line))
    return model


def _undefined(value: Any) -> bool:
    return isinstance(value, fits.card.Undefined)
