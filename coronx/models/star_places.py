"""Where the star is in each integration of an exposure, and what follows for their shifts."""

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.arrays import array_of
from coronx.models.pointing import StarPlace, find_star, pixel_scale, record_star
from coronx.models.schema import extend
from coronx.ops.registration import Registration

__all__ = ["has_star", "record_places", "registration_by_header", "star_places"]

Array = NDArray[np.float64]


def has_star(model: CubeModel) -> bool:
    """Return whether an earlier step recorded where the star is."""
    record = getattr(model.meta, "coronx", None)
    return None not in (getattr(record, "star_x", None), getattr(record, "star_y", None))


def star_places(model: CubeModel) -> tuple[Array, Array]:
    """Return the star's place in each integration, and its uncertainty.

    In order: the table of places that an earlier step measured (STARPOS), but for rows that
    are not good; the one place recorded for all (STARCENX, STARCENY); the reference pixel of the
    WCS, or the mask's centre (see `find_star`), and the dither (XOFFSET, YOFFSET: where the
    target is put in the frame of the aperture, whose axes are the detector's).

    Returns
    -------
    places, sigma : ndarray (n, 2)
        0-based (x, y) and 1-sigma, in pixels; sigma is NaN where it is not known.
    """
    count = model.shape[0]
    star = find_star(model)
    place = np.array([star.x, star.y])
    if not has_star(model):
        dither = model.meta.dither
        offset = np.array([dither.x_offset or 0.0, dither.y_offset or 0.0])
        if offset.any():
            place += offset / pixel_scale(model, star)
    places, sigma = np.tile(place, (count, 1)), np.full((count, 2), np.nan)
    table = array_of(model, "star_places")
    if table is not None:
        rows = table[(table["good"] != 0) & (table["integration"] <= count)]
        at = rows["integration"] - 1
        places[at] = np.stack([rows["x"], rows["y"]], axis=1) - 1.0
        sigma[at] = np.stack([rows["sigma_x"], rows["sigma_y"]], axis=1)
    return places, sigma


def record_places(
    model: CubeModel, places: Array, sigma: Array, good: NDArray[np.bool_], *, source: str
) -> None:
    """Write the star's place in each integration, and their mean and scatter, into an exposure.

    Parameters
    ----------
    model : CubeModel
        Changed in place: the table STARPOS; STARCENX, STARCENY, STARSIGX, STARSIGY and STARSRC
        where any integration is good.
    places, sigma : ndarray (n, 2)
        0-based (x, y) and 1-sigma, in pixels.
    good : ndarray of bool (n,)
        Which are to be believed.
    source : str
        Where they are from.
    """
    extend(model)
    table = np.zeros(len(places), model.get_dtype("star_places"))
    table["integration"] = np.arange(len(places)) + 1
    table["x"], table["y"] = (places + 1.0).T
    table["sigma_x"], table["sigma_y"] = sigma.T
    table["good"] = good
    model.star_places = table
    if not good.any():
        return
    record_star(model, StarPlace(*(float(v) for v in places[good].mean(axis=0)), source))
    scatter = places[good].std(axis=0)
    record = model.meta.coronx
    record.star_sigma_x, record.star_sigma_y = (float(v) for v in scatter)


def registration_by_header(model: CubeModel, aim: Array) -> Registration:
    """Return the shifts that move the star of each integration to a place, by the header alone.

    Parameters
    ----------
    model : CubeModel
    aim : ndarray (2,)
        0-based (x, y) in pixels.

    Returns
    -------
    Registration
        Brightness and residual are not measured: NaN.
    """
    places, sigma = star_places(model)
    unknown = np.full(len(places), np.nan)
    return Registration(aim - places, unknown, sigma, unknown.copy(), np.ones(len(places), bool))
