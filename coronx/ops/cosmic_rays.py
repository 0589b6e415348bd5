"""Find cosmic rays in one image."""

from typing import Any

import astroscrappy
import numpy as np
from astropy.convolution import Gaussian2DKernel
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label, median_filter

from coronx.ops.median import fill_local_median

__all__ = ["find_cosmic_rays", "saturated_stars"]

_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
_WINGS = 0.1  # of the saturation level: the median around a saturated star's pixels is above it
_EDGE = 8  # pixels, more than half of its widest filter
_ALL = np.ones((3, 3), dtype=bool)


def find_cosmic_rays(
    data: NDArray[np.floating],
    err: NDArray[np.floating],
    bad: NDArray[np.bool_],
    *,
    saturated: NDArray[np.bool_] | None = None,
    sigclip: float = 4.5,
    sigfrac: float = 0.3,
    objlim: float = 5.0,
    psf_fwhm: float | None = 3.5,
    niter: int = 6,
) -> NDArray[np.bool_]:
    """Return the pixels that cosmic rays hit.

    Parameters
    ----------
    data, err : ndarray (ny, nx)
        Image and 1-sigma errors, in any unit; the sky may be in it or not.
    bad : ndarray of bool (ny, nx)
        Pixels not to look at. Those that are not finite in one of both are not looked at either.
    saturated : ndarray of bool (ny, nx), optional
        Saturated pixels; those of stars, with what is around them, are not looked at
        (`saturated_stars`), a saturated cosmic ray is.
    sigclip : float
        Limit in sigma of the Laplacian.
    sigfrac : float
        Times `sigclip`: the limit beside a hit.
    objlim : float
        Contrast of the Laplacian to the fine structure that makes it no star.
    psf_fwhm : float or None
        FWHM of a star in pixels: the fine structure is the image convolved with a Gaussian of
        that width. None takes a median filter instead, as the original method does.
    niter : int
        Most iterations.

    Returns
    -------
    ndarray of bool (ny, nx)

    Raises
    ------
    ValueError
        If no pixel is left to look at.

    Notes
    -----
    L.A.Cosmic (van Dokkum 2001, PASP 113, 1420) as astroscrappy has it. The errors take the place
    of its own noise model, which knows no flat, dark or subtracted sky: astroscrappy takes their
    median over 7 x 7 pixels, so that a hit does not raise its own limit.
    """
    known = np.isfinite(data) & np.isfinite(err) & (err > 0)
    mask = bad | ~known
    if saturated is not None:
        mask = mask | saturated_stars(data, saturated)
    if mask.all():
        raise ValueError("no good pixel to look for cosmic rays in")
    options: dict[str, object] = {"fsmode": "median"}
    if psf_fwhm is not None:
        size = 2 * int(np.ceil(psf_fwhm)) + 1
        kernel = Gaussian2DKernel(psf_fwhm / _FWHM, x_size=size, y_size=size)
        kernel.normalize()
        options = {"fsmode": "convolve", "psfk": np.asarray(kernel.array, dtype=np.float32)}
    # Values that are masked still enter its filters.
    filled = fill_local_median(np.where(known, data, np.nan), ~known, box=5)
    variance = fill_local_median(np.where(known, np.square(err), np.nan), ~known, box=5)
    usual = float(np.median(variance[known]))
    variance[variance <= 0] = usual
    detect: Any = getattr(astroscrappy, "detect_cosmics")  # noqa: B009 - compiled, without types
    # Its filters leave out the pixels at the edges: there the image goes on as its mirror image.
    found, _ = detect(
        np.pad(filled, _EDGE, mode="reflect").astype(np.float32),
        inmask=np.pad(mask, _EDGE, mode="reflect"),
        invar=np.pad(variance, _EDGE, mode="reflect").astype(np.float32),
        sigclip=sigclip,
        sigfrac=sigfrac,
        objlim=objlim,
        gain=1.0,
        readnoise=0.0,
        satlevel=np.inf,
        niter=niter,
        **options,
    )
    inside = slice(_EDGE, -_EDGE)
    return np.asarray(found[inside, inside], dtype=np.bool_) & ~mask


def saturated_stars(
    data: NDArray[np.floating], saturated: NDArray[np.bool_], *, grow: int = 5
) -> NDArray[np.bool_]:
    """Return the pixels of saturated stars, bleeding columns and what is around them.

    Parameters
    ----------
    data : ndarray (ny, nx)
        Image.
    saturated : ndarray of bool (ny, nx)
        Saturated pixels.
    grow : int
        Pixels around them.

    Returns
    -------
    ndarray of bool (ny, nx)

    Notes
    -----
    A group of saturated pixels is a star's if around one of them the median of 5 x 5 pixels is a
    tenth of the saturated level above that of the image: a cosmic ray has no wings.
    """
    if not saturated.any():
        return np.zeros(saturated.shape, dtype=bool)
    values = np.where(np.isfinite(data), data, 0.0).astype(np.float64)
    sky = float(np.median(values))
    full = float(np.median(values[saturated])) - sky
    around = np.asarray(median_filter(values, 5)) - sky
    labelled: Any = label(saturated, _ALL)
    groups = np.asarray(labelled[0])
    core = saturated & (around > _WINGS * full)
    ours = np.isin(groups, np.unique(groups[core])) & saturated
    return np.asarray(binary_dilation(ours, _ALL, iterations=grow), dtype=np.bool_)
