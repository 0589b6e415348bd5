"""Combine frames of the same thing to a master."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units
from astropy.nddata import CCDData
from ccdproc import Combiner
from numpy.typing import NDArray
from scipy.stats import chi2

from coronx.ops.pooled_noise import PooledNoise, pooled_noise

__all__ = ["Master", "combine_master"]

_BLOCK = 4_000_000  # samples combined at a time
_UNSTEADY = 3.0  # times the noise of its like: a pixel with a noise of its own
_MAD = 1.4826  # standard deviation over MAD of normal samples
_CHANCE = 1e-4  # probability that a pixel's scatter is larger


@dataclass(frozen=True)
class Master:
    """A master frame.

    Attributes
    ----------
    data, err : ndarray (ny, nx), float32
        Mean and its 1-sigma error; NaN where no sample is good.
    count : ndarray (ny, nx), int
        Samples that were averaged.
    rejected : int
        Samples that were clipped.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32]
    count: NDArray[np.int_]
    rejected: int


def combine_master(
    frames: NDArray[np.floating],
    bad: NDArray[np.bool_] | None = None,
    *,
    sigma: float = 5.0,
    gain: float | None = None,
) -> Master:
    """Average frames without what is far from their median.

    Parameters
    ----------
    frames : ndarray (n, ny, nx)
        Frames, n at least 2, in any unit.
    bad : ndarray of bool (n, ny, nx), optional
        Samples to leave out; those that are not finite always are.
    sigma : float
        Distance from the median, in standard deviations, beyond which a sample is left out.
    gain : float, optional
        Electrons per unit of the frames: the noise of pixels brighter than all others.

    Returns
    -------
    Master

    Raises
    ------
    ValueError
        If there are less than two frames, or no pixel is good in all of them.

    Notes
    -----
    The clipped average is ccdproc's. The standard deviation is that of all pixels of
    the level (`coronx.ops.pooled_noise`): the MAD of 3 to 10 samples is often far too small, and 0
    for whole numbers, so that good samples would be lost. Where the pixel's own MAD is more
    than 3 times that, as where it flickers, it is the MAD. Of two samples both are kept.

    The error is that of the mean of so many samples of that noise; of its own scatter where
    that is larger than chance makes it in one pixel of 10 000.
    """
    stack = np.array(frames, dtype=np.float64)
    stack[~np.isfinite(stack)] = np.nan
    if bad is not None:
        stack[bad] = np.nan
    noise = pooled_noise(stack, gain=gain)
    rows = max(1, _BLOCK // max(1, stack[:, 0].size))
    parts = [
        _combined(stack[:, start : start + rows], noise, sigma)
        for start in range(0, stack.shape[1], rows)
    ]
    data, err = (np.concatenate([part[k] for part in parts]).astype(np.float32) for k in (0, 1))
    count = np.concatenate([part[2] for part in parts])
    return Master(data, err, count, int(np.isfinite(stack).sum() - count.sum()))


def _combined(
    stack: NDArray[np.float64], noise: PooledNoise, sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int_]]:
    """Return mean, error and number of samples of a part of the stack."""
    good = np.isfinite(stack)
    middle = _median(stack, good)
    variance = noise.at(middle)
    usual = np.sqrt(variance)
    # The clip sees no mask: a bad sample is put where it does not deviate.
    filled = np.where(good, stack, middle)

    def centre(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:  # noqa: ARG001
        return middle

    def deviation(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        own = _MAD * np.median(np.abs(values - middle), axis=axis)
        return np.where(own > _UNSTEADY * usual, own, usual)

    combiner = Combiner(
        [CCDData(f, mask=~g, unit=units.adu) for f, g in zip(filled, good, strict=True)]
    )
    if len(stack) > 2:
        clip: Any = combiner.sigma_clipping  # its types are guessed from its defaults
        clip(low_thresh=sigma, high_thresh=sigma, func=centre, dev_func=deviation)
    kept = ~np.ma.getmaskarray(combiner.data_arr)
    with np.errstate(invalid="ignore"):  # its uncertainty, where nothing is left
        combined = combiner.average_combine(scale_func=np.ma.mean, uncertainty_func=_no_scatter)
    mean, count = np.array(combined.data), kept.sum(axis=0)
    free = np.maximum(count - 1, 1)
    chance = np.asarray(chi2.isf(_CHANCE, np.arange(1, len(stack) + 1)))[free - 1]
    square = np.where(kept, (filled - mean) ** 2, 0.0).sum(axis=0)
    excess = square > variance * chance
    err = np.sqrt(np.where(excess, square / free, variance) / np.maximum(count, 1))
    none = count == 0
    mean[none], err[none] = np.nan, np.nan
    return mean, err, count


def _median(stack: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the median of each pixel's good samples, 0 where there is none."""
    middle = np.asarray(np.median(stack, axis=0))  # NaN if one is
    at = np.nonzero(~good.all(axis=0))
    few = np.ma.masked_array(stack[:, *at], ~good[:, *at])
    middle[at] = np.ma.filled(np.ma.median(few, axis=0).astype(np.float64), 0.0)
    return middle


def _no_scatter(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return nothing for an uncertainty, which ccdproc takes of the scatter alone."""
    return np.zeros(np.delete(values.shape, axis))
