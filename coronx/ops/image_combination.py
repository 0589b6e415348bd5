"""Combine images of one grid into one, without what is in single ones only."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.utils.exceptions import AstropyUserWarning
from ccdproc import Combiner
from numpy.typing import NDArray

from coronx.ops.median_efficiency import median_efficiency

__all__ = ["Combination", "combine_images"]


@dataclass(frozen=True)
class Combination:
    """Images combined.

    Attributes
    ----------
    data : ndarray (ny, nx), float32
        NaN where no image has data.
    err : ndarray (ny, nx), float32, or None
        1-sigma error; None if none was given.
    dq : ndarray of uint32 (ny, nx)
        Flags of what was combined; of all, and `no_data`, where there is nothing.
    count : ndarray of int (ny, nx)
        Images in each pixel.
    clipped : ndarray of bool (n, ny, nx)
        Pixels left out as outliers.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32] | None
    dq: NDArray[np.uint32]
    count: NDArray[np.intp]
    clipped: NDArray[np.bool_]


def combine_images(
    data: NDArray[np.floating],
    err: NDArray[np.floating] | None,
    dq: NDArray[np.uint32],
    *,
    method: str = "mean",
    clip: str = "errors",
    sigma: float = 5.0,
    tolerance: float = 0.5,
    scales: Sequence[float] | None = None,
    offsets: Sequence[float] | None = None,
    weights: Sequence[float] | None = None,
    bad_bits: int = 1,
    poor_bits: int = 0,
    no_data: int = 1,
) -> Combination:
    """Combine images with ccdproc's Combiner.

    Parameters
    ----------
    data, err : ndarray (n, ny, nx)
        Images on one grid, and their 1-sigma errors, in any unit.
    dq : ndarray of uint32 (n, ny, nx)
        Flags.
    method : {"mean", "median", "sum"}
        The weighted mean, the median, or the sum of as many images as there are: where some are
        left out, the mean of the others stands for them.
    clip : {"errors", "scatter", "none"}
        What outliers are measured by: their errors, or the scatter of a pixel's values (1.4826
        times the median absolute deviation), which takes about eight images to be known.
    sigma : float
        Limit of the deviation from the median.
    tolerance : float
        Deviations of less than this share of the light above the sky are never clipped: images
        of different seeing differ in the stars, which are no outliers.
    scales, offsets : sequence of float (n,), optional
        Each image is taken for ``scale * (image - offset)``; 1 and 0 by default.
    weights : sequence of float (n,), optional
        Weights of the images, for the mean and the sum; equal by default.
    bad_bits : int
        Flags of pixels to leave out; those that are not finite are, too.
    poor_bits : int
        Flags of pixels that are left out where an image has one without.
    no_data : int
        Flags set where no image has data.

    Returns
    -------
    Combination

    Raises
    ------
    ValueError
        If a method is unknown, clipping by errors is asked for without any, or a scale
        or a weight is not positive.

    Notes
    -----
    The error is propagated from the images' own: that of the weighted mean, or for the median
    that of the mean times the root of `median_efficiency`. Combiner's uncertainty, the scatter of
    the few values of a pixel, is not used, nor its weights of images: it divides by the sum of all
    weights, those of masked pixels, too.
    """
    count = len(data)
    scale, weight = (
        np.ones(count) if given is None else np.asarray(given, np.float64)
        for given in (scales, weights)
    )
    offset = np.zeros(count) if offsets is None else np.asarray(offsets, np.float64)
    _check(method, clip, err, scale, weight)
    values = scale[:, None, None] * (np.asarray(data, np.float64) - offset[:, None, None])
    noise = None if err is None else scale[:, None, None] * np.asarray(err, np.float64)
    good = np.isfinite(values) & ((dq & np.uint32(bad_bits)) == 0)
    if noise is not None:
        good &= np.isfinite(noise)
    sound = good & ((dq & np.uint32(poor_bits)) == 0)
    good &= sound | ~sound.any(axis=0)
    values[~good] = np.nan
    combiner = Combiner(
        [CCDData(plane, mask=~use, unit=u.dimensionless_unscaled)
         for plane, use in zip(values, good, strict=True)]
    )  # fmt: skip
    clipped = np.zeros(good.shape, np.bool_)
    if clip != "none":
        clipped = good & _outliers(combiner, values, noise if clip == "errors" else None, sigma)
        clipped &= _beyond_seeing(values, tolerance)
    used = good & ~clipped
    combiner.data_arr.mask = ~used
    many = used.sum(axis=0)
    share = np.where(used, weight[:, None, None], 0.0)
    total = np.where(many > 0, share.sum(axis=0), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels without data
        if method == "median":
            made = np.asarray(combiner.median_combine(uncertainty_func=_none).data)
        else:
            combiner.weights = np.where(used, share, np.nan)
            made = np.asarray(combiner.average_combine(uncertainty_func=_none).data)
    factor = float(count) if method == "sum" else 1.0
    sky = np.where(many > 0, made * factor, np.nan).astype(np.float32)
    flags = np.bitwise_or.reduce(np.where(used | (many == 0), dq, 0), axis=0).astype(np.uint32)
    flags[many == 0] |= np.uint32(no_data)
    error = None
    if noise is not None:
        if method == "median":
            share, total = np.where(used, 1.0, 0.0), np.maximum(many, 1)
        variance = np.sum(np.where(used, share * noise, 0.0) ** 2, axis=0) / total**2
        if method == "median":
            table = np.array([median_efficiency(k) if k else 1.0 for k in range(count + 1)])
            variance = variance * table[many]
        error = np.where(many > 0, np.sqrt(variance) * factor, np.nan).astype(np.float32)
    return Combination(sky, error, flags, many, clipped)


def _check(
    method: str,
    clip: str,
    err: NDArray[np.floating] | None,
    scale: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> None:
    if method not in ("mean", "median", "sum"):
        raise ValueError(f"method {method!r}; mean, median or sum")
    if clip not in ("errors", "scatter", "none"):
        raise ValueError(f"clip {clip!r}; errors, scatter or none")
    if clip == "errors" and err is None:
        raise ValueError("no errors to clip by; clip by scatter")
    for name, values in (("scale", scale), ("weight", weight)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"a {name} of {values.tolist()} is not positive")


def _none(values: NDArray[np.float64], axis: int = 0) -> NDArray[np.float64]:
    """Stand for the uncertainty that Combiner would work out, and nobody asks for."""
    return np.zeros(np.delete(values.shape, axis))


def _outliers(
    combiner: Combiner,
    values: NDArray[np.float64],
    noise: NDArray[np.float64] | None,
    sigma: float,
) -> NDArray[np.bool_]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels without data
        warnings.simplefilter("ignore", AstropyUserWarning)  # NaN, which are masked
        if noise is None:
            limit: Any = sigma  # which ccdproc takes to be whole
            combiner.sigma_clipping(limit, limit, func="median", dev_func="mad_std")
            return np.asarray(combiner.data_arr.mask).copy()
        middle = np.nanmedian(values, axis=0)
        # Of two, the median is between: only the other tells what is wrong, and not which.
        far = np.abs(values - middle) > sigma * noise
        return far & (np.isfinite(values).sum(axis=0) > 2)


def _beyond_seeing(values: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Return what differs from the others by more than stars of another seeing do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        middle = np.nanmedian(values, axis=0)
        light = np.maximum(middle - np.nanmedian(middle), 0.0)
        return np.abs(values - middle) > tolerance * light
