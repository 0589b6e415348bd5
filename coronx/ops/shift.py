"""Move images by fractions of a pixel, together with their variance and flags."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from coronx.ops.fourier import apply_ramp, forward

__all__ = ["shift_flags", "shift_image", "shift_variance"]

Array = NDArray[np.float64]

# Half width, in pixels, of the kernel that moves a variance. The squared sinc that it
# samples holds 94 % of its weight within three pixels at the worst (half-pixel) shift.
_REACH = 3


def shift_image(image: Array, shift: Array) -> Array:
    """Move a finite image by a Fourier shift.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image without NaN.
    shift : ndarray (2,)
        (dx, dy) in pixels; content moves towards larger x and y.

    Returns
    -------
    ndarray (ny, nx), float64
        The moved image. The transform is periodic: what leaves on one side enters on the
        other; `shift_flags` says which pixels those are.
    """
    image = np.asarray(image, dtype=np.float64)
    return apply_ramp(forward(image), shift, image.shape)


def _variance_kernel(fraction: float) -> Array:
    taps = np.arange(-_REACH, _REACH + 1)
    kernel = np.sinc(taps - fraction) ** 2
    return kernel / kernel.sum()


def shift_variance(variance: NDArray[np.floating], shift: Array) -> NDArray[np.float32]:
    """Move a variance as the Fourier shift of its image moves the noise.

    A sinc-interpolated pixel is a sum of inputs weighted by a sinc, so its variance is the
    sum of the input variances weighted by the squared sinc; the weights sum to one, and
    are kept within three pixels, so that one wild value stays a local matter.

    Parameters
    ----------
    variance : ndarray (ny, nx)
        Variance, finite and not negative.
    shift : ndarray (2,)
        (dx, dy) in pixels.

    Returns
    -------
    ndarray (ny, nx), float32
        The moved variance, not negative; beyond the frame the edge's value is taken.
    """
    whole = np.rint(shift).astype(int)
    part = shift - whole
    out = _move_whole(np.asarray(variance, dtype=np.float32), (int(whole[1]), int(whole[0])))
    for axis, fraction in ((1, part[0]), (0, part[1])):
        if fraction != 0.0:
            kernel = _variance_kernel(float(fraction))[::-1]
            out = np.asarray(correlate1d(out, kernel, axis=axis, mode="nearest"), np.float32)
    return out


def shift_flags(flags: NDArray[np.uint32], shift: Array, *, outside: int) -> NDArray[np.uint32]:
    """Move flags with their image, to every pixel that a flagged one overlaps by a tenth or more.

    Parameters
    ----------
    flags : ndarray (ny, nx), uint32
        Bit flags.
    shift : ndarray (2,)
        (dx, dy) in pixels.
    outside : int
        Flags for pixels whose source lies beyond the frame.

    Returns
    -------
    ndarray (ny, nx), uint32
    """
    flags = np.asarray(flags, dtype=np.uint32)
    ny, nx = flags.shape
    out = np.zeros((ny, nx), np.uint32)
    row, col = np.nonzero(flags)
    value = flags[row, col]
    for dy in _whole_steps(float(shift[1])):
        for dx in _whole_steps(float(shift[0])):
            y, x = row + dy, col + dx
            inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
            # One step maps pixels to different pixels, so plain indexing misses none.
            out[y[inside], x[inside]] |= value[inside]
    beyond = ~(_inside(ny, shift[1])[:, None] & _inside(nx, shift[0])[None, :])
    out[beyond] = outside
    return out


def _whole_steps(step: float) -> list[int]:
    """Return the whole steps whose pixels a pixel moved by ``step`` overlaps by a tenth or more."""
    low = int(np.floor(step))
    part = step - low
    return [s for s, overlap in ((low, 1.0 - part), (low + 1, part)) if overlap >= 0.1]


def _inside(size: int, step: float) -> NDArray[np.bool_]:
    # A pixel whose centre comes from within the frame is still measured.
    source = np.arange(size) - step
    return (source >= -0.5) & (source <= size - 0.5)


def _move_whole(values: NDArray[Any], steps: tuple[int, int]) -> NDArray[Any]:
    """Move by whole pixels (dy, dx); the edge's value fills what comes from beyond it."""
    ny, nx = values.shape
    rows = np.clip(np.arange(ny) - steps[0], 0, ny - 1)
    cols = np.clip(np.arange(nx) - steps[1], 0, nx - 1)
    return values[np.ix_(rows, cols)]
