"""Measure where the images of exposures lie, and move them, one image at a time."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from coronx.ops.alignment import noise_weights
from coronx.ops.gaps import Filled, fill_frame
from coronx.ops.interpolation import Moved, move_frame
from coronx.ops.interpolation_kernels import gaussian
from coronx.ops.registration import Registration, Template

__all__ = ["make_template", "mean_variance", "measure_frames", "move_frames"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def mean_variance(errors: Iterable[NDArray[np.floating]]) -> Array:
    """Return the mean variance of each pixel over images.

    Parameters
    ----------
    errors : iterable of ndarray (ny, nx)
        1-sigma errors; those not positive and finite are left out.

    Returns
    -------
    ndarray (ny, nx)
        Zero where no error is known.
    """
    total: Array | None = None
    count: Array | None = None
    for error in errors:
        square = np.square(error, dtype=np.float64)
        known = (error > 0.0) & np.isfinite(square)
        if total is None or count is None:
            total, count = np.zeros(square.shape), np.zeros(square.shape)
        np.add(total, square, out=total, where=known)
        count += known
    if total is None or count is None:
        raise ValueError("no image to take a variance from")
    return total / np.maximum(count, 1.0)


def make_template(
    data: NDArray[np.floating],
    bad: Mask,
    *,
    mask: Array,
    variance: Array,
    max_shift: float,
    blur: float = 0.0,
) -> Template:
    """Make a template of the image to which all others are aligned.

    Parameters
    ----------
    data : ndarray (ny, nx)
        The image.
    bad : ndarray of bool (ny, nx)
        Pixels not to be used; those that are not finite count as bad too.
    mask : ndarray (ny, nx)
        1 where a pixel is used in full, 0 where it is not.
    variance : ndarray (ny, nx)
        Variance of two images' difference; pixels where it is zero take their neighbours'.
    max_shift : float
        Largest shift searched, in pixels.
    blur : float
        Sigma in pixels of a Gaussian to convolve it with: see `measure_frames`.

    Raises
    ------
    ValueError
        If the image has no good pixel, is flat, or is zero wherever the mask is not.
    """
    unknown = ~(variance > 0.0)
    if unknown.any() and not unknown.all():
        variance = fill_frame(variance, variance, unknown).data
    filled = fill_frame(data, np.zeros_like(data), bad)
    if filled.bad.all():
        raise ValueError("no good pixel in it")
    weight, noise = noise_weights(mask, variance)
    image = _blurred(filled.data, blur)
    return Template(image, weight, variance=noise, bad=filled.bad, max_shift=max_shift)


def measure_frames(
    template: Template,
    data: Iterable[NDArray[np.floating]],
    bad: Iterable[Mask],
    *,
    blur: float = 0.0,
) -> Registration:
    """Register images to a template; bad pixels have no part in it.

    Parameters
    ----------
    template : Template
    data : iterable of ndarray (ny, nx)
        Images.
    bad : iterable of ndarray of bool (ny, nx)
        Pixels not to be used; those that are not finite count as bad too.
    blur : float
        Sigma in pixels of a Gaussian to convolve the images with, as the template was. It takes
        out what is aliased in an undersampled scene, and biases shifts by hundredths of a pixel.

    Returns
    -------
    Registration
        Formal uncertainties are those of the images before they were blurred, at most: their
        noise is told from blurred residuals as if the scene had low frequencies alone.
    """
    found: list[Registration] = []
    for image, wrong in zip(data, bad, strict=True):
        filled = _without_gaps(image, wrong)
        found.append(template.register([_blurred(filled.data, blur)], [filled.bad]))
    names = ("shift", "scale", "sigma", "residual", "converged")
    shift, scale, sigma, residual, converged = (
        np.concatenate([getattr(f, n) for f in found]) for n in names
    )
    # Of white noise a Gaussian leaves this much in one pixel, but all of its low frequencies.
    sigma /= (gaussian(blur) ** 2).sum()
    return Registration(shift, scale, sigma, residual, converged)


def _blurred(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    return gaussian_filter(image, sigma, mode="nearest") if sigma > 0.0 else image


def _without_gaps(data: NDArray[np.floating], bad: Mask) -> Filled:
    return fill_frame(data, np.zeros_like(data), bad)


def move_frames(
    data: NDArray[np.floating],
    error: NDArray[np.floating],
    flags: NDArray[np.uint32],
    bad: Mask,
    shifts: Array,
    *,
    outside: int,
    lost: Mask | None = None,
    **options: Any,
) -> Moved:
    """Move the images of an exposure, each by its own shift, with errors and flags.

    Parameters
    ----------
    data, error : ndarray (n, ny, nx)
        Images and their 1-sigma errors.
    flags : ndarray (n, ny, nx), uint32
    bad : ndarray of bool (n, ny, nx)
    shifts : ndarray (n, 2)
        (dx, dy) in pixels.
    outside : int
        Flags of pixels that hold nothing.
    lost : ndarray of bool (n,), optional
        Images of which it is not known where they lie: nothing is left of them.
    **options
        Of `move_frame`.

    Returns
    -------
    Moved
        Arrays (n, ny, nx), float32, with the variance.
    """
    out = Moved(
        np.empty(data.shape, np.float32),
        np.empty(data.shape, np.float32),
        np.empty(data.shape, np.uint32),
    )
    for n, shift in enumerate(shifts):
        if lost is not None and lost[n]:
            out.data[n] = out.variance[n] = np.nan
            out.flags[n] = flags[n] | np.uint32(outside)
            continue
        variance = np.square(error[n], dtype=np.float32)
        one = move_frame(data[n], variance, flags[n], bad[n], shift, outside=outside, **options)
        out.data[n], out.variance[n], out.flags[n] = one.data, one.variance, one.flags
    return out
