"""Take the overscan off a CCD frame."""

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of, set_arrays
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import set_wcs, wcs_of
from coronx.ops.overscan import subtract_overscan

__all__ = ["without_overscan"]


def without_overscan(model: GroundImageModel, *, method: str = "smooth") -> GroundImageModel:
    """Return a new frame less its overscan's level, trimmed; once it is done it is not done again.

    Sections are those of the frame's own header (BIASSEC, TRIMSEC); one without them is copied.

    Parameters
    ----------
    model : GroundImageModel
        The frame; it is not changed.
    method : {"smooth", "rows", "constant", "none"}
        How, see `coronx.ops.overscan`; "none" only trims.

    Raises
    ------
    InputError
        If a section is wrong.
    """
    result = model.copy()
    told = result.meta.ground
    overscan = told.overscan_region if method != "none" else None
    trim = told.trim_region
    if not (overscan or trim):
        return result
    arrays = arrays_of(model)
    bad = (model.dq & np.uint32(1)) != 0
    try:
        done = subtract_overscan(
            model.data, overscan or None, trim or None,
            method="smooth" if method == "none" else method, bad=bad,
        )  # fmt: skip
    except ValueError as err:
        raise InputError(
            f"{name_of(model)}: {err}; correct BIASSEC = {overscan} and TRIMSEC = {trim}"
        ) from err
    made = {name: np.array(array[done.trim]) for name, array in arrays.items()}
    made["data"] = done.data.astype(np.float32)
    if "err" in made and overscan:
        made["err"] = np.hypot(made["err"], done.level_err).astype(np.float32)
    set_arrays(result, made)
    if overscan:
        told.overscan_level = float(np.median(done.level))
    if trim and (wcs := wcs_of(model)) is not None:
        set_wcs(result, wcs.slice(done.trim))
    told.overscan_region = None
    told.trim_region = None
    return result
