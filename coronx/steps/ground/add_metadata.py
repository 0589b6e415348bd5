"""Fill in what the header of a frame does not say."""

import logging
import re
from typing import Any

from astropy.time import Time, TimeDelta

from coronx.errors import InputError, name_of
from coronx.models.frame_name import parse_frame_name
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import wcs_of
from coronx.ops.horizontal import horizontal
from coronx.refdata.sites import Site, find_site
from coronx.steps.ground._base import GroundStep

__all__ = ["AddMetadataStep"]

log = logging.getLogger(__name__)

_PLACE = {"latitude": "site_latitude", "longitude": "site_longitude", "altitude": "site_altitude"}


class AddMetadataStep(GroundStep):
    """Fill in site, pointing, airmass, and what the file name says, where the header does not.

    What the header says is kept, except a site that is given by options.
    """

    class_alias = "coronx_add_metadata"

    spec = """
        parse_name = boolean(default=True)  # Read file names as raw-T05-observer-target-date-time-filter-BINn-E-exp-nnn
        site = string(default=None)  # Observatory or code of its telescope, in place of the header's
        latitude = float(default=None,min=-90.0,max=90.0)  # Latitude in degrees, in place of the site's
        longitude = float(default=None,min=-360.0,max=360.0)  # Longitude in degrees, east positive, in place of the site's
        altitude = float(default=None)  # Height above the sea in metres, in place of the site's
        suffix = string(default='meta')  # Suffix of the products
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Complete the metadata of frames.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            A frame, an association, or several frames.

        Returns
        -------
        GroundImageModel or GroundFrames
            The frames with more keywords; no pixel changes.

        Raises
        ------
        InputError
            If the site is not known, or the time of a frame cannot be read.
        """
        return self.each(init, self._completed)

    def check_options(self) -> None:
        """Refuse a site that is not known, and half a place."""
        if self.site is not None and find_site(self.site) is None:
            raise InputError(
                f"site {self.site!r}: not known; give --latitude, --longitude and --altitude"
            )
        if (self.latitude is None) != (self.longitude is None):
            raise InputError(
                f"latitude {self.latitude}, longitude {self.longitude}: half a place; give both"
            )

    def _completed(self, model: GroundImageModel) -> GroundImageModel:
        result = self.copy_of(model)
        ground = result.meta.ground
        found = parse_frame_name(str(model.meta.filename or "")) if self.parse_name else {}
        self._place(ground)
        if ground.site_latitude is None:
            found |= self._site(ground, found)
        if ground.ra is None or ground.dec is None:
            ground.ra = ground.dec = None
            found |= _pointing(result)
        added = _fill(ground, found)
        added += _fill(ground, _sky(result))
        log.info("%s: %s", name_of(model), ", ".join(added) or "nothing to add")
        return result

    def _place(self, ground: Any) -> None:
        """Write the site that options tell."""
        if self.site is not None:
            site = find_site(self.site)
            ground.site = site.name
            for name, key in _PLACE.items():
                setattr(ground, key, getattr(site, name))
        for name, key in _PLACE.items():
            if getattr(self, name) is not None:
                setattr(ground, key, getattr(self, name))

    def _site(self, ground: Any, found: dict[str, Any]) -> dict[str, Any]:
        """Return the place of the observatory or telescope that a header or name tells."""
        names = [str(n) for n in (ground.site, ground.telescope, found.get("telescope")) if n]
        # TELESCOP of iTelescope's frames: "iTelescope 5".
        names += [
            f"T{int(m[1]):02d}" for n in names if (m := re.search(r"itel\w*\s*(\d+)", n, re.I))
        ]
        for name in names:
            site: Site | None = find_site(name, str(ground.date_obs or ""))
            if site is not None:
                return {"site": site.name} | {k: getattr(site, n) for n, k in _PLACE.items()}
        return {}


def _fill(ground: Any, found: dict[str, Any]) -> list[str]:
    """Write what is missing, and return what that was."""
    missing = {key: value for key, value in found.items() if getattr(ground, key) is None}
    for key, value in missing.items():
        setattr(ground, key, value)
    return [
        f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in missing.items()
    ]


def _pointing(model: GroundImageModel) -> dict[str, float]:
    """Return the coordinates of the image's middle, by its WCS."""
    wcs = wcs_of(model)
    if wcs is None:
        return {}
    ny, nx = model.shape
    place = wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2).icrs
    return {"ra": float(place.ra.deg), "dec": float(place.dec.deg)}


def _sky(model: GroundImageModel) -> dict[str, float]:
    """Return altitude, azimuth and airmass at mid-exposure, as far as a frame says enough."""
    ground = model.meta.ground
    where = (ground.ra, ground.dec, ground.site_latitude, ground.site_longitude)
    if ground.date_obs is None or None in where:
        said = zip(("RA", "DEC", "latitude", "longitude"), where, strict=True)
        lacking = [name for name, value in said if value is None]
        lacking += ["DATE-OBS"] if ground.date_obs is None else []
        log.info("%s: no airmass: it has no %s", name_of(model), ", ".join(lacking))
        return {}
    try:
        half = TimeDelta(0.5 * (ground.exposure_time or 0.0), format="sec")
        middle = (Time(str(ground.date_obs), scale="utc") + half).isot
        seen = horizontal(
            ground.ra,
            ground.dec,
            time=middle,
            latitude=ground.site_latitude,
            longitude=ground.site_longitude,
            height=ground.site_altitude or 0.0,
        )
    except ValueError as err:
        why = str(err).splitlines()[0]
        raise InputError(
            f"{name_of(model)}: DATE-OBS {ground.date_obs!r}: {why}; correct the card, or the place"
        ) from err
    found = {"altitude": seen.altitude, "azimuth": seen.azimuth}
    return found | ({"airmass": seen.airmass} if seen.altitude > 0 else {})
