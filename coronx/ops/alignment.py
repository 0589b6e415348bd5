"""Align a stack of reference images to a template, with their variances and flags."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.fourier import apply_ramp, forward, without_nyquist
from coronx.ops.median import fill_local_median
from coronx.ops.registration import Registration, Template
from coronx.ops.shift import shift_flags, shift_variance

__all__ = [
    "AlignedStack",
    "Exposure",
    "align_stack",
    "clean_exposure",
    "noise_weights",
    "registration_noise",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MARGIN = 5  # pixels at the frame's edges without weight


@dataclass(frozen=True)
class Exposure:
    """Images with what is known of their pixels.

    Attributes
    ----------
    data : ndarray (n, ny, nx)
        Images; bad pixels already filled, so that all are finite.
    variance : ndarray (n, ny, nx)
        Variance, positive and finite, or all zero where it is not known.
    flags : ndarray (n, ny, nx), uint32
        Bit flags.
    bad : ndarray of bool (n, ny, nx)
        Pixels that were filled.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    flags: NDArray[np.uint32]
    bad: Mask


@dataclass(frozen=True)
class AlignedStack:
    """References aligned to a template.

    Attributes
    ----------
    data, variance : ndarray (nref, ny, nx), float32
        Aligned images, finite everywhere.
    flags : ndarray (nref, ny, nx), uint32
        Flags moved with the images; they say where `data` means nothing: where a reference does
        not reach, and everywhere in one that could not be registered.
    registration : Registration
        Of the references to the template.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32]
    flags: NDArray[np.uint32]
    registration: Registration


def clean_exposure(
    data: NDArray[np.floating],
    error: NDArray[np.floating],
    flags: NDArray[np.uint32],
    *,
    bad_bits: int,
    box: int,
    blank: int,
    repaired: int,
    unusable: int,
) -> Exposure:
    """Fill bad pixels with local medians, and make a variance that can be moved.

    Parameters
    ----------
    data, error : ndarray (n, ny, nx)
        Images and their 1-sigma errors. Errors that are not positive and finite are
        taken as unknown, and filled like bad pixels.
    flags : ndarray (n, ny, nx), uint32
        Bit flags.
    bad_bits : int
        Bits that make a pixel bad; pixels that are not finite are always bad.
    box : int
        Side of the median's box in pixels.
    blank : int
        Bits that make a bad pixel zero instead of a median: pixels that see no sky.
    repaired, unusable : int
        A filled pixel gains the first and loses the second, unless it was made blank.

    Returns
    -------
    Exposure
    """
    bad = (flags & np.uint32(bad_bits)) != 0
    bad |= ~np.isfinite(data)
    filled = np.empty(data.shape, np.float32)
    variance = np.empty(data.shape, np.float32)
    told = np.empty(data.shape, np.uint32)
    for n in range(data.shape[0]):
        filled[n] = fill_local_median(data[n], bad[n], box=box)
        square = np.square(error[n], dtype=np.float32)
        unknown = bad[n] | ~(error[n] > 0.0) | ~np.isfinite(square)
        if unknown.any():
            known = square[~unknown]
            default = float(np.median(known)) if known.size else 0.0
            square = fill_local_median(square, unknown, box=max(box, 3), default=default)
        variance[n] = square
        empty = bad[n] & ((flags[n] & np.uint32(blank)) != 0)
        filled[n][empty] = 0.0
        mended = (flags[n] & ~np.uint32(unusable)) | np.uint32(repaired)
        told[n] = np.where(bad[n] & ~empty, mended, flags[n])
    return Exposure(filled, variance, told, bad)


def registration_noise(mask: Array, target: Exposure, references: Exposure) -> tuple[Array, Array]:
    """Return the weight of each pixel in the fits, and the variance of its noise.

    The weight is the mask squared over the noise's standard deviation. The mask multiplies the
    residual, as in the host's step, so that it enters the sum of squares squared. Weights of the
    inverse variance would be best for noise alone, by 6 to 14 % in bright scenes, but they
    make most of the faint outer speckles, which do not merely move with the star: on simulated
    round-mask scenes with 0 to 6 nm of wavefront drift they err 1.2 to 1.4 times more. The
    mask alone loses 25 to 55 % to the noise in bright scenes.
    The noise is that of the first target image plus the references' mean: one weight for all
    images, which is what makes the fits fast. A margin has no weight: a moved template
    enters there on the wrong side.

    Parameters
    ----------
    mask : ndarray (ny, nx)
        1 where a pixel is used in full, 0 where it is not.
    target, references : Exposure

    Returns
    -------
    weight, variance : ndarray (ny, nx)
    """
    return noise_weights(
        mask, target.variance[0] + references.variance.mean(axis=0, dtype=np.float64)
    )


def noise_weights(mask: Array, variance: NDArray[np.floating]) -> tuple[Array, Array]:
    """Return the weight of each pixel in the fits, and the variance of its noise.

    See `registration_noise`; `variance` is that of both images together, or all zero where it
    is not known.
    """
    weight = mask**2
    margin = min(_MARGIN, min(mask.shape) // 8)
    if margin:
        inner = np.zeros(mask.shape, bool)
        inner[margin:-margin, margin:-margin] = True
        weight = np.where(inner, weight, 0.0)
    if not variance.any():
        return weight, np.ones(mask.shape)
    floor = 1e-3 * float(np.median(variance[variance > 0.0]))
    noise = np.maximum(np.asarray(variance, dtype=np.float64), floor)
    return weight / np.sqrt(noise), noise


def align_stack(
    references: Exposure, template: Template, *, outside: int, overwrite: bool = False
) -> AlignedStack:
    """Register references to a template and move them onto it.

    Parameters
    ----------
    references : Exposure
    template : Template
    outside : int
        Flags of pixels that hold nothing: their source lies beyond the reference's frame, or
        the reference could not be registered.
    overwrite : bool
        Put the result into the arrays of `references`, which saves as much memory.

    Returns
    -------
    AlignedStack
    """
    found = template.register(references.data, references.bad)
    shape = references.data.shape
    if overwrite:
        data, variance, flags = references.data, references.variance, references.flags
    else:
        data, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
        flags = np.empty(shape, np.uint32)
    for m, shift in enumerate(found.shift):
        # Single precision, as the data's: its rounding is far below the noise.
        spectrum = without_nyquist(forward(references.data[m]), shape[1:])
        data[m] = apply_ramp(spectrum, shift, shape[1:])
        variance[m] = shift_variance(references.variance[m], shift)
        flags[m] = shift_flags(references.flags[m], shift, outside=outside)
        if not found.converged[m]:
            flags[m] |= np.uint32(outside)
    return AlignedStack(data, variance, flags, found)
