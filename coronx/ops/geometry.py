"""Give frames a margin, or take one off: whole pixels, so that no value changes."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sides", "crop", "pad", "sides_of", "window"]

_T = TypeVar("_T", bound=np.generic)


class Sides(NamedTuple):
    """A number of pixels at each side of a frame; left and bottom are at the first pixels."""

    left: int
    right: int
    bottom: int
    top: int


def sides_of(npix: Sequence[int]) -> Sides:
    """Return one number as that of all four sides, and four as they are.

    Raises
    ------
    ValueError
        If there are neither one nor four numbers, or one is negative.
    """
    if len(npix) not in (1, 4):
        raise ValueError(
            f"{len(npix)} numbers of pixels; one for all sides, or four: left, right, bottom, top"
        )
    if min(npix) < 0:
        raise ValueError(f"a negative number of pixels, {min(npix)}")
    return Sides(*(npix if len(npix) == 4 else 4 * [npix[0]]))


def pad(images: NDArray[_T], sides: Sides, *, value: float) -> NDArray[_T]:
    """Return frames with a margin.

    Parameters
    ----------
    images : ndarray (..., ny, nx)
        Frames of any type.
    sides : Sides
        Pixels to add.
    value : float
        What the margin holds.

    Returns
    -------
    ndarray (..., ny + bottom + top, nx + left + right)
        Of the same type.
    """
    *lead, ny, nx = images.shape
    left, right, bottom, top = sides
    out = np.full((*lead, ny + bottom + top, nx + left + right), value, dtype=images.dtype)
    out[..., bottom : bottom + ny, left : left + nx] = images
    return out


def crop(images: NDArray[_T], sides: Sides) -> NDArray[_T]:
    """Return frames without their margin.

    Parameters
    ----------
    images : ndarray (..., ny, nx)
        Frames of any type.
    sides : Sides
        Pixels to take off.

    Returns
    -------
    ndarray (..., ny - bottom - top, nx - left - right)
        A copy.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    ny, nx = images.shape[-2:]
    left, right, bottom, top = sides
    if left + right >= nx or bottom + top >= ny:
        raise ValueError(f"nothing is left of {nx} x {ny} pixels (x, y) after {tuple(sides)}")
    return images[..., bottom : ny - top, left : nx - right].copy()


def window(shape: tuple[int, int], size: Sequence[int], center: tuple[float, float]) -> Sides:
    """Return what to take off so that a window about a place is left.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the frame.
    size : sequence of int
        (nx, ny) of the window, or one number for both.
    center : tuple of float
        0-based (x, y) of the window's middle, kept to within half a pixel.

    Returns
    -------
    Sides

    Raises
    ------
    ValueError
        If the size is not one or two positive numbers, or the window reaches beyond the frame.
    """
    if len(size) not in (1, 2) or min(size) < 1:
        raise ValueError(f"size {', '.join(map(str, size))}; one positive number, or two: x, y")
    cut: list[int] = []
    for length, wanted, middle in zip(shape[::-1], (size[0], size[-1]), center, strict=True):
        # Half a pixel goes up, so that frames of one kind are cut alike.
        low = math.floor(middle - (wanted - 1) / 2 + 0.5)
        cut += [low, length - low - wanted]
    if min(cut) < 0:
        raise ValueError(
            f"a window of {size[0]} x {size[-1]} pixels about ({center[0]:.1f}, {center[1]:.1f}) "
            f"reaches {-min(cut)} pixels beyond the frame of {shape[1]} x {shape[0]}"
        )
    return Sides(*cut)
