"""Stars by which two images are compared: single, whole and bright."""

import warnings
from typing import Any

import numpy as np
from astropy.stats import sigma_clipped_stats
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray
from photutils.detection import DAOStarFinder
from photutils.psf import fit_fwhm
from photutils.utils import NoDetectionsWarning
from scipy.ndimage import maximum_filter
from scipy.spatial import KDTree

__all__ = ["comparison_stars", "cut_stamps", "median_fwhm"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FAINT, _BRIGHT = 5.0, 20.0  # of the sky's noise: what disturbs a star, what is one to use
_SHARE = 0.03  # of a star's flux that a neighbour may have
_FIRST_FWHM = 4.0  # pixels, until it is measured
_SAMPLE = 15  # stars for the width


def comparison_stars(
    image: NDArray[np.floating],
    bad: Mask,
    *,
    radius: float | None = None,
    fwhm: float | None = None,
    most: int = 80,
) -> Array:
    """Find stars that stand alone, with no bad pixel and no edge near.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image; its sky is even.
    bad : ndarray of bool (ny, nx)
        Pixels to keep away from, saturated ones among them; not finite ones are bad, too.
    radius : float, optional
        Pixels about a star that must be good and without another star of more than 3 % of its
        flux; by default 3 times the FWHM.
    fwhm : float, optional
        Width of the stars in pixels; measured by default.
    most : int
        Stars to return, the brightest.

    Returns
    -------
    ndarray (n, 2)
        x and y, 0-based, brightest first; none if there is none.
    """
    values = np.asarray(image, dtype=np.float64)
    lost = bad | ~np.isfinite(values)
    if lost.all():
        return np.empty((0, 2))
    _, sky, noise = (float(v) for v in sigma_clipped_stats(values, mask=lost, stdfunc="mad_std"))
    values = np.where(lost, 0.0, values - sky)
    if not noise > 0.0:
        noise = 1e-6 * max(float(np.abs(values).max()), 1e-30)
    width, places = fwhm or _FIRST_FWHM, np.empty((0, 2))
    for turn in range(1 if fwhm else 2):
        found = _detected(values, lost, width, _FAINT * noise)
        reach = radius or 3.0 * width
        places = _single(found, lost, reach, _BRIGHT * noise)[:most]
        if turn or fwhm or not len(places):
            break
        measured = median_fwhm(values, lost, places[:_SAMPLE], width)
        width = measured if np.isfinite(measured) else width
    return places


def median_fwhm(image: NDArray[np.floating], bad: Mask, places: Array, fwhm: float) -> float:
    """Return the median FWHM of stars by Gaussian fits, in pixels; NaN if none can be fitted.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image less its sky.
    bad : ndarray of bool (ny, nx)
        Pixels to leave out.
    places : ndarray (n, 2)
        x and y of the stars.
    fwhm : float
        Their FWHM, roughly.
    """
    if not len(places):
        return float("nan")
    with warnings.catch_warnings():
        # A fit that does not converge is told by its width.
        warnings.simplefilter("ignore", AstropyUserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        fit: Any = fit_fwhm
        side = 2 * int(np.ceil(1.5 * fwhm)) + 1
        widths = np.asarray(
            fit(np.asarray(image, np.float64), xypos=places, fwhm=fwhm, fit_shape=side, mask=bad)
        )
    sane = np.isfinite(widths) & (widths > 0.3) & (widths < 6.0 * fwhm)
    return float(np.median(widths[sane])) if sane.any() else float("nan")


def cut_stamps(image: NDArray[np.floating], places: Array, reach: int) -> Array:
    """Return what is about stars, ndarray (n, 2 reach + 1, 2 reach + 1); they must be inside."""
    corners = np.round(places).astype(int)
    side = np.arange(-reach, reach + 1)
    rows = corners[:, 1, None, None] + side[:, None]
    cols = corners[:, 0, None, None] + side
    return np.asarray(image, dtype=np.float64)[rows, cols]


def _detected(values: Array, lost: Mask, fwhm: float, threshold: float) -> Array:
    finder = DAOStarFinder(threshold, fwhm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        table: Any = finder(values, mask=lost)
    if table is None:
        return np.empty((0, 4))
    names = ("x_centroid", "y_centroid", "flux", "peak")
    return np.column_stack([np.asarray(table[name], dtype=np.float64) for name in names])


def _single(found: Array, lost: Mask, reach: float, brightest_from: float) -> Array:
    """Return the places of bright detections that nothing disturbs, brightest first."""
    if not len(found):
        return np.empty((0, 2))
    found = found[np.argsort(-found[:, 2])]
    near = np.asarray(
        maximum_filter(lost, size=2 * int(np.ceil(reach)) + 1, mode="constant", cval=1), np.bool_
    )
    x, y = np.round(found[:, :2]).astype(int).T
    use = (found[:, 3] > brightest_from) & ~near[y, x]
    for one, other in KDTree(found[:, :2]).query_pairs(reach):
        low, high = sorted((one, other))  # the second is the fainter
        use[high] = False
        if found[high, 2] > _SHARE * found[low, 2]:
            use[low] = False
    return found[use, :2]
