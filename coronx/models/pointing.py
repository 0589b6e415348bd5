"""Where the star is in an exposure, and on the sky."""

import copy
import logging
from dataclasses import dataclass

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.modeling.models import Shift
from jwst.assign_wcs.util import update_s_region_imaging
from stdatamodels.jwst.datamodels import JwstDataModel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of
from coronx.models.schema import extend
from coronx.refdata.modes import find_mode

__all__ = [
    "StarPlace",
    "check_wcs",
    "displace",
    "find_star",
    "mask_place",
    "move_wcs",
    "pixel_scale",
    "record_mask",
    "record_star",
    "shift_wcs",
    "sky_matrix",
    "sky_of",
]

log = logging.getLogger(__name__)

# Target acquisition puts the star within a pixel of the mask's centre.
_ACQUISITION = 2.0
_WCS_TOLERANCE = 0.1  # pixels


@dataclass(frozen=True)
class StarPlace:
    """The star's place in a frame.

    Attributes
    ----------
    x, y : float
        0-based pixel coordinates.
    source : str
        Where they are from.
    """

    x: float
    y: float
    source: str


def find_star(model: JwstDataModel, given: list[float] | None = None) -> StarPlace:
    """Return the star's place in an exposure or a combined image.

    In order: the place given; the one that an earlier step recorded (keywords STARCENX,
    STARCENY); the sky position recorded, through the image's WCS; the WCS's reference
    pixel, on which target acquisition puts the star, unless it lies away from the mask of the
    mode: then the mask's centre in flight, with a warning.

    Parameters
    ----------
    model : JwstDataModel
        Exposure or image.
    given : list of float, optional
        0-based (x, y), believed as it is.
    """
    if given is not None:
        return StarPlace(float(given[0]), float(given[1]), "given")
    known = _recorded(model)
    if known is not None:
        return known
    info = model.meta.wcsinfo
    ny, nx = model.shape[-2:]
    mask = mask_place(model)
    if info.crpix1 is None or info.crpix2 is None:
        if mask is not None:
            return StarPlace(*mask, "mask centre")
        return StarPlace((nx - 1) / 2, (ny - 1) / 2, "middle of the frame")
    place = StarPlace(info.crpix1 - 1.0, info.crpix2 - 1.0, "CRPIX")
    if mask is not None:
        away = float(np.hypot(place.x - mask[0], place.y - mask[1]))
        if away > _ACQUISITION:
            log.warning(
                "%s: CRPIX (%.1f, %.1f) is %.1f pixels from the centre of %s in flight; the "
                "star is taken to be at the mask's centre. Give --star_center if it is not.",
                name_of(model), place.x + 1, place.y + 1, away,
                model.meta.instrument.coronagraph,
            )  # fmt: skip
            return StarPlace(*mask, "mask centre")
    return place


def mask_place(model: JwstDataModel) -> tuple[float, float] | None:
    """Return where the centre of the coronagraph's mask is in an exposure, 0-based (x, y).

    As recorded by an earlier step (keywords MASKCENX, MASKCENY), else as SIAF says, for the
    part of the detector that the frame shows (SUBSTRT1, SUBSTRT2); None where neither tells.
    """
    record = getattr(model.meta, "coronx", None)
    x, y = getattr(record, "mask_x", None), getattr(record, "mask_y", None)
    if x is not None and y is not None:
        return x - 1.0, y - 1.0
    mode = find_mode(model.meta.instrument.coronagraph)
    area = model.meta.subarray
    if mode is None or mode.detector != model.meta.instrument.detector:
        return None
    if area.xstart is None or area.ystart is None:
        same = area.name == mode.subarray and model.shape[-2:] == mode.shape
        return mode.center if same else None
    return (
        mode.center[0] + mode.start[0] - area.xstart,
        mode.center[1] + mode.start[1] - area.ystart,
    )


def record_mask(model: JwstDataModel, x: float, y: float) -> None:
    """Write the mask's centre, 0-based, into the model."""
    record = extend(model).meta.coronx
    record.mask_x, record.mask_y = x + 1.0, y + 1.0


def _recorded(model: JwstDataModel) -> StarPlace | None:
    record = getattr(model.meta, "coronx", None)
    if record is None:
        return None
    x, y = getattr(record, "star_x", None), getattr(record, "star_y", None)
    if x is None or y is None:
        return None
    return StarPlace(x - 1.0, y - 1.0, getattr(record, "star_source", None) or "recorded")


def record_star(model: JwstDataModel, star: StarPlace) -> None:
    """Write the star's place, and its sky position by the model's WCS, into the model."""
    record = extend(model).meta.coronx
    if not star.source.startswith(getattr(record, "star_source", None) or star.source):
        record.star_error_x = record.star_error_y = None  # that of another measurement
    record.star_x, record.star_y, record.star_source = star.x + 1.0, star.y + 1.0, star.source
    if getattr(model.meta, "wcs", None) is not None:
        sky = sky_of(model, star)
        record.star_ra, record.star_dec = float(sky.ra.deg), float(sky.dec.deg)


def sky_of(model: JwstDataModel, star: StarPlace) -> SkyCoord:
    """Return the sky position of a pixel by the model's gwcs."""
    ra, dec = model.meta.wcs(star.x, star.y, with_bounding_box=False)
    return SkyCoord(float(ra), float(dec), unit="deg")


def pixel_scale(model: JwstDataModel, star: StarPlace) -> float:
    """Return the pixel scale in arcsec at the star: from the gwcs, else the pixel's area."""
    if getattr(model.meta, "wcs", None) is not None:
        here = sky_of(model, star)
        steps = [
            here.separation(sky_of(model, StarPlace(star.x + dx, star.y + dy, ""))).arcsec
            for dx, dy in ((1.0, 0.0), (0.0, 1.0))
        ]
        return float(np.sqrt(steps[0] * steps[1]))
    area = model.meta.photometry.pixelarea_arcsecsq
    return float(np.sqrt(area)) if area else float("nan")


def sky_matrix(model: JwstDataModel, star: StarPlace) -> np.ndarray:
    """Return the pixels (x, y) per arcsec (east, north) at the star, (2, 2), from the gwcs.

    A place beside the star is at ``star + matrix @ (east, north)``. What distortion adds to
    that, and the WCS's inverse lacks, is 0.02 pixels at 2 arcsec in NIRCam's long-wave arrays, 0.07
    at 5 and 0.16 at 8.

    Raises
    ------
    InputError
        If there is no gwcs.
    """
    if getattr(model.meta, "wcs", None) is None:
        raise InputError(f"{name_of(model)}: no WCS (gwcs) in it; run calwebb_image2 on it again")
    here = sky_of(model, star)
    columns = []
    for dx, dy in ((1.0, 0.0), (0.0, 1.0)):
        ends = [
            here.spherical_offsets_to(
                sky_of(model, StarPlace(star.x + s * dx, star.y + s * dy, ""))
            )
            for s in (0.5, -0.5)
        ]
        columns.append([(after - before).arcsec for after, before in zip(*ends, strict=True)])
    return np.linalg.inv(np.array(columns).T)


def check_wcs(model: JwstDataModel) -> None:
    """Warn where the FITS keywords and the gwcs place the star on different pixels.

    Both are carried by every exposure; files whose headers were edited by hand disagree.
    The separation is recorded as WCSDIFF.
    """
    info = model.meta.wcsinfo
    needed = (info.crpix1, info.crpix2, info.crval1, info.crval2)
    if getattr(model.meta, "wcs", None) is None or any(v is None for v in needed):
        return
    reference = StarPlace(info.crpix1 - 1.0, info.crpix2 - 1.0, "CRPIX")
    by_keywords = SkyCoord(info.crval1, info.crval2, unit="deg")
    offset = float(by_keywords.separation(sky_of(model, reference)).arcsec)
    extend(model).meta.coronx.wcs_offset = offset
    pixels = offset / pixel_scale(model, reference)
    if pixels > _WCS_TOLERANCE:
        log.warning(
            '%s: FITS WCS and gwcs differ by %.3f" (%.1f pixels) at CRPIX; the gwcs is used',
            name_of(model), offset, pixels,
        )  # fmt: skip


def move_wcs(model: JwstDataModel, star: StarPlace, sky: SkyCoord) -> float:
    """Shift a model's WCS so that it puts the star's pixel on a sky position.

    Parameters
    ----------
    model : JwstDataModel
        Changed in place: gwcs, CRPIX and S_REGION.
    star : StarPlace
        The star in the model's frame.
    sky : SkyCoord
        Where it is to be.

    Returns
    -------
    float
        Length of the shift in pixels.
    """
    x, y = model.meta.wcs.invert(sky.ra.deg, sky.dec.deg, with_bounding_box=False)
    dx, dy = star.x - float(x), star.y - float(y)
    shift_wcs(model, dx, dy)
    return float(np.hypot(dx, dy))


def displace(model: JwstDataModel, dx: float, dy: float, *, corner: bool = False) -> None:
    """Let the WCS and the places of star and mask follow pixels that were moved.

    Call it when the arrays are new: the frame may have another size.

    Parameters
    ----------
    model : JwstDataModel
        Changed in place: gwcs, CRPIX, S_REGION, STARCENX and STARCENY, MASKCENX and MASKCENY,
        the table of the star's places.
    dx, dy : float
        What was at (x, y) is now at (x + dx, y + dy).
    corner : bool
        It is the frame's corner that moved, which SUBSTRT tells. Otherwise the shift is added
        to FRAMEDX, FRAMEDY, without which no one could tell where on the detector a pixel is from.
    """
    record = extend(model).meta.coronx
    if not corner:
        record.frame_dx = (record.frame_dx or 0.0) + dx
        record.frame_dy = (record.frame_dy or 0.0) + dy
    mask = mask_place(model)
    if mask is not None:
        record_mask(model, mask[0] + dx, mask[1] + dy)
    for name, step in (("star_x", dx), ("star_y", dy)):
        known = getattr(record, name, None)
        if known is not None:
            setattr(record, name, known + step)
    places = array_of(model, "star_places")
    if places is not None:
        places = places.copy()
        places["x"] += dx
        places["y"] += dy
        model.star_places = places
    shift_wcs(model, dx, dy)


def shift_wcs(model: JwstDataModel, dx: float, dy: float) -> None:
    """Let the WCS alone move: what it said of (x, y) it says of (x + dx, y + dy).

    The places of star and mask, which are places in the frame, stay.

    Parameters
    ----------
    model : JwstDataModel
        Changed in place: gwcs, CRPIX and S_REGION.
    dx, dy : float
        Pixels.
    """
    info = model.meta.wcsinfo
    if info.crpix1 is not None and info.crpix2 is not None:
        info.crpix1, info.crpix2 = info.crpix1 + dx, info.crpix2 + dy
    if getattr(model.meta, "wcs", None) is None:
        return
    wcs = copy.deepcopy(model.meta.wcs)
    wcs.insert_transform(wcs.available_frames[0], Shift(-dx) & Shift(-dy), after=True)
    ny, nx = model.shape[-2:]
    wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    model.meta.wcs = wcs
    update_s_region_imaging(model)
