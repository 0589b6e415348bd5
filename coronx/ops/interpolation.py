"""Move one image by part of a pixel in one interpolation, with its variance and flags."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, spline_filter

from coronx.ops.fourier import apply_ramp, forward, frequencies
from coronx.ops.gaps import fill_frame
from coronx.ops.interpolation_kernels import SPLINE_ORDER, Method, signal_weights
from coronx.ops.shift import carry, mark_beyond, move_whole, shift_flags, shift_variance

__all__ = ["Method", "Moved", "move_frame"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PAD = 16  # pixels at least, over which a frame's opposite edges are led into each other


@dataclass(frozen=True)
class Moved:
    """An image moved.

    Attributes
    ----------
    data : ndarray (ny, nx)
        NaN where there is nothing to show: see `move_frame`.
    variance : ndarray (ny, nx), float32
        NaN where `data` is.
    flags : ndarray (ny, nx), uint32
    """

    data: NDArray[Any]
    variance: NDArray[np.float32]
    flags: NDArray[np.uint32]


def move_frame(
    data: NDArray[np.floating],
    variance: NDArray[np.floating],
    flags: NDArray[np.uint32],
    bad: Mask,
    shift: Array,
    *,
    outside: int,
    method: Method = "fourier",
    blur: float = 0.0,
    repaired: int = 0,
    unusable: int = 0,
    blank: int = 0,
) -> Moved:
    """Move an image, its variance and its flags, in one interpolation.

    Bad pixels are filled first (`fill_frame`), so that none spreads. Only the part of the shift
    that is left beside whole pixels is interpolated, in a frame whose opposite edges were
    led into each other, so that nothing wraps around and no edge rings.

    Parameters
    ----------
    data : ndarray (ny, nx)
        Image, in any unit.
    variance : ndarray (ny, nx)
        Its variance; what is not finite, or negative, is taken from the pixels around.
    flags : ndarray (ny, nx), uint32
        Bit flags.
    bad : ndarray of bool (ny, nx)
        Pixels not to be used; those that are not finite count as bad too.
    shift : ndarray (2,)
        (dx, dy) in pixels; content moves towards larger x and y.
    outside : int
        Flags of pixels whose source lies beyond the frame.
    method : "fourier", "spline" or "lanczos"
        Fourier shift: exact for what is sampled finely enough, and the noise stays white.
        Quintic spline; sinc windowed to four lobes: both local, so that what is not
        rings less far, and both take up to a third of the noise out at half a pixel.
    blur : float
        Sigma in pixels of a Gaussian to convolve the image with in the same interpolation.
    repaired, unusable : int
        A pixel that was filled gains the first and loses the second; one in a gap too wide to be
        filled gains the second.
    blank : int
        Flags of bad pixels that see no sky, and are left as gaps whatever their size.

    Returns
    -------
    Moved
        Data in the input's precision. Data and variance are NaN where the source lies beyond the
        frame, and where it lies in a gap too wide to be filled. A move by whole pixels
        without blur interpolates nothing: bad pixels keep their values and flags too, but what is
        not finite gains `unusable`.

    Raises
    ------
    ValueError
        If the method is not known.
    """
    if method not in ("fourier", "spline", "lanczos"):
        raise ValueError(f"method must be 'fourier', 'spline' or 'lanczos', not {method!r}")
    shift = np.asarray(shift, dtype=np.float64)
    flags = np.ascontiguousarray(flags, dtype=np.uint32)
    whole = np.rint(shift).astype(int)
    part = shift - whole
    if not part.any() and blur <= 0.0:
        values, spread = move_whole(data, whole), move_whole(variance, whole)
        values, spread = (v.astype(k) for v, k in ((values, data.dtype), (spread, np.float32)))
        empty = np.where(np.isfinite(data), np.uint32(0), np.uint32(unusable))
        told = shift_flags(flags | empty, shift, outside=outside)
    else:
        filled = fill_frame(data, variance, bad)
        gap = filled.wide | (filled.bad & ((flags & np.uint32(blank)) != 0))
        flags = _retold(flags, filled.bad, gap, repaired, unusable)
        values = move_whole(_interpolate(filled.data, part, method, blur), whole)
        spread = shift_variance(filled.variance, shift, method=method, blur=blur)
        told = shift_flags(flags, shift, outside=outside)
        if gap.any():
            lost = carry(gap, shift)
            values[lost] = spread[lost] = np.nan
    mark_beyond(values, shift, np.nan)
    mark_beyond(spread, shift, np.nan)
    return Moved(values, spread, told)


def _retold(
    flags: NDArray[np.uint32], bad: Mask, gap: Mask, repaired: int, unusable: int
) -> NDArray[np.uint32]:
    """Return flags that tell what was filled, and what could not be."""
    at = np.flatnonzero(bad)
    told = flags.copy()
    old = told.ravel()[at]
    mended = (old & ~np.uint32(unusable)) | np.uint32(repaired)
    told.ravel()[at] = np.where(gap.ravel()[at], old | np.uint32(unusable), mended)
    return told


def _interpolate(image: NDArray[Any], part: Array, method: Method, blur: float) -> NDArray[Any]:
    """Return a finite image moved by part of a pixel (dx, dy) and blurred."""
    if method == "fourier":
        return _by_fourier(image, part, blur)
    precision = image.dtype
    prefiltered = method == "spline"
    if prefiltered:
        image = np.asarray(spline_filter(image, SPLINE_ORDER))
    for axis, fraction in ((1, part[0]), (0, part[1])):
        weights = signal_weights(method, float(fraction), blur=blur, prefiltered=prefiltered)
        image = np.asarray(correlate1d(image, weights, axis=axis, mode="mirror"))
    return image.astype(precision, copy=False)


def _by_fourier(image: NDArray[Any], part: Array, blur: float) -> NDArray[Any]:
    ny, nx = image.shape
    padded = np.empty((_fast(ny), _fast(nx)), image.dtype)
    padded[:ny, :nx] = image
    _join(padded[:, :nx], ny)
    _join(padded.T, nx)
    spectrum = forward(padded)
    if blur > 0.0:
        for size, half in ((padded.shape[0], False), (padded.shape[1], True)):
            response = np.exp(-0.5 * (frequencies(size, half=half) * blur) ** 2)
            spectrum *= (response if half else response[:, None]).astype(image.dtype)
    return apply_ramp(spectrum, part, padded.shape)[:ny, :nx].copy()


def _join(padded: NDArray[Any], size: int) -> None:
    """Lead the last of a frame's rows smoothly back to its first, in the rows that follow."""
    room = padded.shape[0] - size
    steps = np.arange(1, room + 1)
    share = (0.5 - 0.5 * np.cos(np.pi * steps / (room + 1))).astype(padded.dtype)[:, None]
    # Mirrored about the edge's value, so that neither value nor slope jumps.
    last = 2.0 * padded[size - 1] - padded.take(np.maximum(size - 1 - steps, 0), 0)
    first = 2.0 * padded[0] - padded.take(np.minimum(room + 1 - steps, size - 1), 0)
    padded[size:] = (1.0 - share) * last + share * first


def _fast(size: int) -> int:
    """Return a size with room for the pad, fast to transform."""
    size += _PAD
    while _rest(size) > 1:
        size += 1
    return size


def _rest(size: int) -> int:
    """Return what is left of a number without the factors that transforms are fast for."""
    for factor in (2, 3, 5, 7):
        while size % factor == 0:
            size //= factor
    return size
