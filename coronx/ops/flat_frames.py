"""Bring flat fields to one level."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FlatFrames", "scale_flats"]


@dataclass(frozen=True)
class FlatFrames:
    """Flat fields, less bias and dark current, each divided by its level.

    Attributes
    ----------
    frames : ndarray (n, ny, nx), float64
        Flat fields with median 1.
    levels : ndarray (n,), float64
        What each was divided by.
    shared : ndarray (ny, nx), float64
        Variance of their mean due to the errors of bias and dark, which all frames share.
    """

    frames: NDArray[np.float64]
    levels: NDArray[np.float64]
    shared: NDArray[np.float64]


def scale_flats(
    frames: NDArray[np.floating],
    bad: NDArray[np.bool_] | None = None,
    *,
    bias: NDArray[np.floating] | None = None,
    bias_err: NDArray[np.floating] | None = None,
    dark: NDArray[np.floating] | None = None,
    dark_err: NDArray[np.floating] | None = None,
    dark_ratios: NDArray[np.floating] | None = None,
) -> FlatFrames:
    """Subtract bias and dark current from flat fields, and divide each by its own median.

    Parameters
    ----------
    frames : ndarray (n, ny, nx)
        Flat fields in ADU.
    bad : ndarray of bool (n, ny, nx), optional
        Pixels to leave out of the medians.
    bias, bias_err : ndarray (ny, nx), optional
        Bias in ADU, and its 1-sigma error.
    dark, dark_err : ndarray (ny, nx), optional
        Dark in ADU, and its 1-sigma error.
    dark_ratios : ndarray (n,), optional
        Exposure time of each flat over that of the dark; 1 by default.

    Returns
    -------
    FlatFrames

    Raises
    ------
    ValueError
        If a level is not positive; its frame's number, from 0, is the second argument.
    """
    n = len(frames)
    ratios = np.ones(n) if dark_ratios is None else np.asarray(dark_ratios, np.float64)
    result = np.array(frames, dtype=np.float64)
    if bias is not None:
        result -= bias
    if dark is not None:
        result -= ratios[:, None, None] * dark
    levels = np.empty(n)
    for k, frame in enumerate(result):
        good = np.isfinite(frame) if bad is None else np.isfinite(frame) & ~bad[k]
        levels[k] = np.median(frame[good]) if good.any() else np.nan
        if not levels[k] > 0.0:
            raise ValueError(f"flat field {k} has a median of {levels[k]:.4g}", k)
    result /= levels[:, None, None]
    shared = np.zeros(frames.shape[1:])
    # A shared frame's error enters the mean of the scaled frames with its mean weight.
    for err, weights in ((bias_err, 1.0 / levels), (dark_err, ratios / levels)):
        if err is not None:
            shared += (weights.mean() * np.nan_to_num(err)) ** 2
    return FlatFrames(result, levels, shared)
