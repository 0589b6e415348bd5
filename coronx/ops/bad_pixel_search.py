"""Search one image for pixels that no scene behind the telescope could have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from coronx.ops.bad_pixel_psf import Psf, bound, fall, psf
from coronx.ops.prediction import OFFSETS

__all__ = ["Limits", "search_image"]

_SURE = 0.82  # of the threshold: margin above what the neighbours permit
_LEAN = 1.5  # sigma by which noise may have lowered a pixel beside its neighbours
_STANDS_OUT = 0.55  # of the threshold: the members of a square stand out by half
_KEEP = 0.7  # of the threshold: enough beside a bad pixel, and when all others are known
_ROUNDS = 6
_LARGEST = 6  # pixels of a group
_EIGHTH = 1.04  # sigma: by how much noise lowers the lowest eighth of neighbours
_FEWEST = 4  # neighbours
_MOST = 0.95  # of a pixel's height, that it must exceed its two sides by
_MATE = 3.0  # sigma: height of a neighbour that may be of the same cluster
_CLUSTER = 3  # neighbours of the same cluster
_ALIKE = 0.35  # of a pixel's height, that such a neighbour has
_FAINT = 8.0  # sigma: scatter of the scene up to which clusters are looked for
_ABOVE = 10.0  # or height of a cluster over that scatter
_WIDER = 1.1  # times the guard where a cluster is left out

_Floats = NDArray[np.float32]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """Thresholds, in sigma, of pixels too bright and too dark, and the factor of the guard."""

    sigma: float
    neg_sigma: float
    guard: float


def search_image(
    image: _Floats, noise: _Floats, limits: Limits, *, fwhm: float, look: _Bools | None = None
) -> _Bools:
    """Return the pixels of an image that are bad.

    Parameters
    ----------
    image : ndarray (ny, nx), float32
        NaN where it is not usable.
    noise : ndarray (ny, nx), float32
        Errors, 1 sigma, positive.
    limits : Limits
        Thresholds.
    fwhm : float
        Full width at half maximum of the PSF in pixels.
    look : ndarray of bool (ny, nx), optional
        Pixels to look at first; by default all. Those beside a bad one are looked at anyway.

    Returns
    -------
    ndarray of bool (ny, nx)
    """
    search = _Search(image, noise, limits, psf(round(float(fwhm), 2)))
    return search.run(look)


class _Search:
    """One image, padded by two pixels and flat, and which of its pixels are still trusted."""

    def __init__(self, image: _Floats, noise: _Floats, limits: Limits, model: Psf) -> None:
        self.limits, self.psf, self.shape = limits, model, image.shape
        good = np.isfinite(image)
        self.values = np.pad(np.where(good, image, np.float32(0.0)), 2).ravel()
        self.noise = np.pad(noise, 2, constant_values=1.0).ravel()
        self.trusted = np.pad(good, 2).ravel()
        self.steps = OFFSETS @ np.array([image.shape[1] + 4, 1])

    def run(self, look: _Bools | None) -> _Bools:
        """Return bad pixels: the worst first, then what is around is looked at without them."""
        found = np.zeros(self.values.size, dtype=bool)
        score = np.zeros(self.values.size, dtype=np.float32)
        points = self._stand_out(look)
        beside = self.steps[np.abs(OFFSETS).max(axis=1) == 1]
        for _ in range(_ROUNDS):
            score[points] = self._score(points)
            # What touches a bad pixel is likely to be of its cluster.
            score[points[found[points[:, None] + beside].any(axis=1)]] /= _KEEP
            hits = np.flatnonzero(score >= 1.0)
            top = hits[score[hits] >= score[hits[:, None] + self.steps].max(axis=1, initial=0.0)]
            if not top.size:
                break
            found[top], self.trusted[top], score[top] = True, False, 0.0
            near = np.unique(top[:, None] + self.steps)
            points = near[self.trusted[near]]
        points = np.flatnonzero(found)
        found[points[self._score(points) < _KEEP]] = False
        ny, nx = self.shape
        return _without_chains(found.reshape(ny + 4, nx + 4)[2:-2, 2:-2])

    def _stand_out(self, look: _Bools | None) -> NDArray[np.int_]:
        """Return points above, or below, the mean of two sides in rows, columns and diagonals.

        A way with a side that is not usable does not count.
        """
        values = np.where(self.trusted, self.values, np.float32(np.nan))
        row = self.shape[1] + 4
        least = min(self.limits.sigma, self.limits.neg_sigma)
        first = np.zeros(values.size, dtype=bool)
        bend = np.abs(2.0 * values[1:-1] - values[:-2] - values[2:])
        first[1:-1] = ~(bend <= (2.0 * _STANDS_OUT * least) * self.noise[1:-1])
        first &= self.trusted
        if look is not None:
            first &= np.pad(look, 2).ravel()
        points = np.flatnonzero(first)
        sides = np.stack(
            [values[points + n] + values[points - n] for n in (1, row, row + 1, row - 1)]
        )
        twice, step = 2.0 * values[points], (2.0 * _STANDS_OUT) * self.noise[points]
        above = ~(twice - sides <= self.limits.sigma * step)
        below = ~(sides - twice <= self.limits.neg_sigma * step)
        return points[above.all(axis=0) | below.all(axis=0)]

    def _score(self, points: NDArray[np.int_]) -> _Floats:
        """Return how far points exceed their thresholds, 1 being just at it."""
        around = points[:, None] + self.steps
        value, near, usable = self.values[points], self.values[around], self.trusted[around]
        own, noise = self.noise[points], self.noise[around]
        weights = self.psf.weights[0] * usable
        weights /= np.maximum(weights.sum(axis=1), np.float32(1e-6))[:, None]
        excess = value - (weights * near).sum(axis=1)
        sign = np.where(excess < 0, np.float32(-1.0), np.float32(1.0))
        limit = np.where(excess < 0, self.limits.neg_sigma, self.limits.sigma).astype(np.float32)
        best = np.zeros(points.size, dtype=np.float32)
        some = np.flatnonzero(np.abs(excess) > _STANDS_OUT * limit * own)
        value, near = sign[some] * value[some], sign[some, None] * near[some]
        usable, own, noise, limit = usable[some], own[some], noise[some], limit[some]
        floor = _low(near, usable, noise)
        height = near - floor[:, None]
        up = value - floor
        best[some] = self._test(up, height, usable, own, noise, limit)
        # Neighbours that are about as high may be of the same cluster, and are left out.
        alike = usable & (height > np.maximum(_MATE * own, _ALIKE * up)[:, None])
        few = np.flatnonzero(alike.any(axis=1))
        share = np.where(alike[few], height[few] * self.psf.weights[0], np.float32(0.0))
        most = np.sort(share, axis=1)[:, -_CLUSTER]
        stay = usable[few] & ~((share > 0) & (share >= most[:, None]))
        up, height, own, noise = up[few], height[few], own[few], noise[few]
        shift = _low(height, stay, noise)
        up, height = up - shift, height - shift[:, None]
        again = self._test(up, height, stay, own, noise, limit[few], _WIDER)
        # In bright surroundings a ridge of three pixels may be the scene's.
        faint = _scatter(height, stay) < np.maximum(_FAINT * own, up / _ABOVE)
        best[some[few]] = np.maximum(best[some[few]], np.where(faint, again, np.float32(0.0)))
        return best

    def _test(
        self,
        up: _Floats,
        height: _Floats,
        usable: _Bools,
        own: _Floats,
        noise: _Floats,
        limit: _Floats,
        wider: float = 1.0,
    ) -> _Floats:
        """Return the score of pixels from their height, and that of their neighbours."""
        even = self.psf.weights[0] * usable
        even /= np.maximum(even.sum(axis=1), np.float32(1e-6))[:, None]
        error = np.sqrt(own**2 + ((even * noise) ** 2).sum(axis=1))
        score = (up - (even * height).sum(axis=1)) / (error * limit)
        score[usable.sum(axis=1) < _FEWEST] = 0.0
        some = np.flatnonzero(score > _KEEP)
        up, height, usable = up[some], height[some], usable[some]
        weights = self.limits.guard * wider * bound(self.psf, usable)
        error = np.sqrt(own[some] ** 2 + ((weights * noise[some]) ** 2).sum(axis=1))
        over = (up - np.maximum((weights * height).sum(axis=1), 0.0)) / (_SURE * error)
        score[some] = np.minimum(score[some], over / limit[some])
        rest = np.flatnonzero(score[some] > _KEEP)
        share = min(self.limits.guard * self.psf.fall, _MOST)
        least = share * up[rest] - _LEAN * own[some[rest]]
        scene = fall(up[rest], height[rest], usable[rest]) < least
        score[some[rest[scene]]] = 0.0
        return np.where(score > _KEEP, score, np.float32(0.0))


def _without_chains(found: _Bools) -> _Bools:
    """Drop groups that are too large: a ridge in the dark, taken from its ends."""
    if np.count_nonzero(found) <= _LARGEST:
        return found
    groups = np.zeros(found.shape, dtype=np.int32)
    label(found, np.ones((3, 3)), output=groups)
    size = np.bincount(groups.ravel())
    size[0] = 0
    return found & (size <= _LARGEST)[groups]


def _low(values: _Floats, usable: _Bools, noise: _Floats) -> _Floats:
    """Return the lowest eighth of neighbours, raised by what noise lowers it."""
    ordered = np.sort(np.where(usable, values, np.float32(np.inf)), axis=1)
    at = np.maximum(usable.sum(axis=1) // 8, 1)
    low = np.take_along_axis(ordered, at[:, None], axis=1)[:, 0]
    low += _EIGHTH * (noise * usable).sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
    return np.where(np.isfinite(low), low, np.float32(0.0))


def _scatter(values: _Floats, usable: _Bools) -> _Floats:
    count = np.maximum(usable.sum(axis=1), 1)
    mean = (values * usable).sum(axis=1) / count
    return np.sqrt(((values - mean[:, None]) ** 2 * usable).sum(axis=1) / count)
