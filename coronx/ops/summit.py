"""The peaks of a sampled image: where between its samples they lie, and how high they are."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, maximum_filter, spline_filter

__all__ = ["peaks", "summit"]

Array = NDArray[np.float64]

_BOX = 4  # pixels on either side that the spline is made of
_ORDER = 5
_STEP = 0.3  # pixels between the places at which the spline is compared
_ROUNDS = 4
_FARTHEST = 1.0  # pixels, or steps, to go
_NEAR = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing="ij"))


def peaks(image: Array, searched: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the pixels that are the highest of nine, in descending order.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Finite where searched.
    searched : ndarray of bool (ny, nx)
        A peak and its eight neighbours are.

    Returns
    -------
    list of tuple of int
        Row and column of each.
    """
    low = np.where(searched, image, np.inf)
    highest = np.asarray(maximum_filter(low, size=3, mode="constant", cval=np.inf))
    rows, cols = np.nonzero(searched & (highest == image))
    order = np.argsort(image[rows, cols])[::-1]
    return [(int(rows[k]), int(cols[k])) for k in order]


def summit(image: Array, row: int, col: int) -> tuple[float, float, float]:
    """Return place and height of a peak between pixels.

    The highest place of the quintic spline through the image: unlike a parabola through nine
    pixels it is as exact between pixels as on them.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Sampled at least as finely as the PSF needs.
    row, col : int
        The highest pixel, whose eight neighbours are finite.

    Returns
    -------
    tuple of float
        Row, column and height; of the parabola where a pixel within four is missing, and
        the pixel itself where nothing bends downwards.
    """
    low, high = (row - _BOX, col - _BOX), (row + _BOX + 1, col + _BOX + 1)
    inside = min(low) >= 0 and high[0] <= image.shape[0] and high[1] <= image.shape[1]
    box = image[low[0] : high[0], low[1] : high[1]] if inside else np.full((1, 1), np.nan)
    if not np.isfinite(box).all():
        move, height = _vertex(image[row - 1 : row + 2, col - 1 : col + 2])
        return row + float(move[0]), col + float(move[1]), height
    spline = np.asarray(spline_filter(box, _ORDER))
    place: Array = np.zeros(2)
    height = float(image[row, col])
    for _ in range(_ROUNDS):
        at = _BOX + place[:, None, None] + _STEP * _NEAR
        near = np.asarray(map_coordinates(spline, at, order=_ORDER, prefilter=False))
        move, height = _vertex(near)
        place = np.clip(place + _STEP * move, -_FARTHEST, _FARTHEST)
    return row + float(place[0]), col + float(place[1]), height


def _vertex(box: Array) -> tuple[Array, float]:
    """Return the vertex of the quadratic with nine samples' central differences, and its height."""
    gradient = 0.5 * np.array([box[2, 1] - box[0, 1], box[1, 2] - box[1, 0]])
    cross = 0.25 * (box[2, 2] - box[2, 0] - box[0, 2] + box[0, 0])
    middle = 2.0 * box[1, 1]
    hessian = np.array(
        [[box[2, 1] + box[0, 1] - middle, cross], [cross, box[1, 2] + box[1, 0] - middle]]
    )
    # Rounding bends what is flat.
    if not (hessian[0, 0] < -1e-9 * np.abs(box).max() and np.linalg.det(hessian) > 0.0):
        return np.zeros(2), float(box[1, 1])
    move = np.clip(-np.linalg.solve(hessian, gradient), -_FARTHEST, _FARTHEST).astype(np.float64)
    return move, float(box[1, 1] + gradient @ move + 0.5 * move @ hessian @ move)
