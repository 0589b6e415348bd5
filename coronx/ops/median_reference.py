"""One reference image of many, for classical subtraction."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["reference_image"]

_BLOCK = 4096  # pixels worked on at a time: they fit a cache


def reference_image(
    references: NDArray[np.floating], *, combine: str = "median"
) -> NDArray[np.float64]:
    """Return the mean or the median of reference images, pixel by pixel.

    Nothing is scaled: bring references of unlike brightness to one level first.

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Aligned images. Values that are not finite are left out.
    combine : {"mean", "median"}
        How.

    Returns
    -------
    ndarray (ny, nx)
        NaN where no reference has a finite value.

    Raises
    ------
    ValueError
        If there is no reference, or `combine` is none of these.
    """
    if combine not in ("mean", "median"):
        raise ValueError(f"combine = {combine!r}; give 'mean' or 'median'")
    nref, ny, nx = references.shape
    if nref == 0:
        raise ValueError("there is no reference; give one at least")
    flat = references.reshape(nref, -1)
    result = np.empty(ny * nx)
    for start in range(0, ny * nx, _BLOCK):
        block = slice(start, start + _BLOCK)
        # A row for each pixel: sorting works along what lies together.
        values = flat[:, block].T.astype(np.float64, order="C")
        values[~np.isfinite(values)] = np.nan
        result[block] = _mean(values) if combine == "mean" else _median(values)
    return result.reshape(ny, nx)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = values.sum(axis=1, where=finite)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    count = np.isfinite(values).sum(axis=1)
    ordered = np.sort(values, axis=1)  # NaN go to the end
    at = np.arange(len(ordered))
    low, high = ordered[at, np.maximum(count - 1, 0) // 2], ordered[at, count // 2]
    return 0.5 * low + 0.5 * high
