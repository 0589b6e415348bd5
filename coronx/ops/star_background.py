"""The background that stars stand on."""

from typing import Any, cast

import numpy as np
from astropy.stats import sigma_clip
from numpy.typing import NDArray
from photutils.background import Background2D, MADStdBackgroundRMS, SExtractorBackground

__all__ = ["background_of", "discs"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEWEST = 16  # good pixels of an image
_LEAST = 0.2  # of the median noise, in a box
_TINY = 1e-12


def background_of(values: NDArray[Any], masked: Mask, *, box: int = 64) -> tuple[Array, Array]:
    """Return the background of an image and its noise.

    photutils' `Background2D` with the mode of SExtractor (Bertin & Arnouts 1996, A&AS 117, 393).
    Where no box has a quarter of its pixels left, the whole image has one level.

    Parameters
    ----------
    values : ndarray (ny, nx)
        Image, finite.
    masked : ndarray of bool (ny, nx)
        Pixels to leave out: bad ones, stars.
    box : int
        Side of the boxes in pixels.

    Returns
    -------
    level, rms : ndarray (ny, nx)
        Never less than a fifth of the median noise, so that no ripple is a star where the
        values are few.

    Raises
    ------
    ValueError
        If fewer than 16 pixels are left.
    """
    good = np.asarray(values, np.float64)[~masked]
    if good.size < _FEWEST:
        raise ValueError(f"only {good.size} good pixels to tell the background")
    size = (min(box, values.shape[0]), min(box, values.shape[1]))
    try:
        found = Background2D(
            values,
            size,
            mask=masked,
            exclude_percentile=75.0,
            bkg_estimator=SExtractorBackground(),
            bkg_rms_estimator=MADStdBackgroundRMS(),
        )
    except ValueError:
        clipped = np.asarray(sigma_clip(good, sigma=3.0, maxiters=10, masked=False), np.float64)
        level = np.full(values.shape, float(np.median(clipped)), np.float64)
        return level, np.full(values.shape, max(float(np.std(clipped)), _TINY), np.float64)
    level = np.array(cast("Array", found.background), np.float64)
    rms = np.array(cast("Array", found.background_rms), np.float64)
    floor = _LEAST * float(np.median(rms)) + _TINY
    return level, np.where(rms > floor, rms, floor)


def discs(shape: tuple[int, ...], x: Array, y: Array, *, radius: float) -> Mask:
    """Return the pixels near any of many places.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    x, y : ndarray (n,)
        0-based places.
    radius : float
        In pixels.

    Returns
    -------
    ndarray of bool (ny, nx)
    """
    half = int(np.ceil(radius))
    dy, dx = (d.ravel() for d in np.indices((2 * half + 1, 2 * half + 1)) - half)
    inside = np.hypot(dx, dy) <= radius
    rows = np.rint(y).astype(int)[:, None] + dy[inside]
    cols = np.rint(x).astype(int)[:, None] + dx[inside]
    there = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
    made = np.zeros(shape, np.bool_)
    made[rows[there], cols[there]] = True
    return made
