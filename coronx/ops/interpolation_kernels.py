"""The one-dimensional weights with which an image is moved by part of a pixel."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.ndimage import spline_filter1d

__all__ = [
    "FWHM_OF_SIGMA",
    "SPLINE_ORDER",
    "Method",
    "gaussian",
    "signal_weights",
    "variance_weights",
]

Array = NDArray[np.float64]
Method = Literal["fourier", "spline", "lanczos"]

FWHM_OF_SIGMA = float(2.0 * np.sqrt(2.0 * np.log(2.0)))
"""Full width at half maximum of a Gaussian, in sigmas: 2.355."""

SPLINE_ORDER = 5
_SPLINE_REACH = 16  # pixels: what a quintic spline's prefilter gives further off is below 2e-6
_LOBES = 4  # of the Lanczos kernel
# Half width, in pixels, of the kernel that moves a variance with a Fourier shift. The squared
# sinc that it samples holds 94 % of its weight within three pixels at the worst shift.
_SINC_REACH = 3
_TAIL = 4.0  # sigmas at which a Gaussian is cut
_NEGLIGIBLE = 1e-4  # of the squared weights' sum
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(64)


def gaussian(sigma: float) -> Array:
    """Return a Gaussian's weights at whole pixels, cut at four sigma; their sum is one."""
    reach = int(np.ceil(_TAIL * sigma))
    steps = np.arange(-reach, reach + 1)
    if sigma <= 0.0:
        return np.ones(1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    return weights / weights.sum()


def signal_weights(
    method: Method, part: float, *, blur: float = 0.0, prefiltered: bool = False
) -> Array:
    """Return the weights of an image's pixels in those of the moved image.

    Parameters
    ----------
    method : "spline" or "lanczos"
        Quintic spline (Thevenaz, Blu & Unser 2000); or a sinc windowed by a sinc four times as
        wide, normalised to one. A Fourier shift has no finite weights: it is refused.
    part : float
        Part of a pixel by which the content moves towards larger coordinates, within a half.
    blur : float
        Sigma in pixels of a Gaussian that the image is convolved with in the same sum.
    prefiltered : bool
        Give a spline's weights of its coefficients (`scipy.ndimage.spline_filter` makes them of
        pixels), which are few.

    Returns
    -------
    ndarray (2 reach + 1,)
        Weight of the pixels at -reach ... reach from the one that is made.

    Raises
    ------
    ValueError
        If the method is not known, or is "fourier".
    """
    if method == "spline":
        taps = np.arange(-3, 4)
        weights = np.nan_to_num(_b_spline()(taps + part))
        if not prefiltered:
            weights = np.convolve(_prefilter(), weights)
    elif method == "lanczos":
        taps = np.arange(-_LOBES, _LOBES + 1) + part
        inside = np.abs(taps) < _LOBES
        weights = np.where(inside, np.sinc(taps) * np.sinc(taps / _LOBES), 0.0)
        weights /= weights.sum()
    else:
        raise ValueError(f"{method!r} has no finite weights; give 'spline' or 'lanczos'")
    return np.convolve(weights, gaussian(blur))


def variance_weights(method: Method, part: float, *, blur: float = 0.0) -> Array:
    """Return the weights of pixels' variances in those of the moved image.

    A moved pixel is a weighted sum of pixels, so its variance is theirs with the weights squared.
    Those of a Fourier shift are samples of a sinc (with blur: of its convolution with the
    Gaussian), kept within a few pixels and brought to the sum that all of them have, so
    that one wild value stays a local matter.

    Parameters
    ----------
    method : "fourier", "spline" or "lanczos"
    part, blur : float
        As in `signal_weights`.

    Returns
    -------
    ndarray (2 reach + 1,)
        Their sum is one for a Fourier shift without blur, and less otherwise: neighbouring
        pixels then share noise.
    """
    if method != "fourier":
        square = signal_weights(method, part, blur=blur) ** 2
        return _without_tails(square)
    reach = _SINC_REACH + int(np.ceil(2.0 * blur))
    taps = np.arange(-reach, reach + 1) + part
    # Integrals over 0 ... pi of the Gaussian's transform: the sinc itself without a blur.
    wave = 0.5 * np.pi * (_NODES + 1.0)
    response = np.exp(-0.5 * (wave * blur) ** 2)
    square = (np.cos(np.outer(taps, wave)) @ (0.5 * _NODE_WEIGHTS * response)) ** 2
    total = float(0.5 * _NODE_WEIGHTS @ response**2)
    return square * (total / square.sum())


@cache
def _b_spline() -> BSpline:
    half = 0.5 * (SPLINE_ORDER + 1)
    return BSpline.basis_element(np.linspace(-half, half, SPLINE_ORDER + 2), extrapolate=False)


@cache
def _prefilter() -> Array:
    impulse = np.zeros(4 * _SPLINE_REACH + 1)
    impulse[2 * _SPLINE_REACH] = 1.0
    response = np.asarray(spline_filter1d(impulse, SPLINE_ORDER), dtype=np.float64)
    kept = response[_SPLINE_REACH : 3 * _SPLINE_REACH + 1]
    return kept / kept.sum()


def _without_tails(square: Array) -> Array:
    """Cut weights at both ends alike where what is beyond adds nothing to speak of."""
    middle = square.size // 2
    inner = [square[middle - r : middle + r + 1].sum() for r in range(middle + 1)]
    reach = int(np.argmax(np.array(inner) >= (1.0 - _NEGLIGIBLE) * square.sum()))
    return square[middle - reach : middle + reach + 1]
