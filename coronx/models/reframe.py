"""Change the frame of an exposure: a margin more or less, and all that follows from it."""

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.arrays import array_of, arrays_of, set_arrays
from coronx.models.flags import OUTSIDE
from coronx.models.pointing import displace
from coronx.ops.geometry import Sides, crop, pad

__all__ = ["crop_frame", "pad_frame"]


def pad_frame(model: CubeModel, sides: Sides, *, value: float = np.nan) -> None:
    """Give an exposure's frame a margin that holds nothing.

    Parameters
    ----------
    model : CubeModel
        Changed in place: every array, the WCS, the places of star and mask, and the
        subarray's corner and size.
    sides : Sides
        Pixels to add.
    value : float
        What SCI holds in the margin. Where it is NaN, so are errors and variances; they are zero
        where it is not. DQ is DO_NOT_USE and NON_SCIENCE.
    """
    error = np.nan if np.isnan(value) else 0.0
    # The host takes the area of every pixel to be there: nominal in the margin.
    fill = {"data": value, "dq": OUTSIDE, "area": 1.0}
    arrays = {
        name: pad(values, sides, value=fill.get(name, error))
        for name, values in _planes(model).items()
    }
    _set(model, arrays, sides, 1)


def crop_frame(model: CubeModel, sides: Sides) -> None:
    """Take the margin off an exposure's frame.

    Parameters
    ----------
    model : CubeModel
        Changed in place, as by `pad_frame`.
    sides : Sides
        Pixels to take off.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    _set(model, {name: crop(values, sides) for name, values in _planes(model).items()}, sides, -1)


def _planes(model: CubeModel) -> dict[str, np.ndarray]:
    area = array_of(model, "area")
    known = area is not None and area.shape == model.shape[-2:]
    return {**arrays_of(model), **({"area": area} if known else {})}


def _set(model: CubeModel, arrays: dict[str, np.ndarray], sides: Sides, sign: int) -> None:
    set_arrays(model, arrays)
    dx, dy = sign * sides.left, sign * sides.bottom
    # The mask's place is read from the corner, which moves after it.
    displace(model, dx, dy, corner=True)
    corner = model.meta.subarray
    if corner.xstart is not None and corner.ystart is not None:
        corner.xstart, corner.ystart = corner.xstart - dx, corner.ystart - dy
    corner.ysize, corner.xsize = (int(n) for n in model.shape[-2:])
