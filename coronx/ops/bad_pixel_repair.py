"""Repair bad pixels, and say how well."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.convolution import Gaussian2DKernel
from numpy.typing import NDArray

from coronx.ops.bad_pixel_time_repair import finite_median, repair_over_time
from coronx.ops.bad_pixel_transients import masked_median
from coronx.ops.prediction import NOISES, OFFSETS, contrast, predictor

__all__ = ["METHODS", "Repaired", "repair_pixels"]

METHODS = ("timemed", "localmed", "medfilt", "interp2d", "kernel")
"""Names of the methods."""

_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
_TRIALS = 3  # neighbours that an error needs
_PEAKED = 0.7  # excess of the squared error at a peak over that around it
_MOST = 4_000_000  # values gathered at a time

_Estimate = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Repaired:
    """Images with bad pixels repaired.

    Attributes
    ----------
    images, err : ndarray (n, ny, nx), float64
        New values and errors at repaired pixels, the given ones elsewhere.
    left : ndarray of bool (n, ny, nx)
        Bad pixels that no method could repair.
    counts : dict of str to int
        Pixels that each method repaired.
    """

    images: NDArray[np.float64]
    err: NDArray[np.float64]
    left: NDArray[np.bool_]
    counts: dict[str, int]


def repair_pixels(
    images: NDArray[np.floating],
    err: NDArray[np.floating],
    bad: NDArray[np.bool_],
    avoid: NDArray[np.bool_],
    *,
    methods: Sequence[str],
    fwhm: float,
    localmed_box: int = 3,
    medfilt_size: int = 5,
    medfilt_fewest: int = 1,
    kernel_fwhm: float | None = None,
) -> Repaired:
    """Repair pixels by methods in order: a later one takes what an earlier one left.

    Parameters
    ----------
    images, err : ndarray (n, ny, nx)
        Images and their 1-sigma errors.
    bad : ndarray of bool (n, ny, nx)
        Pixels to repair.
    avoid : ndarray of bool (n, ny, nx)
        Pixels neither to repair nor to learn from. Those that are not finite are never
        learned from.
    methods : sequence of str
        Of `METHODS`: median of the other integrations, brought to the local level; median
        of the good pixels in a box with at least half of them good; median filter, good
        pixels only; prediction from the good among 24 neighbours (`coronx.ops.prediction`);
        normalised convolution with a Gaussian.
    fwhm : float
        Full width at half maximum of the PSF in pixels.
    localmed_box, medfilt_size : int
        Sides of the boxes in pixels, odd.
    medfilt_fewest : int
        Good pixels that the median filter needs in its box.
    kernel_fwhm : float, optional
        FWHM of the Gaussian in pixels; by default the PSF's.

    Returns
    -------
    Repaired

    Raises
    ------
    ValueError
        If a method is not known.

    Notes
    -----
    The error is measured: the same repair, with the same pixels left out, is applied to the
    good neighbours, and its rms difference from what they hold is taken. That includes the
    neighbours' own noise, so that the error is rather too large than too small; it is never
    less than the typical error of the neighbours.
    """
    for method in methods:
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}; known are {', '.join(METHODS)}")
    values, errors = (np.array(a, dtype=np.float64) for a in (images, err))
    usable = ~bad & ~avoid & np.isfinite(values)
    left = bad & ~avoid
    counts = dict.fromkeys(methods, 0)
    for method in methods:
        if not left.any():
            break
        before = int(left.sum())
        if method == "timemed":
            repair_over_time(values, errors, usable, left)
        else:
            box = {"localmed": localmed_box, "medfilt": medfilt_size}.get(method, 5)
            sigma = (kernel_fwhm or fwhm) / _FWHM
            for plane in range(len(values)):
                if left[plane].any():
                    arrays = values[plane], errors[plane], usable[plane], left[plane]
                    few = box**2 // 2 if method == "localmed" else medfilt_fewest
                    _over_space(*arrays, method, fwhm, box, sigma, few)
        counts[method] += before - int(left.sum())
    return Repaired(values, errors, left, counts)


def _over_space(
    image: NDArray[np.float64],
    err: NDArray[np.float64],
    usable: NDArray[np.bool_],
    left: NDArray[np.bool_],
    method: str,
    fwhm: float,
    box: int,
    sigma: float,
    few: int,
) -> None:
    """Repair one image in place."""
    rows, cols = np.nonzero(left)
    kernel = np.asarray(Gaussian2DKernel(sigma).array) if method == "kernel" else None
    side = box if kernel is None else len(kernel)
    offsets = np.array(
        [(y, x) for y in range(side) for x in range(side) if (y, x) != (side // 2, side // 2)]
    )
    shares = None if kernel is None else kernel[offsets[:, 0], offsets[:, 1]]
    offsets = offsets - side // 2
    reach = side // 2 + 2
    image_wide = np.pad(np.where(usable, image, 0.0), reach)
    err_wide = np.pad(
        np.where(usable & np.isfinite(err), err, np.nan), reach, constant_values=np.nan
    )
    usable_wide = np.pad(usable, reach)
    block = max(1, _MOST // (len(OFFSETS) * len(offsets)))
    for start in range(0, rows.size, block):
        at = slice(start, start + block)
        y, x = rows[at] + reach, cols[at] + reach
        around = y[:, None] + offsets[:, 0], x[:, None] + offsets[:, 1]
        ok = usable_wide[around]
        noise = finite_median(err_wide[y[:, None] + OFFSETS[:, 0], x[:, None] + OFFSETS[:, 1]])
        estimate = _estimator(method, image_wide[around], ok, noise, fwhm, shares, few)
        value = estimate(image_wide[around])
        done = np.isfinite(value)
        image_wide[y[done], x[done]] = value[done]
        image[rows[at][done], cols[at][done]] = value[done]
    # Errors come after all values: trials reach over other repaired pixels.
    known = usable_wide | (image_wide != 0.0)
    for start in range(0, rows.size, block):
        at = slice(start, start + block)
        y, x = rows[at] + reach, cols[at] + reach
        ok = usable_wide[y[:, None] + offsets[:, 0], x[:, None] + offsets[:, 1]]
        around = y[:, None] + offsets[:, 0], x[:, None] + offsets[:, 1]
        noise = finite_median(err_wide[y[:, None] + OFFSETS[:, 0], x[:, None] + OFFSETS[:, 1]])
        estimate = _estimator(
            method, np.where(ok, image_wide[around], 0.0), ok, noise, fwhm, shares, few
        )
        done = np.isfinite(estimate(image_wide[around]))
        square, count = np.zeros(y.size), np.zeros(y.size, dtype=int)
        for dy, dx in OFFSETS:
            ty, tx = y + dy, x + dx
            there = ty[:, None] + offsets[:, 0], tx[:, None] + offsets[:, 1]
            fair = usable_wide[ty, tx] & (known[there] | ~ok).all(axis=1)
            miss = image_wide[ty, tx] - estimate(image_wide[there])
            square += np.where(fair, np.nan_to_num(miss) ** 2, 0.0)
            count += fair
        scatter = np.where(ok, image_wide[around], np.nan)
        floor = np.nan_to_num(noise)
        rms = np.sqrt(square / np.maximum(count, 1))
        rough = _spread(scatter)
        error = np.where(count >= _TRIALS, rms, rough)
        # A feature is sharpest where the bad pixel may be, not at its neighbours.
        error = np.sqrt(error**2 + _PEAKED * np.maximum(error**2 - floor**2, 0.0))
        error = np.maximum(error, floor)
        err[rows[at][done], cols[at][done]] = error[done]
        left[rows[at][done], cols[at][done]] = False


def _estimator(
    method: str,
    values: NDArray[np.float64],
    ok: NDArray[np.bool_],
    noise: NDArray[np.float64],
    fwhm: float,
    shares: NDArray[np.float64] | None,
    few: int,
) -> _Estimate:
    """Return the function that estimates a pixel from the values around it."""
    if method in ("localmed", "medfilt"):
        enough = ok.sum(axis=1) >= few
        return lambda v: np.where(enough, masked_median(v.T, ok.T), np.nan)
    if shares is not None:
        weights = shares * ok
        total = weights.sum(axis=1)
        weights /= np.where(total > 0, total, np.nan)[:, None]
    else:
        model = predictor(round(float(fwhm), 2))
        rows = model.rows(ok)
        ratio = (np.nan_to_num(noise, nan=1.0) / np.maximum(contrast(values, ok), 1e-30)) ** 2
        choice = np.abs(np.log(np.maximum(ratio, 1e-30))[:, None] - np.log(NOISES)).argmin(axis=1)
        weights = np.zeros(ok.shape)
        for number, level in enumerate(NOISES):
            mine = choice == number
            weights[mine] = model.weights(rows[mine], level)
    return lambda v: np.einsum("ij,ij->i", weights, v)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    good = np.isfinite(values)
    number = np.maximum(good.sum(axis=1), 1)
    mean = np.where(good, values, 0.0).sum(axis=1) / number
    return np.sqrt(np.where(good, (values - mean[:, None]) ** 2, 0.0).sum(axis=1) / number)
