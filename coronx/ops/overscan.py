"""Subtract the level of the overscan, and cut the image to its exposed part."""

from dataclasses import dataclass

import numpy as np
from astropy.stats import mad_std, sigma_clipped_stats
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from coronx.ops.fits_section import section_slices

__all__ = ["METHODS", "Overscanned", "subtract_overscan"]

METHODS = ("smooth", "rows", "constant")
"""How the level varies along the overscan."""

_CLIP = 4.0  # sigma, of the samples of one line
_OWN = 5.0  # sigma from the smooth level at which a line's own is taken


@dataclass(frozen=True)
class Overscanned:
    """An image less its overscan's level, trimmed.

    Attributes
    ----------
    data : ndarray (ny, nx), float64
        The image within the trim section.
    level : ndarray (ny, 1), (1, nx) or (1, 1), float64
        What was subtracted from each row, column or all; 0 without an overscan.
    level_err : ndarray, float64
        Its 1-sigma error, of the same shape.
    trim : tuple of slice
        Rows and columns that were kept, to cut other arrays by.
    """

    data: NDArray[np.float64]
    level: NDArray[np.float64]
    level_err: NDArray[np.float64]
    trim: tuple[slice, slice]


def subtract_overscan(
    data: NDArray[np.floating],
    overscan: str | None,
    trim: str | None,
    *,
    method: str = "smooth",
    window: int = 101,
    bad: NDArray[np.bool_] | None = None,
) -> Overscanned:
    """Subtract the overscan's level from an image, and cut the image.

    Parameters
    ----------
    data : ndarray (ny, nx)
        The image as it was read out, in ADU; NaN is left out of the level.
    overscan : str or None
        The overscan as a FITS section (BIASSEC), beside the image or above or below it; None
        subtracts nothing.
    trim : str or None
        The exposed part as a FITS section (TRIMSEC); None keeps all.
    method : {"smooth", "rows", "constant"}
        A straight line fitted in a window about each line of pixels; each line's own level;
        one level for all.
    window : int
        Length of that window, in lines of pixels.
    bad : ndarray of bool (ny, nx), optional
        Pixels to leave out of the level.

    Returns
    -------
    Overscanned

    Raises
    ------
    ValueError
        If the method or a section is wrong, the overscan does not run along the whole of the
        image, or no good pixel is in it.

    Notes
    -----
    A line's level is the mean of its samples, clipped at 4 sigma about their median. A level taken
    line by line has the noise of few samples, which all pixels of the line then share: by
    default it is smoothed, and a line keeps its own only where that is 5 sigma from the smooth
    one, as where the read-out starts.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}; known are {', '.join(METHODS)}")
    shape = (int(data.shape[0]), int(data.shape[1]))
    kept = section_slices(trim or "[*,*]", shape)
    image = np.array(data[kept], dtype=np.float64)
    if overscan is None:
        none = np.zeros((1, 1))
        return Overscanned(image, none, none, kept)
    strip = section_slices(overscan, shape)
    axis = _across(strip, kept, overscan)
    lines = list(strip)
    lines[1 - axis] = kept[1 - axis]
    samples = np.array(data[tuple(lines)], dtype=np.float64)
    if bad is not None:
        samples[bad[tuple(lines)]] = np.nan
    level, err = _line_levels(samples if axis == 1 else samples.T)
    if not np.isfinite(level).any():
        raise ValueError(f"overscan {overscan!r} has no good pixel")
    level, err = _along(level, err, method, window)
    turned = (-1, 1) if axis == 1 else (1, -1)
    level, err = level.reshape(turned), err.reshape(turned)
    return Overscanned(image - level, level, err, kept)


def _across(strip: tuple[slice, slice], kept: tuple[slice, slice], text: str) -> int:
    """Return the axis over which the overscan is averaged: 1 for a strip beside the image."""
    whole = [
        axis
        for axis, (s, k) in enumerate(zip(strip, kept, strict=True))
        if s.start <= k.start and s.stop >= k.stop
    ]
    if not whole:
        raise ValueError(f"overscan {text!r} does not run along the whole of the image")
    # A strip along both can only be the whole frame's border: the shorter side is across.
    along = max(whole, key=lambda axis: strip[axis].stop - strip[axis].start)
    return 1 - along


def _line_levels(samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and its error of each row of samples, NaN where a row has none."""
    known = np.isfinite(samples)
    ordered = np.ma.median(np.ma.masked_array(samples, ~known), axis=1)
    middle = np.ma.filled(ordered.astype(np.float64), np.nan)
    off = samples - middle[:, None]
    # All lines are read with the same noise; the MAD of few whole numbers is a poor measure of it.
    sigma = float(sigma_clipped_stats(off[known], sigma=_CLIP)[2]) if known.any() else 0.0
    good = known & (np.abs(off) <= _CLIP * max(sigma, 12.0**-0.5))
    count = good.sum(axis=1)
    some = np.maximum(count, 1)
    mean = np.where(good, samples, 0.0).sum(axis=1) / some
    return np.where(count > 0, mean, np.nan), sigma / np.sqrt(some)


def _along(
    level: NDArray[np.float64], err: NDArray[np.float64], method: str, window: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = np.isfinite(level)
    if method == "constant":
        centre = float(np.median(level[known]))
        usual = known & (np.abs(level - centre) <= _OWN * np.maximum(err, mad_std(level[known])))
        mean = np.array([level[usual].mean()])
        return mean, np.array([np.sqrt((err[usual] ** 2).sum()) / usual.sum()])
    at = np.arange(level.size)
    filled = np.interp(at, at[known], level[known])
    filled_err = np.interp(at, at[known], err[known])
    if method == "rows":
        return filled, filled_err
    size = min(window, level.size) // 2 * 2 - 1
    if size < 3:
        return filled, filled_err
    middle = np.asarray(median_filter(filled, size, mode="reflect"))
    near = np.abs(filled - middle) <= _OWN * filled_err
    # Lines are fitted in the window: their mean would be wrong at both ends, where it is one-sided.
    smooth = np.asarray(savgol_filter(np.where(near, filled, middle), size, 1, mode="interp"))
    beyond = np.maximum(size // 2 - np.minimum(at, level.size - 1 - at), 0)
    smooth_err = filled_err * np.sqrt((1.0 + 12.0 * beyond**2 / (size**2 - 1.0)) / size)
    own = known & (np.abs(filled - smooth) > _OWN * filled_err)
    return np.where(own, filled, smooth), np.where(own, filled_err, smooth_err)
