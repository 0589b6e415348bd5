"""CCD images on one plane: by their WCS of the sky, or registered to each other by their stars."""

import logging

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from coronx.errors import InputError, name_of
from coronx.models.ground_flags import good_pixels
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.ground_wcs import wcs_of
from coronx.ops.light_registration import refine_by_light
from coronx.ops.sky_fit import fit_sky
from coronx.ops.star_registration import register_stars

__all__ = ["PLANE", "any_wcs_of", "plane_wcs", "register_frames"]

log = logging.getLogger(__name__)

PLANE = "COMMON PIXELS"
"""WCSNAME of the pixels of a reference frame as a plane, counted from 1."""

_FWHM = 2.3548  # of a Gaussian of standard deviation 1
_NODES = 20  # along each axis, that a WCS is handed on by


def any_wcs_of(model: GroundImageModel) -> WCS | None:
    """Return an image's WCS of the sky, or of the plane it was registered in, or None."""
    if (sky := wcs_of(model)) is not None:
        return sky
    cards = (model.instance.get("extra_fits") or {}).get("SCI", {}).get("header", [])
    header = Header([tuple(card) for card in cards])
    if header.get("WCSNAME") != PLANE:
        return None
    return WCS(header, naxis=2)


def plane_wcs(matrix: NDArray[np.floating], offset: NDArray[np.floating]) -> WCS:
    """Return the WCS of pixels that are at ``matrix @ position + offset`` of a reference frame.

    Parameters
    ----------
    matrix : ndarray (2, 2)
        Acts on (x, y).
    offset : ndarray (2,)
        In 0-based pixels.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.name = PLANE
    wcs.wcs.crpix = [1.0, 1.0]
    wcs.wcs.crval = np.asarray(offset) + 1.0
    wcs.wcs.cd = matrix
    wcs.wcs.set()
    return wcs


def register_frames(
    models: list[GroundImageModel],
    reference: GroundImageModel,
    *,
    kind: str = "auto",
    refine_above: float = 0.05,
) -> list[WCS]:
    """Return a WCS for each image: its own, or what its stars make of the reference's.

    Parameters
    ----------
    models : list of GroundImageModel
        Images; those without a WCS need the table ``stars``.
    reference : GroundImageModel
        The image that those are registered to; where it has no WCS itself, all others are, and
        its pixels are the plane.
    kind : {"auto", "shift", "similarity", "affine"}
        See `coronx.ops.star_registration`.
    refine_above : float
        Error of a registration by stars, in pixels, above which all light of the images is used.

    Raises
    ------
    InputError
        If an image has no table of stars, or too few in common with the reference.
    """
    sky = wcs_of(reference)
    found = []
    for model in models:
        own = wcs_of(model)
        if sky is not None and own is not None:
            found.append(own)
            continue
        if model is reference:
            found.append(plane_wcs(np.eye(2), np.zeros(2)))
            continue
        matrix, offset = _register(model, reference, kind, refine_above)
        plane = plane_wcs(matrix, offset)
        found.append(plane if sky is None else _handed_on(plane, sky, model, reference))
    return found


def _register(
    model: GroundImageModel, reference: GroundImageModel, kind: str, refine_above: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lists = []
    for image in (model, reference):
        stars = tables_of(image).get("stars")
        if stars is None:
            raise InputError(
                f"{name_of(image)}: neither a WCS nor the table of stars that would register it; "
                "run coronx_solve_astrometry or coronx_find_stars first"
            )
        lists += [stars["x"] - 1.0, stars["y"] - 1.0, stars["flux"]]
    try:
        by_stars = register_stars(*lists, model=kind)
    except ValueError as err:
        raise InputError(
            f"{name_of(model)}: not registered to {name_of(reference)}: {err}; find fainter stars "
            "with a lower threshold, or leave the frame out"
        ) from err
    matrix, offset, error = by_stars.matrix, by_stars.offset, by_stars.error
    log.info(
        "%s: on %s by %d stars to %.3f pixels (rms %.3f)",
        name_of(model), name_of(reference), len(by_stars.pairs), error, by_stars.rms,
    )  # fmt: skip
    if not refine_above or error <= refine_above:
        return matrix, offset
    width = reference.meta.ground.fwhm or model.meta.ground.fwhm or 4.0
    try:
        by_light = refine_by_light(
            model.data, reference.data, matrix, offset, sigma=max(width / _FWHM, 1.0),
            good=good_pixels(model), to_good=good_pixels(reference),
        )  # fmt: skip
    except ValueError as err:
        log.warning("%s: the images' light does not refine it: %s", name_of(model), err)
        return matrix, offset
    if by_light.error < error:
        change = float(np.hypot(*(by_light.offset - offset)))
        log.info(
            "%s: by all light to %.3f pixels, moved by %.3f",
            name_of(model), by_light.error, change,
        )  # fmt: skip
        offset = by_light.offset
    return matrix, offset


def _handed_on(plane: WCS, sky: WCS, model: GroundImageModel, reference: GroundImageModel) -> WCS:
    """Return the sky's WCS of an image of which only the place in a reference is known."""
    ny, nx = model.shape
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(0, nx - 1, _NODES),
                                           np.linspace(0, ny - 1, _NODES)))  # fmt: skip
    there = np.asarray(plane.wcs_pix2world(np.column_stack([x, y]), 0)) - 1.0
    ra, dec = (np.asarray(v) for v in sky.all_pix2world(there[:, 0], there[:, 1], 0))
    matrix = np.asarray(plane.wcs.cd)
    start = WCS(naxis=2)
    start.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    start.wcs.crval = sky.wcs.crval
    start.wcs.crpix = np.linalg.solve(matrix, sky.wcs.crpix - plane.wcs.crval) + 1.0
    start.wcs.cd = sky.pixel_scale_matrix @ matrix
    start.wcs.set()
    try:
        return fit_sky(x, y, ra, dec, wcs=start, shape=(ny, nx), tolerance=20.0).wcs
    except ValueError as err:
        raise InputError(
            f"{name_of(model)}: the WCS of {name_of(reference)} cannot be handed on to it; run "
            "coronx_solve_astrometry"
        ) from err
