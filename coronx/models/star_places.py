"""Where the star is in each integration of an exposure, and what follows for their shifts."""

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel

from coronx.models.arrays import array_of
from coronx.models.pointing import StarPlace, find_star, pixel_scale, record_star
from coronx.models.schema import extend
from coronx.ops.centering import robust_mean
from coronx.ops.registration import Registration

__all__ = [
    "has_star",
    "pointed_place",
    "record_places",
    "registration_by_header",
    "star_error",
    "star_places",
]

Array = NDArray[np.float64]


def has_star(model: CubeModel) -> bool:
    """Return whether an earlier step recorded where the star is."""
    record = getattr(model.meta, "coronx", None)
    return None not in (getattr(record, "star_x", None), getattr(record, "star_y", None))


def pointed_place(model: CubeModel, star: StarPlace) -> StarPlace:
    """Return where the pointing puts a star that it would put on a place without the dither.

    The dither is in no other keyword than XOFFSET, YOFFSET: where the target is put in the frame
    of the aperture, whose axes are the detector's.
    """
    x, y = model.meta.dither.x_offset or 0.0, model.meta.dither.y_offset or 0.0
    if not (x or y):
        return star
    scale = pixel_scale(model, star)
    return StarPlace(star.x + x / scale, star.y + y / scale, star.source)


def star_places(model: CubeModel) -> tuple[Array, Array]:
    """Return the star's place in each integration, and its uncertainty.

    In order: the table of places that an earlier step measured (STARPOS), but for rows that
    are not good; the one place recorded for all (STARCENX, STARCENY); the reference pixel of the
    WCS, or the mask's centre (see `find_star`), and the dither (`pointed_place`).

    Returns
    -------
    places, sigma : ndarray (n, 2)
        0-based (x, y) and 1-sigma, in pixels; sigma is NaN where it is not known.
    """
    count = model.shape[0]
    star = find_star(model)
    if not has_star(model):
        star = pointed_place(model, star)
    places, sigma = np.tile((star.x, star.y), (count, 1)), np.full((count, 2), np.nan)
    table = array_of(model, "star_places")
    if table is not None:
        rows = table[(table["good"] != 0) & (table["integration"] <= count)]
        at = rows["integration"] - 1
        places[at] = np.stack([rows["x"], rows["y"]], axis=1) - 1.0
        sigma[at] = np.stack([rows["sigma_x"], rows["sigma_y"]], axis=1)
    return places, sigma


def star_error(model: JwstDataModel) -> Array:
    """Return the 1-sigma error of the one place recorded for an exposure's star, (2,), in pixels.

    STARERRX and STARERRY; NaN where they are not known. The scatter among the integrations
    (STARSIGX, STARSIGY) is no such error: what misleads a measurement misleads it in all alike.
    """
    record = getattr(model.meta, "coronx", None)
    told = [getattr(record, name, None) for name in ("star_error_x", "star_error_y")]
    return np.array([np.nan if value is None else value for value in told], np.float64)


def record_places(
    model: CubeModel,
    places: Array,
    sigma: Array,
    good: NDArray[np.bool_],
    *,
    source: str,
    error: Array | None = None,
) -> Array:
    """Write the star's place in each integration, and their mean and scatter, into an exposure.

    Parameters
    ----------
    model : CubeModel
        Changed in place: the table STARPOS; STARCENX, STARCENY and STARSRC where any integration
        is good; STARSIGX and STARSIGY where more than one is, and its uncertainty is known;
        STARERRX and STARERRY if the error is known.
    places, sigma : ndarray (n, 2)
        0-based (x, y) and 1-sigma, in pixels.
    good : ndarray of bool (n,)
        Which are to be believed.
    source : str
        Where they are from.
    error : ndarray (2,), optional
        1-sigma of their mean; by default the rms of `sigma`, which is not taken to lessen with the
        number of integrations.

    Returns
    -------
    ndarray (2,)
        The mean of the good ones (`robust_mean`); NaN where there is none.
    """
    extend(model)
    table = np.zeros(len(places), model.get_dtype("star_places"))
    table["integration"] = np.arange(len(places)) + 1
    table["x"], table["y"] = (places + 1.0).T
    table["sigma_x"], table["sigma_y"] = sigma.T
    table["good"] = good
    model.star_places = table
    if not good.any():
        return np.full(2, np.nan)
    mean, scatter = robust_mean(places, good)
    record_star(model, StarPlace(float(mean[0]), float(mean[1]), source))
    record = model.meta.coronx
    # What was not measured has no scatter.
    known = np.isfinite(scatter).all() and np.isfinite(sigma[good]).all()
    record.star_sigma_x, record.star_sigma_y = (float(s) if known else None for s in scatter)
    own = np.sqrt(np.mean(np.square(sigma[good]), axis=0)) if error is None else error
    known = np.isfinite(own).all()
    record.star_error_x, record.star_error_y = (float(s) if known else None for s in own)
    return mean


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
