"""Whether CCD images lie on one another pixel by pixel."""

from collections.abc import Sequence

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import wcs_of

__all__ = ["check_same_grid", "check_same_shape"]

_APART = 0.5  # pixels that two WCS may differ anywhere: more shows as fringes of colour


def check_same_shape(first: GroundImageModel, second: GroundImageModel) -> None:
    """Raise an `InputError` if two images differ in shape."""
    if first.data.shape != second.data.shape:
        raise InputError(
            f"{name_of(second)}: {_size(second)} pixels, but {name_of(first)} has {_size(first)}; "
            "bring them to one grid with coronx_resample_to_wcs"
        )


def check_same_grid(models: Sequence[GroundImageModel]) -> None:
    """Raise an `InputError` if images differ in shape, or those with a WCS differ in it.

    Images without a WCS are taken to be aligned.
    """
    known = None
    for model in models:
        check_same_shape(models[0], model)
        wcs = wcs_of(model)
        if wcs is None:
            continue
        if known is None:
            known = (model, wcs)
            continue
        ny, nx = model.data.shape
        x, y = (
            a.ravel() for a in np.meshgrid((0, (nx - 1) / 2, nx - 1), (0, (ny - 1) / 2, ny - 1))
        )
        there = known[1].world_to_pixel(wcs.pixel_to_world(x, y))
        apart = float(np.max(np.hypot(there[0] - x, there[1] - y)))
        if not apart <= _APART:
            raise InputError(
                f"{name_of(model)}: by its WCS up to {apart:.2f} pixels beside "
                f"{name_of(known[0])}; bring them to one grid with coronx_resample_to_wcs"
            )


def _size(model: GroundImageModel) -> str:
    ny, nx = model.data.shape
    return f"{nx} x {ny}"
