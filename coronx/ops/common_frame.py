"""Targets moved to the frame of their references, and models of them moved back."""

from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from coronx.ops.fourier import apply_ramp, forward
from coronx.ops.gaps import fill_frame

__all__ = ["filled", "moved", "to_target"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.floating)


def filled(images: NDArray[np.floating], good: Mask) -> Array:
    """Return images (n, ny, nx) whose bad pixels are guessed from those about them."""
    out = images.astype(np.float64)
    for image, seen in zip(out, good, strict=True):
        if not seen.all():
            image[:] = fill_frame(image, np.ones(image.shape), ~seen).data
    return out


def moved(flat: Array, shifts: Array, shape: tuple[int, ...]) -> Array:
    """Return flat images (n, ny * nx) moved by (dx, dy) pixels, each by its own."""
    out = flat.copy()
    for row, shift in zip(out, shifts, strict=True):
        if shift.any():
            row[:] = apply_ramp(forward(row.reshape(shape)), shift, shape).ravel()
    return out


def to_target(model: NDArray[Kind], whole: NDArray[np.floating], shift: Array) -> NDArray[Kind]:
    """Return a model moved from the common frame to a target's, in its own precision.

    Where it is NaN the move would spread the edge over the pixels beside it: the target itself,
    `whole`, stands there, so that what is moved is a star without a step.

    Parameters
    ----------
    model : ndarray (ny, nx)
        Model in the common frame; NaN where there is none, and there NaN it stays.
    whole : ndarray (ny, nx)
        The target in the common frame, finite everywhere.
    shift : ndarray (2,)
        (dx, dy) in pixels from the common frame to the target's.
    """
    if not shift.any():
        return model
    none = np.isnan(model)
    if not none.any():
        return cast("NDArray[Kind]", apply_ramp(forward(model), shift, model.shape))
    filled_in = np.where(none, whole, model).astype(model.dtype, copy=False)
    out = cast("NDArray[Kind]", apply_ramp(forward(filled_in), shift, model.shape))
    out[none] = np.nan
    return out
