"""What point sources under a PSF permit a pixel to be, given its neighbours."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from coronx.ops.prediction import OFFSETS

__all__ = ["Psf", "bound", "fall", "psf"]

_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian, in sigma
_SHARP = 0.9  # FWHM of the core of a diffraction-limited PSF over lambda/D
_SHARPEST = 0.8  # and of a speckle of the full pupil, which is wider than the Lyot stop
_REACHES = (0.35, 0.5, 0.7)  # of the weights, in FWHM: the wider where neighbours are missing
_PLACES: list[tuple[int, int]] = [(int(y), int(x)) for y, x in OFFSETS]
# Ways, and how far the second pixel on each side is: in between there is but one.
_WAYS = [(0, 1, 2), (1, 0, 2), (1, 1, 2), (1, -1, 2), (1, 2, 1), (2, 1, 1), (1, -2, 1), (2, -1, 1)]
# Columns of the neighbours along each way: next and second on one side, and on the other.
_LINES = [
    [_PLACES.index((n * y, n * x)) for n in (1, second, -1, -second)] for y, x, second in _WAYS
]

_Floats = NDArray[np.float32]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Psf:
    """What a PSF permits.

    Attributes
    ----------
    around, middle : ndarray (m, 24) and (m,)
        Light of point sources at many phases in the neighbours and in the pixel itself, above
        the lowest eighth of the neighbours.
    weights : ndarray (k, 24)
        Weights of the neighbours, narrow and wide.
    factor : float
        Makes the sum with the first of them a bound where all neighbours are usable.
    fall : float
        How far a source exceeds its two sides along the way where that is least, over its
        height.
    """

    around: _Floats
    middle: _Floats
    weights: _Floats
    factor: float
    fall: float


@cache
def psf(fwhm: float) -> Psf:
    """Return what the PSF of a full width at half maximum in pixels permits."""
    axis = np.linspace(-1.0, 1.0, 9)
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    def sources(sharp: float) -> tuple[_Floats, _Floats]:
        width = 2.0 * (sharp * fwhm / _FWHM) ** 2
        around = np.exp(-((OFFSETS - places[:, None]) ** 2).sum(axis=-1) / width)
        middle = np.exp(-(places**2).sum(axis=1) / width)
        return around.astype(np.float32), middle.astype(np.float32)

    around, middle = sources(_SHARPEST)
    share = (fall(middle, around, np.ones(around.shape, dtype=bool)) / middle).max()
    around, middle = sources(_SHARP)
    floor = np.sort(around, axis=1)[:, around.shape[1] // 8]
    around, middle = around - floor[:, None], middle - floor
    reach = np.array(_REACHES)[:, None] * fwhm
    weights = np.exp(-0.5 * (OFFSETS**2).sum(axis=1) / reach**2).astype(np.float32)
    return Psf(around, middle, weights, float((middle / (around @ weights[0])).max()), float(share))


def fall(middle: _Floats, around: _Floats, usable: _Bools) -> _Floats:
    """Return by how much pixels exceed the mean of their two sides, along the way of least."""
    least = np.full(middle.shape, np.inf, dtype=np.float32)
    for line in _LINES:
        value, there = around[:, line], usable[:, line]
        second = there[:, 1::2] & ~there[:, ::2]
        used = there[:, ::2] | second
        total = np.where(second, value[:, 1::2], value[:, ::2] * used).sum(axis=1)
        count = used.sum(axis=1)
        side = middle - total / np.maximum(count, 1)
        least = np.where(count > 0, np.minimum(least, side), least)
    return np.where(np.isfinite(least), least, 0.0)


def bound(model: Psf, usable: _Bools) -> _Floats:
    """Return weights whose sum no source exceeds: of all reaches those of least noise."""
    best = np.broadcast_to(model.factor * model.weights[0], usable.shape).copy()
    some = np.flatnonzero(~usable.all(axis=1))
    least = np.full(some.size, np.inf, dtype=np.float32)
    for weights in model.weights:
        mine = weights * usable[some]
        light = np.maximum(mine @ model.around.T, np.float32(1e-6))
        mine *= (model.middle / light).max(axis=1, initial=0.0)[:, None]
        square = (mine**2).sum(axis=1)
        better = square < least
        best[some[better]], least[better] = mine[better], square[better]
    return best
