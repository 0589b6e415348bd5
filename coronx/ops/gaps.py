"""Fill the bad pixels of an image that is going to be moved, quickly, with its variance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve2d
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import spsolve

__all__ = ["Filled", "fill_frame"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

_ENOUGH = 4  # good neighbours, of eight
_LAYERS = 3  # of a wide gap that are filled from outside; the median of the image is further in
_MOST = 4000  # pixels of one image that are made smooth; more are no blemishes
_AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
_LAPLACIAN = np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
_ROUGHNESS = -convolve2d(convolve2d(_LAPLACIAN, _LAPLACIAN), _LAPLACIAN)


@dataclass(frozen=True)
class Filled:
    """An image without gaps.

    Attributes
    ----------
    data : ndarray (ny, nx)
        Finite everywhere.
    variance : ndarray (ny, nx), float32
        Finite and not negative.
    bad : ndarray of bool (ny, nx)
        Pixels of `data` that were filled.
    wide : ndarray of bool (ny, nx)
        Those of them with too few good neighbours for more than a guess.
    """

    data: NDArray[Any]
    variance: NDArray[np.float32]
    bad: Mask
    wide: Mask


def fill_frame(data: NDArray[np.floating], variance: NDArray[np.floating], bad: Mask) -> Filled:
    """Fill an image's bad pixels from the good ones about them.

    A gap is first filled with medians of neighbours, from its rim inwards. Pixels at least half of
    whose neighbours are good are then given the values that minimise the sum of the squared
    gradient of the Laplacian: on scenes sampled finely enough to be moved by part of a
    pixel they err five to fifty times less than the medians, and no more, in a hundredth of the
    time, than the smoothest fill of the whole image (`fill_smoothly`).

    Parameters
    ----------
    data : ndarray (ny, nx)
        Image; what stands at bad pixels is not looked at.
    variance : ndarray (ny, nx)
        Its variance. That of bad pixels, and what is negative or not finite, is replaced by
        medians of neighbours.
    bad : ndarray of bool (ny, nx)
        Pixels to fill; those that are not finite count as bad too.

    Returns
    -------
    Filled
        Data in the input's precision.
    """
    values = np.array(data, dtype=data.dtype.newbyteorder("="), order="C")
    spread = np.array(variance, dtype=np.float32, order="C")
    bad = bad | ~np.isfinite(values)
    unknown = np.flatnonzero(bad | ~(np.isfinite(spread) & (spread >= 0.0)))
    at = np.flatnonzero(bad)
    wide = np.zeros(bad.shape, bool)
    if unknown.size:
        _fill_medians(spread, unknown)
    if at.size:
        few = _fill_medians(values, at) < _ENOUGH
        wide.ravel()[at[few]] = True
        _smooth(values, at[~few])
    return Filled(values, spread, bad, wide)


def _fill_medians(image: NDArray[Any], at: Index) -> Index:
    """Fill pixels from the rim of gaps inwards, in place; count each one's good neighbours."""
    ny, nx = image.shape
    row, col = np.divmod(at, nx)
    # With a rim of nothing, every pixel has eight neighbours.
    padded = np.full((ny + 2, nx + 2), np.nan, image.dtype)
    padded[1:-1, 1:-1] = image
    flat = padded.ravel()
    places = (row + 1) * (nx + 2) + col + 1
    flat[places] = np.nan
    steps = np.array([dy * (nx + 2) + dx for dy, dx in _AROUND])
    good = np.isfinite(flat)
    left, counts = places, good[places[:, None] + steps].sum(axis=1)
    for layer in range(_LAYERS):
        count = good[left[:, None] + steps].sum(axis=1) if layer else counts
        rim, count, left = left[count > 0], count[count > 0], left[count == 0]
        around = np.sort(flat[rim[:, None] + steps], axis=1)  # NaN last
        each = np.arange(rim.size)
        low = around[each, (count - 1) // 2]
        flat[rim] = 0.5 * (low + around[each, count // 2])
        good[rim] = True
        if not left.size:
            break
    if left.size:
        known = flat[good]
        flat[left] = np.median(known) if known.size else 0.0
    image.ravel()[at] = flat[places]
    return counts


def _smooth(image: NDArray[Any], at: Index) -> None:
    """Give pixels, but those at the frame's edges, their smoothest values, in place."""
    ny, nx = image.shape
    reach = _ROUGHNESS.shape[0] // 2
    row, col = np.divmod(at, nx)
    at = at[(row >= reach) & (row < ny - reach) & (col >= reach) & (col < nx - reach)]
    if not 0 < at.size <= _MOST:
        return
    dy, dx = np.nonzero(_ROUGHNESS)
    taps = _ROUGHNESS[dy, dx]
    around = at[:, None] + ((dy - reach) * nx + (dx - reach))
    flat = image.ravel()
    flat[at] = 0.0
    pull = -(flat[around].astype(np.float64) @ taps)
    number = np.full(flat.size, -1)
    number[at] = np.arange(at.size)
    other = number[around]
    one, tap = np.nonzero(other >= 0)
    matrix = csc_matrix((taps[tap], (one, other[one, tap])))
    solution: Any = spsolve(matrix, pull)
    image.ravel()[at] = solution
