"""What the header of a plain CCD frame says, in the words of the data model."""

import re
from collections.abc import Mapping
from typing import Any

from astropy import units as u
from astropy.coordinates import Angle
from astropy.io.fits import Header

from coronx.errors import InputError
from coronx.models.ground_image import ROLES

__all__ = ["KNOWN", "PLAIN_TYPES", "calibrated", "described"]

# Keywords that say the same thing, the surest first. EGAIN is in electrons per ADU; the
# GAIN of some cameras is a setting without unit.
_NUMBERS = {
    "exposure_time": ("EXPTIME", "EXPOSURE"),
    "gain": ("EGAIN", "GAIN"),
    "read_noise": ("RDNOISE", "READNOIS", "RDNOIS"),
    "ccd_temperature": ("CCD-TEMP", "CCDTEMP", "DETTEMP"),
    "set_temperature": ("SET-TEMP", "SETTEMP"),
    "site_altitude": ("SITEELEV", "ALT-OBS", "HEIGHT", "ALTITUDE"),
    "airmass": ("AIRMASS",),
    "altitude": ("OBJCTALT", "CENTALT"),
    "azimuth": ("OBJCTAZ", "CENTAZ"),
    "saturation": ("SATURATE", "DATAMAX"),
}
_TEXTS = {
    "filter": ("FILTER", "FILTNAME"),
    "telescope": ("TELESCOP", "LTELMOD"),
    "instrument": ("INSTRUME", "LCAMMOD"),
    "object": ("OBJECT", "OBJNAME"),
    "observer": ("OBSERVER",),
    "site": ("OBSERVAT", "SITENAME"),
    "overscan_region": ("BIASSEC",),
    "trim_region": ("TRIMSEC",),
}
_ANGLES = {
    "ra": ("OBJCTRA", "RA", "TELRA"),
    "dec": ("OBJCTDEC", "DEC", "TELDEC"),
    "site_latitude": ("SITELAT", "LAT-OBS", "LATITUDE"),
    "site_longitude": ("SITELONG", "LONG-OBS", "LONGITUD"),
}
# What camera programs call the types.
PLAIN_TYPES = {
    "bias": "Bias Frame",
    "dark": "Dark Frame",
    "flat": "Flat Field",
    "science": "Light Frame",
}
KNOWN = frozenset(
    key for table in (_NUMBERS, _TEXTS, _ANGLES) for keys in table.values() for key in keys
) | {"IMAGETYP", "OBSTYPE", "DATE-OBS", "XBINNING", "YBINNING", "CCDSUM", "PEDESTAL", "BUNIT"}
"""Keywords that are read."""


def described(header: Header, name: str) -> dict[str, Any]:
    """Return what a header says, by the names of the schema; what it does not say is left out.

    Parameters
    ----------
    header : Header
        Of a frame as its camera or another program wrote it.
    name : str
        Of the file, for messages.

    Raises
    ------
    InputError
        If a value cannot be understood.
    """
    found: dict[str, Any] = {}
    for what, keys in _NUMBERS.items():
        if (key := _first(header, keys)) is not None:
            found[what] = _number(header, key, name)
    for what, keys in _TEXTS.items():
        if (key := _first(header, keys)) is not None:
            found[what] = str(header[key]).strip()
    for what, keys in _ANGLES.items():
        if (key := _first(header, keys)) is not None:
            found[what] = _degrees(header, key, name, hours=what == "ra")
    found |= _amplifier(header)
    found |= _binning(header, name)
    if (image_type := _image_type(header)) is not None:
        found["image_type"] = image_type
    if (when := _date(header)) is not None:
        found["date_obs"] = when
    done = calibrated(header)
    for letter, what in (("B", "bias_subtracted"), ("D", "dark_subtracted"), ("F", "flat_divided")):
        if letter in done:
            found[what] = True
    return found


def calibrated(header: Header) -> str:
    """Return which of bias (B), dark (D) and flat (F) were applied before, as a header says.

    CALSTAT lists them; MaxIm writes "Process Calibrate" into HISTORY when it has applied all
    that it was given, which no card lists.
    """
    status = str(header.get("CALSTAT", "")).upper()
    done = {letter for letter in "BDF" if letter in status}
    # A dark is subtracted with the bias that is in it, unless that was taken out of it.
    history = " ".join(str(line) for line in header.get("HISTORY", []))
    if re.search(r"\bcalibrate\b", history, re.IGNORECASE):
        done |= set("BDF")
    if re.search(r"bias[ -]subtract", history, re.IGNORECASE):
        done |= {"B"}
    if re.search(r"dark[ -]subtract", history, re.IGNORECASE):
        done |= {"D"}
    return "".join(sorted(done))


def _first(header: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = header.get(key)
        if value is not None and str(value).strip():
            return key
    return None


def _number(header: Mapping[str, Any], key: str, name: str) -> float:
    try:
        return float(header[key])
    except (TypeError, ValueError) as err:
        raise InputError(
            f"{name}: {key} = {header[key]!r} is not a number; correct the card"
        ) from err


def _degrees(header: Mapping[str, Any], key: str, name: str, *, hours: bool) -> float:
    value = header[key]
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    try:
        # Bare numbers are degrees, sexagesimal right ascensions are hours.
        if re.fullmatch(r"[-+]?\d+(\.\d*)?", text):
            return float(text)
        return float(Angle(text, unit=u.hourangle if hours else u.deg).deg)
    except (ValueError, u.UnitsError) as err:
        raise InputError(f"{name}: {key} = {value!r} is not an angle; correct the card") from err


def _amplifier(header: Mapping[str, Any]) -> dict[str, float]:
    """Return gain and read noise of the amplifier in use, as Lowell's cameras list them."""
    used = [n for n in range(1, 5) if header.get(f"AAMP_{n:02d}") == 1]
    if len(used) != 1:
        return {}
    keys = {"gain": f"AGAIN_{used[0]:02d}", "read_noise": f"ARDNS_{used[0]:02d}"}
    return {what: float(header[key]) for what, key in keys.items() if key in header}


def _binning(header: Mapping[str, Any], name: str) -> dict[str, int]:
    if "XBINNING" in header:
        x = int(_number(header, "XBINNING", name))
        return {
            "binning_x": x,
            "binning_y": int(_number(header, "YBINNING", name)) if "YBINNING" in header else x,
        }
    both = str(header.get("CCDSUM", "")).split()
    if len(both) == 2 and all(text.isdigit() for text in both):
        return {"binning_x": int(both[0]), "binning_y": int(both[1])}
    return {}


def _image_type(header: Mapping[str, Any]) -> str | None:
    text = str(header.get("IMAGETYP") or header.get("OBSTYPE") or "").strip().lower()
    if text in ROLES:
        return text
    for word, role in (("flat", "flat"), ("bias", "bias"), ("zero", "bias"), ("dark", "dark")):
        if word in text:
            return role
    if any(word in text for word in ("light", "object", "science", "target")):
        return "science"
    return None


def _date(header: Mapping[str, Any]) -> str | None:
    date = str(header.get("DATE-OBS") or "").strip()
    if not date:
        return None
    if "T" not in date:
        clock = _first(header, ("UTCSTART", "UTC-OBS", "TIME-OBS", "UT"))
        if clock is not None:
            return f"{date}T{str(header[clock]).strip()}"
    return date
