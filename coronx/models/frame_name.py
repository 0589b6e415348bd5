"""What the file name of an iTelescope frame says."""

import re
from typing import Any

__all__ = ["parse_frame_name"]

_PATTERN = re.compile(
    r"""(?P<stage>[A-Za-z]+)-(?P<telescope>T\d+)-(?P<observer>[^-]+)-(?P<object>.+)
    -(?P<date>\d{8})-(?P<time>\d{6})-(?P<filter>[^-]+)-BIN(?P<binning>\d+)-(?P<pier>[EW])
    -(?P<exposure>\d+(\.\d+)?)-(?P<number>\d+)(_\w+)?(\.[A-Za-z.]+)?""",
    re.VERBOSE,
)


def parse_frame_name(name: str) -> dict[str, Any]:
    """Return what a file name says, by the names of the schema; nothing if it is of another form.

    Parameters
    ----------
    name : str
        As ``raw-T05-observer-target-20210708-220604-Ha-BIN1-E-300-001.fits``: stage, telescope,
        observer, target, date, time, filter, binning, side of the pier, exposure time in
        seconds, number. A target may have hyphens.

    Notes
    -----
    Date and time are left out: they are the site's, in no time zone that the name tells.
    """
    match = _PATTERN.fullmatch(name)
    if match is None:
        return {}
    binning = int(match["binning"])
    return {
        "telescope": match["telescope"],
        "observer": match["observer"],
        "object": match["object"].replace("_", " "),
        "filter": match["filter"],
        "binning_x": binning,
        "binning_y": binning,
        "exposure_time": float(match["exposure"]),
    }
