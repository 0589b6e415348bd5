"""Take what is smooth out of an image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.ops.blur import blur_frame
from coronx.ops.interpolation_kernels import FWHM_OF_SIGMA

__all__ = ["high_pass", "sigma_of_size"]


def sigma_of_size(size: float) -> float:
    """Return the sigma in pixels of the Gaussian that a filter of a size takes out.

    At frequency f, in cycles a pixel, the filter passes 1 - exp(-(f / w)^2), where w = 1 / (2.355
    size): the response that users of pyKLIP know by the same size.
    """
    return float(FWHM_OF_SIGMA * size / (np.pi * np.sqrt(2.0)))


def high_pass(
    data: NDArray[np.floating],
    variance: NDArray[np.floating],
    bad: NDArray[np.bool_],
    *,
    size: float,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Subtract from an image its convolution with a Gaussian.

    That is a high-pass filter with a Gaussian response; done over good pixels alone, it makes
    nothing of gaps and edges.

    Parameters
    ----------
    data : ndarray (ny, nx)
        Image, in any unit.
    variance : ndarray (ny, nx)
        Its variance.
    bad : ndarray of bool (ny, nx)
        Pixels that have no part in the others' level.
    size : float
        In pixels, see `sigma_of_size`: structure larger than this is taken out.

    Returns
    -------
    data : ndarray (ny, nx)
        Filtered; what was not finite stays so.
    variance : ndarray (ny, nx)
        Of each pixel minus the weighted mean about it.

    Raises
    ------
    ValueError
        If `size` is not positive.
    """
    smooth = blur_frame(data, variance, bad, sigma_of_size(size))
    # A pixel is in its own mean: d (1 - w) - rest, not d - mean of others.
    spread = variance * (1.0 - 2.0 * smooth.own) + smooth.variance
    return data - smooth.data, spread.astype(data.dtype)
