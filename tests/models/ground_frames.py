"""Plain FITS frames as camera programs write them."""

import numpy as np
from astropy.io import fits


def write_frame(path, data=None, *, unsigned=True, cards=None, history=()):
    """Write a 16-bit frame; `cards` go into its header, None leaves a card out."""
    data = np.arange(20, dtype=float).reshape(4, 5) * 100.0 if data is None else np.asarray(data)
    hdu = fits.PrimaryHDU(np.asarray(np.rint(data), np.uint16 if unsigned else np.int16))
    told = {
        "IMAGETYP": "Light Frame",
        "EXPTIME": 60.0,
        "EGAIN": 1.5,
        "CCD-TEMP": -9.8,
        "SET-TEMP": -10.0,
        "FILTER": "R",
        "TELESCOP": "T05",
        "OBJECT": "M 13",
        "XBINNING": 1,
        "YBINNING": 1,
        "DATE-OBS": "2024-03-01T04:05:06",
    } | (cards or {})
    for key, value in told.items():
        if value is not None:
            hdu.header[key] = value
    for line in history:
        hdu.header.add_history(line)
    hdu.writeto(path)
    return path
