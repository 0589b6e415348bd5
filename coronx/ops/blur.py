"""Convolve an image with a Gaussian, leaving bad pixels out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coronx.ops.interpolation_kernels import gaussian

__all__ = ["Blurred", "blur_frame", "blur_frames", "blur_sigma"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Full width, in pixels, from which a Fourier shift of a PSF leaves no ringing to speak of.
_SAMPLED = 2.3 * 1.5
_FWHM = 2.355  # of a Gaussian, in sigmas
_ENOUGH = 0.5  # of the weight on good pixels, for a bad one to be given their mean


@dataclass(frozen=True)
class Blurred:
    """An image convolved with a Gaussian.

    Attributes
    ----------
    data, variance : ndarray (ny, nx)
        NaN where no good pixel is within reach.
    coverage : ndarray (ny, nx)
        Share of the Gaussian's weight that is on good pixels.
    own : ndarray (ny, nx)
        Weight that each pixel has in itself.
    """

    data: NDArray[Any]
    variance: NDArray[Any]
    coverage: NDArray[Any]
    own: NDArray[Any]


def blur_sigma(fwhm: float) -> float:
    """Return the sigma of the Gaussian that makes a PSF wide enough to be moved.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum of the PSF, in pixels.

    Returns
    -------
    float
        In pixels: what brings the width, added in quadrature, to 2.3 * 1.5 pixels; zero where
        it is that already.
    """
    return float(np.sqrt(max(_SAMPLED**2 - fwhm**2, 0.0)) / _FWHM)


def blur_frame(
    data: NDArray[np.floating], variance: NDArray[np.floating], bad: Mask, sigma: float
) -> Blurred:
    """Convolve an image with a Gaussian over its good pixels.

    The convolution is normalised (Knutsson & Westin 1993): the weighted mean of the good pixels
    under the Gaussian, so that neither bad pixels nor the frame's edges pull it down.

    Parameters
    ----------
    data : ndarray (ny, nx)
        Image, in any unit.
    variance : ndarray (ny, nx)
        Its variance; what is not finite counts as zero.
    bad : ndarray of bool (ny, nx)
        Pixels without weight; those that are not finite are without, too.
    sigma : float
        Of the Gaussian, in pixels; it is cut at four sigma.

    Returns
    -------
    Blurred
        In the image's precision. The variance is that of each pixel, by squared weights;
        neighbours within the Gaussian's width share noise, so that the variance of a sum
        over an aperture is not the sum of theirs.

    Raises
    ------
    ValueError
        If `sigma` is not positive.
    """
    if not sigma > 0.0:
        raise ValueError(f"sigma must be positive, not {sigma}")
    kind = data.dtype.newbyteorder("=")
    good = ~bad & np.isfinite(data)
    weights = gaussian(sigma)
    some = not good.all()
    image = np.where(good, data, 0.0).astype(kind)
    spread = np.where(good & np.isfinite(variance), variance, 0.0).astype(kind)
    if some:
        coverage = _convolved(good.astype(kind), weights)
        # Rounding of a transform where nothing is in reach.
        coverage[coverage < 1e-4] = 0.0
    else:
        coverage = np.outer(*(_sums(n, weights) for n in data.shape)).astype(kind)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(coverage > 0.0, 1.0 / coverage, np.nan).astype(kind)
    own = np.where(good, weights.max() ** 2 * inverse, 0.0).astype(kind)
    # Rounding of the transforms must not turn a variance negative.
    floor = np.asarray(spread * weights.max() ** 4, kind)
    square = np.maximum(_convolved(spread, weights**2), floor)
    return Blurred(_convolved(image, weights) * inverse, square * inverse**2, coverage, own)


def blur_frames(
    data: NDArray[np.floating],
    error: NDArray[np.floating],
    flags: NDArray[np.uint32],
    bad: Mask,
    sigma: float,
    *,
    repaired: int = 0,
    unusable: int = 0,
    blank: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint32]]:
    """Convolve the images of an exposure with a Gaussian over their good pixels.

    Parameters
    ----------
    data, error : ndarray (n, ny, nx)
        Images and their 1-sigma errors.
    flags : ndarray (n, ny, nx), uint32
        Bit flags. None of them spreads: what is bad has no weight.
    bad : ndarray of bool (n, ny, nx)
        Pixels not to be used; those that are not finite count as bad too.
    sigma : float
        Of the Gaussian, in pixels.
    repaired, unusable : int
        A bad pixel with most of the Gaussian's weight on good ones is given their mean, gains
        the first and loses the second; any other is NaN and gains the second.
    blank : int
        Flags of bad pixels that are given nothing.

    Returns
    -------
    data, variance : ndarray (n, ny, nx), float32
    flags : ndarray (n, ny, nx), uint32
    """
    values, spread = np.empty(data.shape, np.float32), np.empty(data.shape, np.float32)
    told = np.array(flags, dtype=np.uint32)
    for n, image in enumerate(data):
        out = blur_frame(image, np.square(error[n], dtype=np.float32), bad[n], sigma)
        wrong = bad[n] | ~np.isfinite(image)
        given = wrong & (out.coverage >= _ENOUGH) & ((flags[n] & np.uint32(blank)) == 0)
        gone = wrong & ~given
        told[n][given] = (told[n][given] & ~np.uint32(unusable)) | np.uint32(repaired)
        told[n][gone] |= np.uint32(unusable)
        values[n] = np.where(gone, np.nan, out.data)
        spread[n] = np.where(gone, np.nan, out.variance)
    return values, spread, told


def _sums(size: int, weights: Array) -> Array:
    """Return the sum of the weights that fall within a line of pixels, about each of them."""
    line = np.convolve(np.ones(size), weights, mode="full")[weights.size // 2 :]
    return np.asarray(line[:size], dtype=np.float64)


def _convolved(image: NDArray[Any], weights: Array) -> NDArray[Any]:
    """Return an image convolved with the same weights along both axes; zero is beyond it."""
    ny, nx = image.shape
    reach = weights.size // 2
    # Room for the weights on one side is room on both: the transform is periodic.
    shape = [int(scipy.fft.next_fast_len(n + reach, real=True) or 0) for n in (ny, nx)]
    spectrum: Any = scipy.fft.rfft2(image, shape)
    rows, columns = (_response(size, weights).astype(image.dtype) for size in shape)
    spectrum *= rows[:, None]
    spectrum *= columns[: shape[1] // 2 + 1]
    moved: Any = scipy.fft.irfft2(spectrum, shape, overwrite_x=True)
    return moved[:ny, :nx].copy()


def _response(size: int, weights: Array) -> Array:
    """Return the transform of symmetric weights on a periodic line, in FFT order; it is real."""
    reach = weights.size // 2
    line = np.zeros(size)
    np.add.at(line, np.arange(-reach, reach + 1) % size, weights)
    transform: Any = scipy.fft.fft(line)
    return transform.real
