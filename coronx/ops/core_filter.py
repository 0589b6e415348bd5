"""A matched filter for the core of a PSF, blind to a level."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["core_filter", "core_window"]

Array = NDArray[np.float64]


def core_window(x: Array, y: Array, core: float) -> Array:
    """Return a Gaussian of 1 in the middle.

    Parameters
    ----------
    x, y : ndarray
        Pixels from the middle; they are broadcast.
    core : float
        Standard deviation in pixels.
    """
    return np.exp(-0.5 * (x**2 + y**2) / core**2)


def core_filter(
    psf: Array, core: float, *, middle: tuple[float, float] | None = None, good: Array | None = None
) -> Array:
    """Return the weights of pixels in a fit of PSF and level within a Gaussian window.

    Their sum is zero; times an image, and divided by the same of the PSF, they give the flux
    of least squares. Smooth residual speckles, and the negative wings that ADI leaves
    of a companion, weigh less than in the PSF itself; in white noise 15 % of the S/N of a Gaussian
    PSF are lost with a window of 0.8 FWHM.

    Parameters
    ----------
    psf : ndarray (ny, nx)
        The PSF.
    core : float
        Standard deviation of the window in pixels.
    middle : tuple of float, optional
        0-based (x, y) of its peak; the middle of the image by default.
    good : ndarray of bool (ny, nx), optional
        Pixels that take part; the weights of others are zero.

    Returns
    -------
    ndarray (ny, nx)

    Raises
    ------
    ValueError
        If the window is not positive.
    """
    if not core > 0.0:
        raise ValueError(f"the window of a PSF's core must be positive, not {core}")
    ny, nx = psf.shape
    x, y = ((nx - 1) / 2, (ny - 1) / 2) if middle is None else middle
    window = core_window(np.arange(nx) - x, np.arange(ny)[:, None] - y, core)
    if good is not None:
        window = window * good
    total = float(window.sum())
    return window * (psf - (window * psf).sum() / total) if total > 0.0 else window
