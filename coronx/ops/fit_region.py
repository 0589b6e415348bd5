"""The part of a frame that a fit looks at."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shape", "fit_region"]

Shape = Literal["circle", "annulus", "rectangle"]

_NUMBERS: dict[str, tuple[str, ...]] = {
    "circle": ("radius",),
    "annulus": ("inner", "outer"),
    "rectangle": ("width", "height"),
}


def fit_region(
    shape: Shape, size: Sequence[float], frame: tuple[int, int], center: tuple[float, float]
) -> NDArray[np.float64]:
    """Return 1 within a shape about a place, and 0 outside.

    Parameters
    ----------
    shape : "circle", "annulus" or "rectangle"
    size : sequence of float
        In pixels: radius; inner and outer radius; width (along x) and height (along y).
    frame : tuple of int
        (ny, nx).
    center : tuple of float
        0-based (x, y).

    Returns
    -------
    ndarray (ny, nx)
        Pixels whose centre lies within the shape, or on its edge, are 1.

    Raises
    ------
    ValueError
        If the shape is not known, its numbers are not as many as it takes, or not positive and
        increasing, or no pixel is within it.
    """
    if shape not in _NUMBERS:
        raise ValueError(f"shape {shape!r} is not one of {', '.join(_NUMBERS)}")
    names = _NUMBERS[shape]
    positive = len(size) == len(names) and all(s > 0.0 for s in size)
    if not positive or (shape == "annulus" and size[0] >= size[1]):
        raise ValueError(f"{shape} takes {', '.join(names)} in pixels, not {list(size)}")
    y, x = np.indices(frame, dtype=np.float64)
    x, y = np.abs(x - center[0]), np.abs(y - center[1])
    if shape == "rectangle":
        inside = (x <= 0.5 * size[0]) & (y <= 0.5 * size[1])
    else:
        radius = np.hypot(x, y)
        inside = radius <= size[-1]
        if shape == "annulus":
            inside &= radius >= size[0]
    if not inside.any():
        raise ValueError(f"{shape} {list(size)} about {center}: no pixel of the frame is in it")
    return inside.astype(np.float64)
