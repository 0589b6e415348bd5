"""Names and headers of frames, as a camera's program and iTelescope write them."""

from datetime import timedelta

from astropy.coordinates import Angle
from astropy.io import fits

from coronx.simulate.night_plan import SET_TEMPERATURE, Night, PlannedFrame
from coronx.simulate.night_sky import field_wcs

__all__ = ["TARGET", "file_name", "header_of"]

TARGET = "SimField"
_OBSERVER, _TELESCOPE = "coronx", "T05"
_TYPES = {"bias": "Bias Frame", "dark": "Dark Frame", "flat": "Flat Field", "light": "Light Frame"}


def file_name(night: Night, planned: PlannedFrame) -> str:
    """Return ``raw-T05-observer-target-date-time-filter-BINn-E-exp-nnn.fits`` for a light."""
    number, binning = f"{planned.number:03d}", f"BIN{night.binning}"
    if planned.kind == "light":
        return (
            f"raw-{_TELESCOPE}-{_OBSERVER}-{TARGET}-{planned.start:%Y%m%d-%H%M%S}"
            f"-{planned.filter}-{binning}-E-{planned.exposure:.0f}-{number}.fits"
        )
    words = [planned.kind.capitalize(), binning]
    if planned.kind == "flat":
        words.insert(1, planned.filter)
    elif planned.kind == "dark":
        words.append(f"{planned.exposure:.0f}s")
    return "-".join([*words, f"{number}.fits"])


def header_of(night: Night, planned: PlannedFrame) -> fits.Header:
    """Return the cards of a frame; those of its shape are not among them."""
    header = fits.Header()
    header["OBJECT"] = TARGET if planned.kind == "light" else ""
    header["TELESCOP"] = ("iTelescope 5", "telescope")
    header["INSTRUME"] = ("Simulated CCD", "camera")
    header["OBSERVER"] = _OBSERVER
    start = planned.start.isoformat(timespec="milliseconds").split("+")[0]
    header["DATE-OBS"] = (start, "start of exposure, UT")
    header["EXPTIME"] = (planned.exposure, "[s] exposure time")
    header["EXPOSURE"] = (planned.exposure, "[s] exposure time")
    header["SET-TEMP"] = (SET_TEMPERATURE, "[C] set point of the CCD")
    header["CCD-TEMP"] = (planned.temperature, "[C] CCD at start of exposure")
    header["XPIXSZ"] = header["YPIXSZ"] = (9.0 * night.binning, "[um] size of a pixel, binned")
    header["XBINNING"] = header["YBINNING"] = (night.binning, "binning")
    header["EGAIN"] = (night.gain, "[electron/ADU] gain")
    header["IMAGETYP"] = (_TYPES[planned.kind], "type of image")
    if planned.filter is not None:
        header["FILTER"] = (planned.filter, "filter")
    if night.pedestal:
        header["PEDESTAL"] = (-night.pedestal, "[ADU] add this for zero-based values")
    if night.overscan:
        rows, last = f"1:{night.size}", night.size + night.overscan
        header["TRIMSEC"] = (f"[1:{night.size},{rows}]", "Pixels that see the sky")
        header["BIASSEC"] = (f"[{night.size + 1}:{last},{rows}]", "Overscan")
    if planned.kind == "light":
        _point(header, night, planned)
    header["SWCREATE"] = ("coronx.simulate", "program that made this file")
    return header


def _point(header: fits.Header, night: Night, planned: PlannedFrame) -> None:
    ra, dec = Angle(night.ra_deg, "deg"), Angle(night.dec_deg, "deg")
    text = ra.to_string("hourangle", sep=" ", precision=2, pad=True)
    header["OBJCTRA"] = (text, "nominal centre of image")
    text = dec.to_string("deg", sep=" ", precision=1, pad=True, alwayssign=True)
    header["OBJCTDEC"] = (text, "nominal centre of image")
    header["PIERSIDE"] = "EAST"
    header["FOCALLEN"] = (206.265 * 9.0 * night.binning / night.scale_arcsec, "mm")
    end = planned.start + timedelta(seconds=planned.exposure)
    header["DATE-END"] = end.isoformat(timespec="milliseconds").split("+")[0]
    if night.write_wcs:
        header.update(field_wcs(night, planned.offset).to_header())
