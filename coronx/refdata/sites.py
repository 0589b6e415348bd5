"""Where observatories are."""

from typing import NamedTuple

from astropy.coordinates import EarthLocation
from astropy.coordinates.errors import UnknownSiteException
from astropy.utils.data import conf

__all__ = ["SITES", "Site", "find_site"]


class Site(NamedTuple):
    """An observatory.

    Attributes
    ----------
    name : str
        Its name.
    latitude, longitude : float
        Degrees; east is positive.
    altitude : float
        Metres above the sea.
    telescopes : tuple of str
        Codes by which headers and file names call its telescopes.
    until : str
        Year from which the codes are elsewhere; empty if they are not.
    """

    name: str
    latitude: float
    longitude: float
    altitude: float
    telescopes: tuple[str, ...] = ()
    until: str = ""


SITES: dict[str, Site] = {
    # iTelescope's: Im et al. 2019 (JKAS 52, 11) and the IAU's codes H06, I89, U69 and Q62; the
    # telescopes of New Mexico went to Utah.
    "mayhill": Site(
        "iTelescope, Mayhill, New Mexico", 32.9036, -105.5283, 2225.0,
        ("T02", "T03", "T05", "T11", "T14", "T20", "T21"), "2022",
    ),
    "nerpio": Site(
        "iTelescope, Nerpio, Spain", 38.1656, -2.3264, 1650.0, ("T07", "T16", "T18")
    ),
    "auberry": Site("iTelescope, Auberry, California", 37.0703, -119.4128, 1405.0, ("T24",)),
    "siding spring": Site(
        "iTelescope, Siding Spring", -31.2733, 149.0644, 1122.0,
        ("T08", "T09", "T12", "T17", "T30", "T31", "T32", "T33"),
    ),
    # As its frames say.
    "anderson mesa": Site("Lowell Observatory, Anderson Mesa", 35.0968, -111.5355, 2206.0),
    # Astronomical Almanac, section J.
    "kitt peak": Site("Kitt Peak", 31.9583, -111.5967, 2096.0),
    "palomar": Site("Palomar", 33.3564, -116.8650, 1712.0),
    "mauna kea": Site("Mauna Kea", 19.8261, -155.4747, 4215.0),
    "cerro tololo": Site("Cerro Tololo", -30.1650, -70.8150, 2215.0),
    "la silla": Site("La Silla", -29.2567, -70.7300, 2347.0),
    "paranal": Site("Paranal", -24.6250, -70.4033, 2635.0),
    "roque de los muchachos": Site("Roque de los Muchachos", 28.7606, -17.8816, 2326.0),
    "calar alto": Site("Calar Alto", 37.2236, -2.5461, 2168.0),
    "sutherland": Site("Sutherland", -32.3794, 20.8106, 1771.0),
}  # fmt: skip
"""The sites that are known without a network, to some 100 m: enough for an airmass."""


def find_site(name: str, date: str = "") -> Site | None:
    """Return the site of a name or of a telescope's code, or None.

    Parameters
    ----------
    name : str
        A key of `SITES`, a code of a telescope there, or a name that astropy's list of sites has,
        if that has been fetched before: nothing is fetched.
    date : str
        When, ISO: a code whose telescope has moved since is not known.

    Returns
    -------
    Site or None
    """
    key = name.strip().lower()
    if not key:
        return None
    if key in SITES:
        return SITES[key]
    for site in SITES.values():
        if key.upper() in site.telescopes and not (site.until and date >= site.until):
            return site
    return None if _is_code(key) else _of_astropy(name.strip())


def _is_code(key: str) -> bool:
    return key[0] == "t" and key[1:].isdigit()


def _of_astropy(name: str) -> Site | None:
    try:
        with conf.set_temp("allow_internet", False):
            place = EarthLocation.of_site(name)
    except (OSError, UnknownSiteException):
        return None
    where = place.to_geodetic()
    return Site(name, float(where.lat.deg), float(where.lon.deg), float(where.height.to_value("m")))
