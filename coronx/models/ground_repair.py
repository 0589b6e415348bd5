"""Repair pixels of CCD images, with their errors and flags."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coronx.models.arrays import arrays_of, set_arrays
from coronx.models.ground_flags import FLAGS, with_repairs
from coronx.models.ground_image import GroundImageModel
from coronx.ops.bad_pixel_repair import repair_pixels

__all__ = ["Repairs", "repair_image"]

_NOT_LEARNED = FLAGS["DO_NOT_USE"] | FLAGS["SATURATED"] | FLAGS["REPAIRED"] | FLAGS["NO_DATA"]


class Repairs(NamedTuple):
    """How many pixels were repaired, and how many are left as they are."""

    repaired: int
    left: int


def repair_image(
    model: GroundImageModel, bad: NDArray[np.bool_], *, distance: int, fewest: int
) -> Repairs:
    """Replace pixels of an image by the median of the good ones around them.

    Parameters
    ----------
    model : GroundImageModel
        Image, which is changed: values, errors if it has them, and flags.
    bad : ndarray of bool (ny, nx)
        Pixels to repair. Nothing is learned from them, nor from pixels that are unusable,
        saturated, or repaired before.
    distance : int
        How far the box reaches from a pixel.
    fewest : int
        Good pixels needed in a box; where there are fewer, the pixel is left.
    """
    given = arrays_of(model)
    data = given["data"]
    avoid = ~bad & ((model.dq & np.uint32(_NOT_LEARNED)) != 0)
    err = given.get("err", np.zeros(data.shape, np.float32))
    fixed = repair_pixels(
        data[None],
        err[None],
        bad[None],
        avoid[None],
        methods=("medfilt",),
        fwhm=2.0,
        medfilt_size=2 * distance + 1,
        medfilt_fewest=fewest,
    )
    left = fixed.left[0]
    done = bad & ~left
    new = {
        "data": np.where(done, fixed.images[0], data).astype(np.float32),
        "dq": with_repairs(model.dq, done, left),
    }
    if "err" in given:
        new["err"] = np.where(done, fixed.err[0], err).astype(np.float32)
    set_arrays(model, new)
    return Repairs(int(done.sum()), int(left.sum()))
