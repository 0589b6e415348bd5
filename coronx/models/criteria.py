"""By what integrations are judged before some are removed."""

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of

__all__ = ["bad_fractions", "star_offsets"]


def bad_fractions(model: CubeModel, bits: int) -> np.ndarray:
    """Return the share of bad pixels in each integration, (n,).

    Bad is what is not finite or has one of the flags; pixels that are NON_SCIENCE, such as a
    margin or what lies behind a field stop, do not count.
    """
    flags = model.dq
    science = (flags & np.uint32(pixel["NON_SCIENCE"])) == 0
    bad = ((flags & np.uint32(bits)) != 0) | ~np.isfinite(model.data)
    count = science.sum(axis=(1, 2))
    return np.where(count > 0, (bad & science).sum(axis=(1, 2)) / np.maximum(count, 1), 1.0)


def star_offsets(model: CubeModel) -> np.ndarray:
    """Return how far the star is from its median place in each integration, in pixels, (n,).

    NaN where it was not measured.

    Raises
    ------
    InputError
        If no step has measured it.
    """
    table = array_of(model, "star_places")
    if table is None or len(table) != model.shape[0]:
        raise InputError(
            f"{name_of(model)}: no table of the star's places (STARPOS); run "
            "coronx_recenter_frames first, or leave max_star_offset out"
        )
    place = np.stack([table["x"], table["y"]], axis=1).astype(np.float64)
    place[table["good"] == 0] = np.nan
    known = np.isfinite(place).all(axis=1)
    if not known.any():
        return np.full(len(table), np.nan)
    return np.hypot(*(place - np.median(place[known], axis=0)).T)
