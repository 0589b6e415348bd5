"""Convolve an image with a Gaussian, leaving bad pixels out."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coronx.ops.interpolation_kernels import FWHM_OF_SIGMA, gaussian

__all__ = ["Blurred", "blur_frame", "blur_frames", "blur_sigma"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Full width, in pixels, from which a Fourier shift of a PSF leaves no ringing to speak of.
_SAMPLED = 2.3 * 1.5
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
    return float(np.sqrt(max(_SAMPLED**2 - fwhm**2, 0.0)) / FWHM_OF_SIGMA)


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
    kind = np.dtype(np.float32 if data.dtype.itemsize <= 4 else np.float64)
    good = ~bad & np.isfinite(data)
    peak = float(gaussian(sigma).max())
    some = not good.all()
    image = np.where(good, data, kind.type(0.0))
    spread = np.where(good & np.isfinite(variance), variance, kind.type(0.0)).astype(kind)
    if some:
        coverage = _convolved(good.astype(kind), sigma)
        # Rounding of a transform where nothing is in reach.
        coverage[coverage < 1e-4] = 0.0
    else:
        coverage = np.outer(*(_sums(n, sigma) for n in data.shape)).astype(kind)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(coverage > 0.0, 1.0 / coverage, kind.type(np.nan))
    own = np.where(good, inverse, kind.type(0.0))
    own *= peak**2
    # Rounding of the transforms must not turn a variance negative.
    square = np.maximum(_convolved(spread, sigma, squared=True), spread * kind.type(peak**4))
    image = _convolved(image.astype(kind, copy=False), sigma)
    return Blurred(image * inverse, square * inverse**2, coverage, own)


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


def _sums(size: int, sigma: float) -> Array:
    """Return the sum of the weights that fall within a line of pixels, about each of them."""
    weights = gaussian(sigma)
    line = np.convolve(np.ones(size), weights, mode="full")[weights.size // 2 :]
    return np.asarray(line[:size], dtype=np.float64)


def _convolved(image: NDArray[Any], sigma: float, *, squared: bool = False) -> NDArray[Any]:
    """Return an image convolved with a Gaussian's weights, or their squares; zero is beyond it."""
    ny, nx = image.shape
    reach = gaussian(sigma).size // 2
    # Room for the weights on one side is room on both: the transform is periodic.
    shape = [int(scipy.fft.next_fast_len(n + reach, real=True) or 0) for n in (ny, nx)]
    spectrum: Any = scipy.fft.rfft2(image, shape)
    rows, columns = (_response(size, sigma, squared).astype(image.dtype) for size in shape)
    spectrum *= rows[:, None]
    spectrum *= columns[: shape[1] // 2 + 1]
    moved: Any = scipy.fft.irfft2(spectrum, shape, overwrite_x=True)
    return moved[:ny, :nx]


@lru_cache(maxsize=16)
def _response(size: int, sigma: float, squared: bool) -> Array:
    """Return the transform of a Gaussian's weights on a periodic line, in FFT order; it is real."""
    weights = gaussian(sigma) ** (2 if squared else 1)
    reach = weights.size // 2
    line = np.zeros(size)
    np.add.at(line, np.arange(-reach, reach + 1) % size, weights)
    transform: Any = scipy.fft.fft(line)
    return transform.real
