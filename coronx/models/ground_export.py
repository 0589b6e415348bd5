"""Write a CCD image as a plain FITS file that any program reads."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from coronx.models.ground_header import PLAIN_TYPES
from coronx.models.ground_image import GroundImageModel
from coronx.models.writing import whole_file

__all__ = ["export_plain"]


def export_plain(model: GroundImageModel, path: str | Path) -> Path:
    """Write the signal as the primary image, 32-bit float, with the cards of the frame and its WCS.

    ERR and DQ follow as extensions, which programs that want
    one image leave alone. What camera programs call the type of image and the calibration
    done (IMAGETYP, CALSTAT) is told in their words.

    Parameters
    ----------
    model : GroundImageModel
        The image.
    path : str or Path
        The new file.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    path = Path(path)
    primary = fits.PrimaryHDU(np.asarray(model.data, np.float32), _header(model))
    hdus = [primary]
    for name in ("err", "dq"):
        values = model.getarray_noinit(name) if name in model.instance else None
        if values is not None:
            hdus.append(fits.ImageHDU(np.asarray(values), name=name.upper()))
    with whole_file(path) as made:
        fits.HDUList(hdus).writeto(made)
    return path


def _header(model: GroundImageModel) -> fits.Header:
    header = fits.Header()
    described = model.schema["properties"]["meta"]["properties"]["ground"]["properties"]
    told = model.meta.ground.instance
    for name, value in told.items():
        if value is not None and name in described:
            header[described[name]["fits_keyword"]] = value
    if told.get("image_type") in PLAIN_TYPES:
        header["IMAGETYP"] = PLAIN_TYPES[told["image_type"]]
    applied = {"B": "bias_subtracted", "D": "dark_subtracted", "F": "flat_divided"}
    done = [letter for letter, name in applied.items() if told.get(name)]
    if done:
        header["CALSTAT"] = ("".join(done), "bias, dark, flat applied")
    header["BUNIT"] = model.meta.bunit or "ADU"
    extra = model.instance.get("extra_fits") or {}
    for name in ("PRIMARY", "SCI"):
        for keyword, value, comment in extra.get(name, {}).get("header", []):
            if keyword in ("COMMENT", ""):
                header.add_comment(str(value))
            elif keyword not in header:
                header[keyword] = (value, comment)
    for entry in (model.instance.get("history") or {}).get("entries", []):
        header.add_history(str(entry["description"]))
    return header
