"""Bring two images to the same PSF: the sharper is blurred."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photutils.psf_matching import TukeyWindow, make_wiener_kernel
from scipy.ndimage import gaussian_filter, shift
from scipy.optimize import minimize_scalar
from scipy.signal import oaconvolve

from coronx.ops.comparison_stars import cut_stamps
from coronx.ops.interpolation_kernels import FWHM_OF_SIGMA, gaussian

__all__ = ["Convolved", "convolve", "gaussian_kernel", "matching_sigma", "psf_kernel"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ENOUGH = 0.2  # of a kernel's weight on good pixels; in a corner it is a quarter
_SAME = 0.05  # pixels: a Gaussian narrower than this in sigma does nothing


@dataclass(frozen=True)
class Convolved:
    """An image convolved with a kernel.

    Attributes
    ----------
    data, variance : ndarray (ny, nx)
        NaN where less than a fifth of the kernel is on good pixels.
    """

    data: Array
    variance: Array


def gaussian_kernel(sigma: float) -> Array:
    """Return a Gaussian of unit sum, sigma in pixels, cut at four sigma; ndarray (k, k)."""
    line = gaussian(sigma)
    return np.asarray(np.outer(line, line), dtype=np.float64)


def matching_sigma(
    sharp: NDArray[np.floating],
    blunt: NDArray[np.floating],
    places: Array,
    *,
    sharp_fwhm: float,
    blunt_fwhm: float,
) -> float:
    """Return the sigma of the Gaussian that makes one image's stars look like another's.

    Parameters
    ----------
    sharp, blunt : ndarray (ny, nx)
        Images without bad pixels near the stars.
    places : ndarray (n, 2)
        x and y of stars, each 3 `blunt_fwhm` and a pixel from the edges, at least.
    sharp_fwhm, blunt_fwhm : float
        Their widths in pixels: where the search begins.

    Returns
    -------
    float
        In pixels; 0 where the images are alike.

    Notes
    -----
    Each star of the sharper image is blurred, scaled and set on a level so that it fits the same
    star of the blunter one best; the median over the stars of what is left is least for the
    sigma returned. Widths alone are enough for Gaussian stars, but not for real ones.
    """
    guess = np.sqrt(max(blunt_fwhm**2 - sharp_fwhm**2, 0.0)) / FWHM_OF_SIGMA
    if guess < _SAME:
        return 0.0
    reach = int(np.ceil(3.0 * blunt_fwhm))
    first, second = (cut_stamps(image, places, reach) for image in (sharp, blunt))
    side = np.arange(-reach, reach + 1)
    core = side[:, None] ** 2 + side**2 <= (1.5 * blunt_fwhm) ** 2
    wanted = second[:, core] - second[:, core].mean(axis=1, keepdims=True)
    size = (wanted**2).sum(axis=1)

    def left(sigma: float) -> float:
        made = np.asarray(gaussian_filter(first, (0.0, sigma, sigma), mode="nearest"))[:, core]
        made -= made.mean(axis=1, keepdims=True)
        fitted = (made * wanted).sum(axis=1) ** 2 / (made**2).sum(axis=1)
        return float(np.median(1.0 - fitted / size))

    found: Any = minimize_scalar(left, bounds=(0.3 * guess, 2.0 * guess), method="bounded")
    return float(found.x)


def psf_kernel(
    sharp: NDArray[np.floating],
    blunt: NDArray[np.floating],
    places: Array,
    *,
    fwhm: float,
    regularization: float = 1e-3,
) -> Array:
    """Return the kernel that turns one image's PSF into another's, for PSFs of any shape.

    Parameters
    ----------
    sharp, blunt : ndarray (ny, nx)
        Images without bad pixels near the stars.
    places : ndarray (n, 2)
        x and y of stars, each 4 `fwhm` and a pixel from the edges, at least.
    fwhm : float
        Of the blunter image, in pixels.
    regularization : float
        Of the Wiener filter, as a part of the power of the sharper PSF.

    Returns
    -------
    ndarray (k, k)
        Of unit sum; centred on its middle.

    Notes
    -----
    The PSFs are medians of stars moved to the middle of a pixel; the kernel is
    `photutils.psf_matching.make_wiener_kernel`'s.
    """
    reach = int(np.ceil(4.0 * fwhm))
    psfs = [_median_psf(cut_stamps(image, places, reach), places, fwhm) for image in (sharp, blunt)]
    make: Any = make_wiener_kernel
    return np.asarray(make(*psfs, regularization=regularization), dtype=np.float64)


def convolve(
    data: NDArray[np.floating], variance: NDArray[np.floating], bad: Mask, kernel: Array
) -> Convolved:
    """Convolve an image with a kernel over its good pixels.

    Parameters
    ----------
    data, variance : ndarray (ny, nx)
        Image and its variance.
    bad : ndarray of bool (ny, nx)
        Pixels without weight; those that are not finite are without, too.
    kernel : ndarray (k, k)
        Of unit sum, its sides odd.

    Returns
    -------
    Convolved
        The variance is that of each pixel; neighbours share noise.
    """
    good = ~bad & np.isfinite(data)
    values = np.where(good, data, 0.0).astype(np.float64)
    spread = np.where(good & np.isfinite(variance), variance, 0.0).astype(np.float64)
    weight = _same(good.astype(np.float64), kernel)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(weight >= _ENOUGH, 1.0 / weight, np.nan)
    return Convolved(
        _same(values, kernel) * inverse,
        np.maximum(_same(spread, kernel**2), 0.0) * inverse**2,
    )


def _same(image: Array, kernel: Array) -> Array:
    return np.asarray(oaconvolve(image, kernel, mode="same"), dtype=np.float64)


def _median_psf(stamps: Array, places: Array, fwhm: float) -> Array:
    """Return the median of stars, each moved to the middle pixel and of unit flux."""
    n = stamps.shape[-1]
    side = np.arange(n) - n // 2
    radius = np.hypot(side[:, None], side)
    made = []
    for stamp, (x, y) in zip(stamps, places, strict=True):
        level = stamp - np.median(stamp[radius > 3.0 * fwhm])
        centred = np.asarray(shift(level, (round(y) - y, round(x) - x), order=3, mode="nearest"))
        made.append(centred / centred[radius < 2.0 * fwhm].sum())
    psf = np.median(made, axis=0) * np.asarray(TukeyWindow(0.4)((n, n)))
    return psf / psf.sum()
