"""Replace bad pixels by the median of the good ones around them."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

__all__ = ["fill_local_median"]


def fill_local_median(
    images: NDArray[np.floating],
    bad: NDArray[np.bool_],
    *,
    box: int = 3,
    default: float = 0.0,
) -> NDArray[np.float64]:
    """Fill flagged pixels with the median of the good pixels in a box about each.

    Parameters
    ----------
    images : ndarray (..., ny, nx)
        One image or a stack of them.
    bad : ndarray of bool (..., ny, nx)
        Pixels to fill. Pixels that are not finite are filled too, and none of either kind
        enters a median.
    box : int
        Side of the box in pixels; its half width is ``box // 2``, and it is cut at the
        frame's edges.
    default : float
        Value where no good pixel is in the box.

    Returns
    -------
    ndarray (..., ny, nx), float64
        A new array; good pixels keep their values.

    Notes
    -----
    The rule is that of the host's ``median_replace_img`` (jwst 3.0), except that a box
    reaching over the left or lower edge is cut there, where the host fills zero.
    """
    out = np.array(images, dtype=np.float64)
    bad = bad | ~np.isfinite(out)
    if not bad.any():
        return out
    half = box // 2
    ny, nx = out.shape[-2:]
    planes = out.reshape(-1, ny, nx)
    skip = bad.reshape(-1, ny, nx)
    planes[skip] = default
    size = (1, 2 * half + 1, 2 * half + 1)
    reached = np.asarray(maximum_filter(~skip, size, mode="constant"), np.bool_)
    plane, row, col = np.nonzero(skip & reached)
    if not plane.size:
        return out
    steps = np.arange(-half, half + 1)
    rows = row[:, None, None] + steps[:, None]
    cols = col[:, None, None] + steps
    inside = (rows >= 0) & (rows < ny) & (cols >= 0) & (cols < nx)
    at = (plane[:, None, None], np.clip(rows, 0, ny - 1), np.clip(cols, 0, nx - 1))
    boxes = np.where(inside & ~skip[at], planes[at], np.nan).reshape(plane.size, -1)
    planes[plane, row, col] = _median_of_finite(boxes, default)
    return out


def _median_of_finite(values: NDArray[np.float64], default: float) -> NDArray[np.float64]:
    """Return the median of each row's finite values; ``default`` where a row has none."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(values.shape[0])
    low = ordered[rows, np.maximum(count - 1, 0) // 2]
    high = ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    return np.where(count > 0, 0.5 * (low + high), default)
