"""Where in the sky above a site a direction is."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

__all__ = ["Horizontal", "horizontal"]


@dataclass(frozen=True)
class Horizontal:
    """A direction as seen from a site.

    Attributes
    ----------
    altitude, azimuth : float
        Degrees above the horizon, without refraction, and from north through east.
    airmass : float
        Times the air of the zenith; NaN below the horizon.
    """

    altitude: float
    azimuth: float
    airmass: float


def horizontal(
    ra: float, dec: float, *, time: str, latitude: float, longitude: float, height: float = 0.0
) -> Horizontal:
    """Return altitude, azimuth and airmass of a direction, without asking the network.

    Parameters
    ----------
    ra, dec : float
        ICRS coordinates in degrees.
    time : str
        Time in UTC, ISO 8601.
    latitude, longitude : float
        Geodetic coordinates of the site in degrees; east is positive.
    height : float
        Height of the site in metres.

    Returns
    -------
    Horizontal

    Raises
    ------
    ValueError
        If the time cannot be read, or a coordinate is out of range.

    Notes
    -----
    The Earth's orientation is that of the tables installed with astropy; beyond them UT1 is taken
    for UTC, 14 arcseconds off at most. The airmass is Pickering's
    (2002, DIO 12, 1, 20), good to the horizon.
    """
    if not (-90 <= latitude <= 90 and -360 <= longitude <= 360 and -90 <= dec <= 90):
        raise ValueError(f"latitude {latitude}, longitude {longitude}, declination {dec}: no place")
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
        warnings.catch_warnings(),
    ):
        # Dates beyond the tables: "dubious year", no polar motion.
        warnings.simplefilter("ignore")
        site: Any = EarthLocation.from_geodetic(longitude, latitude, height)  # degrees, metres
        frame: Any = AltAz(obstime=Time(time, scale="utc"), location=site)
        place: Any = SkyCoord(ra, dec, unit="deg").transform_to(frame)
        altitude, azimuth = float(place.alt.deg), float(place.az.deg)
    if altitude < 0:
        return Horizontal(altitude, azimuth, float("nan"))
    bent = altitude + 244.0 / (165.0 + 47.0 * altitude**1.1)
    return Horizontal(altitude, azimuth, float(1.0 / np.sin(np.radians(bent))))
