"""Move images by fractions of a pixel, together with their variance and flags."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from coronx.ops.fourier import apply_ramp, forward
from coronx.ops.interpolation_kernels import Method, variance_weights

__all__ = ["carry", "mark_beyond", "move_whole", "shift_flags", "shift_image", "shift_variance"]

Array = NDArray[np.float64]


def move_whole(values: NDArray[Any], steps: NDArray[np.int_]) -> NDArray[Any]:
    """Return a copy moved by whole pixels (dx, dy); the edge's value fills what is beyond it."""
    dx, dy = (int(step) for step in steps)
    if not (dx or dy):
        return values.copy()
    ny, nx = values.shape
    rows = np.arange(ny) - dy
    return values.take(rows, 0, mode="clip").take(np.arange(nx) - dx, 1, mode="clip")


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


def shift_variance(
    variance: NDArray[np.floating],
    shift: Array,
    *,
    method: Method = "fourier",
    blur: float = 0.0,
) -> NDArray[np.float32]:
    """Move a variance as moving its image moves the noise.

    An interpolated pixel is a weighted sum of inputs, so its variance is the sum of the input
    variances with the weights squared (`variance_weights`). For a Fourier shift these are a
    squared sinc, which sums to one, kept within three pixels, so that one wild value
    stays a local matter.

    Parameters
    ----------
    variance : ndarray (ny, nx)
        Variance, finite and not negative.
    shift : ndarray (2,)
        (dx, dy) in pixels.
    method : "fourier", "spline" or "lanczos"
        How the image is moved.
    blur : float
        Sigma in pixels of a Gaussian that the image is convolved with in the same sum.

    Returns
    -------
    ndarray (ny, nx), float32
        The moved variance, not negative; beyond the frame the edge's value is taken.
    """
    whole = np.rint(shift).astype(int)
    part = np.asarray(shift) - whole
    out = move_whole(np.asarray(variance, dtype=np.float32), whole)
    for axis, fraction in ((1, part[0]), (0, part[1])):
        if fraction != 0.0 or blur > 0.0:
            weights = variance_weights(method, float(fraction), blur=blur)
            out = np.asarray(correlate1d(out, weights, axis=axis, mode="nearest"), np.float32)
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
    out = carry(np.asarray(flags, dtype=np.uint32), shift)
    mark_beyond(out, shift, outside)
    return out


def carry(marks: NDArray[Any], shift: Array) -> NDArray[Any]:
    """Return marks, bits or booleans, on every pixel that a marked one overlaps once moved."""
    ny, nx = marks.shape
    out = np.zeros((ny, nx), marks.dtype)
    at = np.flatnonzero(marks != 0)
    row, col = np.divmod(at, nx)
    value = marks.ravel()[at]
    for dy in _whole_steps(float(shift[1])):
        for dx in _whole_steps(float(shift[0])):
            y, x = row + dy, col + dx
            inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
            # One step maps pixels to different pixels, so plain indexing misses none.
            out[y[inside], x[inside]] |= value[inside]
    return out


def mark_beyond(image: NDArray[Any], shift: Array, value: float) -> None:
    """Set the pixels of a moved image whose source lies beyond the frame, in place."""
    ny, nx = image.shape
    image[~_inside(ny, shift[1])] = value
    image[:, ~_inside(nx, shift[0])] = value


def _whole_steps(step: float) -> list[int]:
    """Return the whole steps whose pixels a pixel moved by ``step`` overlaps by a tenth or more."""
    low = int(np.floor(step))
    part = step - low
    return [s for s, overlap in ((low, 1.0 - part), (low + 1, part)) if overlap >= 0.1]


def _inside(size: int, step: float) -> NDArray[np.bool_]:
    # A pixel whose centre comes from within the frame is still measured.
    source = np.arange(size) - step
    return (source >= -0.5) & (source <= size - 0.5)
