"""Find a CCD's hot, cold and dead pixels in its masters."""

import warnings
from dataclasses import dataclass

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray
from photutils.background import Background2D, MedianBackground, StdBackgroundRMS

__all__ = ["DeviantPixels", "dead_pixels", "deviant_pixels"]


@dataclass(frozen=True)
class DeviantPixels:
    """Pixels of a master dark that are far from those around them.

    Attributes
    ----------
    hot, cold : ndarray of bool (ny, nx)
        Above and below.
    level, noise : float
        Medians of the local level and of its clipped standard deviation, in the unit of the dark.
    """

    hot: NDArray[np.bool_]
    cold: NDArray[np.bool_]
    level: float
    noise: float


def deviant_pixels(
    dark: NDArray[np.floating],
    bad: NDArray[np.bool_] | None = None,
    *,
    sigma: float = 4.0,
    box: int = 32,
) -> DeviantPixels:
    """Find pixels whose dark signal is not that of the pixels around them.

    Parameters
    ----------
    dark : ndarray (ny, nx)
        Master dark, in any unit.
    bad : ndarray of bool (ny, nx), optional
        Pixels that are known to be bad; neither these nor NaN are found again.
    sigma : float
        Distance from the local median, in local clipped standard deviations.
    box : int
        Side in pixels of the boxes in which both are taken, so that the glow of an amplifier is
        not bad pixels; 0 for the whole frame.

    Returns
    -------
    DeviantPixels

    Raises
    ------
    ValueError
        If no pixel is good.

    Notes
    -----
    Median and standard deviation are clipped at 3 sigma, in boxes and between them by photutils.
    """
    known = _good(dark, bad)
    level, _ = _local(dark, known, box)
    # The level's slope within a box is no noise: the rest is taken again.
    rest, noise = _local(dark - level, known, box)
    level = level + rest
    excess = np.where(known, dark, level) - level
    limit = sigma * noise
    return DeviantPixels(
        excess > limit, excess < -limit, float(np.median(level)), float(np.median(noise))
    )


def dead_pixels(
    flat: NDArray[np.floating],
    bad: NDArray[np.bool_] | None = None,
    *,
    low: float = 0.5,
    high: float = 1.5,
    box: int = 32,
) -> NDArray[np.bool_]:
    """Find pixels that respond to light less, or more, than those around them.

    Parameters
    ----------
    flat : ndarray (ny, nx)
        Master flat, in any unit.
    bad : ndarray of bool (ny, nx), optional
        Pixels that are known to be bad; neither these nor NaN are found again.
    low, high : float
        Limits of the response over the local median.
    box : int
        Side in pixels of the boxes of that median, so that vignetting is not dead pixels; 0
        for the whole frame.

    Returns
    -------
    ndarray of bool (ny, nx)

    Raises
    ------
    ValueError
        If no pixel is good.
    """
    known = _good(flat, bad)
    level, _ = _local(flat, known, box)
    response = np.where(known, flat, level)
    return (response < low * level) | (response > high * level)


def _good(image: NDArray[np.floating], bad: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return np.isfinite(image) if bad is None else np.isfinite(image) & ~bad


def _local(
    image: NDArray[np.floating], good: NDArray[np.bool_], box: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the clipped median and standard deviation around each pixel."""
    if not good.any():
        raise ValueError("no good pixel in the image")
    values = np.where(good, image, 0.0).astype(np.float64)
    sides = tuple(min(box, n) if box else n for n in image.shape)
    with warnings.catch_warnings():
        # A box with hardly a good pixel takes its neighbours' values.
        warnings.simplefilter("ignore", AstropyUserWarning)
        found = Background2D(
            values,
            sides,
            mask=~good,
            filter_size=3 if max(n / s for n, s in zip(image.shape, sides, strict=True)) > 2 else 1,
            exclude_percentile=90.0,
            bkg_estimator=MedianBackground(),
            bkg_rms_estimator=StdBackgroundRMS(),
        )
    return np.asarray(found.background), np.asarray(found.background_rms)
