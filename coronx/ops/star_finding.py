"""Find stars in a CCD image."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photutils.detection import DAOStarFinder
from photutils.utils.exceptions import NoDetectionsWarning
from scipy.ndimage import gaussian_filter, label
from scipy.spatial import KDTree

from coronx.ops.star_background import background_of, discs
from coronx.ops.star_fit import FWHM, ellipse, fit_gaussians

__all__ = ["FoundStars", "find_stars", "nearest"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUNDS = 5  # of finding and measuring the FWHM
_SAME = 0.1  # relative change of the stars' variances at which the rounds end
_MEASURED = 60  # stars that the FWHM is measured of
_LADDER = (1.0, 2.0, 4.0)  # times the FWHM told, where it finds too few
_ENOUGH = 5  # stars that a FWHM is believed of
_SHARPEST = 1.0  # pixels: what is narrower is a hot pixel or a cosmic ray
_PIXELS = 2.5  # least FWHM in pixels that are put together
_TRAILED = 0.8  # axis ratio of what is not looked for with a round kernel
_COLD = 5.0  # sigma below the background: no light is negative, the pixel is bad
_BAD_CORE = 0.5  # share of a star's core that may be bad


@dataclass(frozen=True)
class FoundStars:
    """Stars found, brightest first.

    Attributes
    ----------
    x, y : ndarray (n,)
        0-based places.
    x_sigma, y_sigma : ndarray (n,)
        Their 1-sigma errors; NaN for a saturated star, and where the fit failed.
    peak : ndarray (n,)
        Brightest good pixel of each, above the background.
    saturated : ndarray of bool (n,)
        Whether a pixel within one FWHM is saturated.
    shape : ndarray (3,)
        Median variance of the stars along x and y, and their covariance, in squared pixels.
    fwhm : float
        FWHM of a circle of the same area, in pixels.
    level, rms : ndarray (ny, nx)
        Background and its noise.
    bad : ndarray of bool (ny, nx)
        Pixels that were left out: those told, and those more than 5 sigma below the background.
    """

    x: Array
    y: Array
    x_sigma: Array
    y_sigma: Array
    peak: Array
    saturated: Mask
    shape: Array
    fwhm: float
    level: Array
    rms: Array
    bad: Mask


def find_stars(
    image: NDArray[Any],
    bad: Mask,
    saturated: Mask,
    *,
    err: NDArray[Any] | None = None,
    fwhm: float = 3.0,
    threshold: float = 7.0,
    box: int = 64,
) -> FoundStars:
    """Find stars, at first with a FWHM told, then with the one that they have.

    DAOFIND (Stetson 1987, PASP 99, 191) as in photutils on the image less its background; then
    each place is fitted with the mean Gaussian of the stars, which reaches the limit of the noise
    as DAOFIND's own do not.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image.
    bad : ndarray of bool (ny, nx)
        Pixels to leave out; those that are not finite always are.
    saturated : ndarray of bool (ny, nx)
        Saturated pixels. A star whose core they fill is placed at their centre.
    err : ndarray (ny, nx), optional
        1-sigma errors; by default the noise of the background.
    fwhm : float
        FWHM in pixels to begin with.
    threshold : float
        Limit of detection, in standard deviations of the background.
    box : int
        Side of the boxes that the background is measured in, in pixels.

    Returns
    -------
    FoundStars
        Of no stars, with a FWHM that is NaN, where there is none.

    Raises
    ------
    ValueError
        If there are too few good pixels to tell a background.
    """
    values = np.asarray(image, np.float64)
    out = bad | ~np.isfinite(values)
    saturated = saturated & ~bad
    values = np.where(np.isfinite(values), values, 0.0)
    level, rms = background_of(values, out | saturated, box=box)
    out |= values - level < -_COLD * rms
    x = y = np.zeros(0)
    shape = np.full(3, np.nan)
    for step in _LADDER:
        first = np.array([1.0, 1.0, 0.0]) * (step * fwhm / FWHM) ** 2
        x, y, shape = _rounds(values - level, rms, out, saturated, first, threshold)
        if np.isfinite(shape).all() and x.size >= _ENOUGH:
            break
    if np.isfinite(shape).all():
        # The stars' own light is no background.
        own = discs(values.shape, x, y, radius=2.0 * _width(shape))
        level, rms = background_of(values, out | saturated | own, box=box)
        x, y, shape = _rounds(values - level, rms, out, saturated, shape, threshold)
    clean = values - level
    if not np.isfinite(shape).all():
        none = np.zeros(0)
        return FoundStars(
            none, none, none, none, none, none > 0, shape, float("nan"), level, rms, out
        )  # fmt: skip
    width = _width(shape)
    ok = ~out & ~saturated
    full = _near(saturated, x, y, width)
    sigma = rms if err is None else np.where(np.isfinite(err), err, rms)
    fit = fit_gaussians(
        clean, sigma, ok, x, y, shape=(shape[0], shape[1], shape[2]), radius=1.5 * width
    )
    moved = np.isfinite(fit.x) & ~full & (np.hypot(fit.x - x, fit.y - y) < 0.7 * width)
    x, y = np.where(moved, fit.x, x), np.where(moved, fit.y, y)
    x_sigma, y_sigma = (np.where(moved, s, np.nan) for s in (fit.x_sigma, fit.y_sigma))
    peak = _peaks(np.where(out, -np.inf, clean), x, y, width)
    order = np.argsort(-peak, kind="stable")
    return FoundStars(
        x[order], y[order], x_sigma[order], y_sigma[order], peak[order], full[order],
        shape, width, level, rms, out,
    )  # fmt: skip


def nearest(x: Array, y: Array) -> Array:
    """Return the distance of each place from its nearest neighbour, (n,); infinite if alone."""
    if x.size < 2:
        return np.full(x.size, np.inf)
    place = np.column_stack([x, y])
    return np.asarray(KDTree(place).query(place, k=2)[0])[:, 1]


def _rounds(
    clean: Array, rms: Array, bad: Mask, saturated: Mask, shape: Array, threshold: float
) -> tuple[Array, Array, Array]:
    """Find stars until their shape is the one that they were looked for with."""
    x = y = np.zeros(0)
    for _ in range(_ROUNDS):
        x, y = _detect(clean, rms, bad, saturated, shape, threshold)
        before, shape = shape, _shape(clean, rms, ~bad & ~saturated, saturated, x, y, _width(shape))
        if not np.isfinite(shape).all() or np.abs(shape - before).max() < _SAME * before[:2].max():
            break
    return x, y, shape


def _width(shape: Array) -> float:
    """Return the FWHM of a circle of an ellipse's area; NaN of none."""
    return float(FWHM * max(shape[0] * shape[1] - shape[2] ** 2, 0.0) ** 0.25)


def _detect(
    clean: Array,
    rms: Array,
    bad: Mask,
    saturated: Mask,
    shape: Array,
    threshold: float,
) -> tuple[Array, Array]:
    fwhm = _width(shape)
    sigma = fwhm / FWHM
    good = (~bad).astype(np.float64)
    near = gaussian_filter(good, sigma, mode="constant")
    smooth = gaussian_filter(np.where(bad, 0.0, clean), sigma, mode="constant")
    filled = np.where(bad, smooth / np.maximum(near, 0.1), clean)
    # DAOFIND looks at single pixels, too: those of wide stars would be noise alone.
    side = max(int(fwhm / _PIXELS), 1)
    major, minor, angle = ellipse(shape / side**2)
    ratio = float(minor / major)
    finder = DAOStarFinder(
        threshold=threshold * _binned(rms, side) / side,
        fwhm=max(float(major), 1.5),
        ratio=ratio if ratio < _TRAILED else 1.0,
        theta=float(angle),
        min_separation=fwhm / side,
        # DAOFIND's limits of roundness are for round stars.
        roundness_range=(-1.0, 1.0) if ratio >= _TRAILED else (-2.0, 2.0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        found = finder.find_stars(_binned(filled, side))
    x = y = np.zeros(0)
    if found is not None:
        x, y = (np.asarray(found[name], np.float64) for name in ("x_centroid", "y_centroid"))
        x, y = side * (x + 0.5) - 0.5, side * (y + 0.5) - 0.5
    ny, nx = clean.shape
    inside = (x > -0.5) & (y > -0.5) & (x < nx - 0.5) & (y < ny - 0.5)
    x, y = x[inside], y[inside]
    core = near[np.rint(y).astype(int), np.rint(x).astype(int)] if x.size else x
    edge = 0.5 * fwhm
    keep = (core > _BAD_CORE) & (np.minimum(x, nx - 1 - x) > edge)
    keep &= np.minimum(y, ny - 1 - y) > edge
    return _with_saturated(saturated, x[keep], y[keep], fwhm)


def _binned(values: Array, side: int) -> Array:
    """Return means of squares of pixels; what is over at the right and above is left out."""
    rows, cols = (length // side for length in values.shape)
    blocks = values[: rows * side, : cols * side].reshape(rows, side, cols, side)
    return blocks.sum(axis=3).sum(axis=1) / side**2


def _with_saturated(saturated: Mask, x: Array, y: Array, fwhm: float) -> tuple[Array, Array]:
    """Put one star at the middle of each large saturated region, in place of what is at its rim."""
    labels = np.zeros(saturated.shape, np.int32)
    label(saturated, structure=np.ones((3, 3)), output=labels)
    sizes = np.bincount(labels.ravel())
    for region in np.flatnonzero(sizes >= max(0.5 * fwhm**2, 4.0)):
        if region == 0:
            continue
        rows, cols = np.nonzero(labels == region)
        # A column that bleeds is long: the star is where the region is widest.
        widths = np.bincount(rows - rows.min())
        wide = widths[rows - rows.min()] > 0.7 * widths.max()
        middle = np.array([cols[wide].mean(), rows[wide].mean()])
        away = KDTree(np.column_stack([cols, rows])).query(
            np.column_stack([x, y]), distance_upper_bound=1.5 * fwhm
        )[0]
        apart = ~np.isfinite(np.asarray(away))
        x, y = np.append(x[apart], middle[0]), np.append(y[apart], middle[1])
    return x, y


def _shape(
    clean: Array, rms: Array, good: Mask, saturated: Mask, x: Array, y: Array, fwhm: float
) -> Array:
    """Return the median shape of bright stars that stand alone; NaN if there is none."""
    if not x.size:
        return np.full(3, np.nan)
    peak = _peaks(np.where(good, clean, -np.inf), x, y, fwhm)
    lonely = (nearest(x, y) > 3.0 * fwhm) & ~_near(saturated, x, y, fwhm)
    if np.count_nonzero(lonely) < _ENOUGH:
        lonely = ~_near(saturated, x, y, fwhm)
    bright = np.flatnonzero(lonely)
    bright = bright[np.argsort(-peak[bright])][:_MEASURED]
    variance = (fwhm / FWHM) ** 2
    fit = fit_gaussians(
        clean, rms, good, x[bright], y[bright], shape=(variance, variance, 0.0),
        radius=max(1.25 * fwhm, 2.5), free=True,
    )  # fmt: skip
    star = np.isfinite(fit.x) & (fit.fwhm > _SHARPEST)
    if not star.any():
        return np.full(3, np.nan)
    middle = np.median(fit.shape[star], axis=0)
    # Of noise, shapes are of all kinds, and their median may be none.
    return middle if _width(middle) > _SHARPEST else np.full(3, np.nan)


def _near(mask: Mask, x: Array, y: Array, radius: float) -> Mask:
    """Return whether a pixel of a mask is near each place."""
    rows, cols = np.nonzero(mask)
    if not rows.size or not x.size:
        return np.zeros(x.size, bool)
    away = KDTree(np.column_stack([cols, rows])).query(
        np.column_stack([x, y]), distance_upper_bound=radius
    )[0]
    return np.isfinite(np.asarray(away))


def _peaks(values: Array, x: Array, y: Array, fwhm: float) -> Array:
    """Return the brightest pixel within half a FWHM of each place."""
    half = max(round(0.5 * fwhm), 1)
    dy, dx = (d.ravel() for d in np.indices((2 * half + 1, 2 * half + 1)) - half)
    rows = np.clip(np.rint(y).astype(int)[:, None] + dy, 0, values.shape[0] - 1)
    cols = np.clip(np.rint(x).astype(int)[:, None] + dx, 0, values.shape[1] - 1)
    return np.maximum(values[rows, cols].max(axis=1, initial=-np.inf), 0.0)
