"""Search one image for pixels that their neighbours do not permit."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coronx.ops.bad_pixel_transients import masked_median
from coronx.ops.median import fill_local_median
from coronx.ops.prediction import NOISES, OFFSETS, Predictor, contrast

__all__ = ["Limits", "Search"]

_TILE = 32  # pixels: side of the areas whose level and noise are measured
_STAGES = (30.0, 6.0, 1.0)  # the worst first: they spoil the predictions of their neighbours
_ROUNDS = 20
_KEEP = 0.8  # of the threshold, that a pixel must still pass when all others are known
_SCREEN = 0.85  # of the threshold: what the quick look lets through
_DARK = 2.0  # sigma: contrast up to which the envelope decides
_SURE = 0.71  # of the threshold: margin above the envelope
_SURE_GUARD = 0.92  # and above the guard
_BLUR = 0.4  # sigma: by how much a contrast that drowns in the noise may be off
_CLUSTER = 1.5  # times the guard where a cluster is left out: speckles interfere
_QUIET = 0.1
_EDGE = np.pad(np.zeros((3, 3)), 1, constant_values=1.0 / 16.0)  # the outermost of 5x5
_AGREES = 1.15  # a scatter of less than this times ERR is no reason to doubt ERR


def _clusters() -> NDArray[np.bool_]:
    """Return which neighbours stay when a cluster of 2x2, 1x3 or 3x1 is left out, (11, 24)."""
    shapes = [
        [(y, x) for y in (dy, dy + 1) for x in (dx, dx + 1)] for dy in (-1, 0) for dx in (-1, 0)
    ]
    for start in (-2, -1, 0):
        shapes.append([(0, x) for x in range(start, start + 3)])
        shapes.append([(y, 0) for y in range(start, start + 3)])
    places = [tuple(place) for place in OFFSETS.tolist()]
    stay = np.array([[place not in shape for place in places] for shape in shapes])
    return np.concatenate([np.ones((1, len(places)), dtype=bool), stay])


_STAY = _clusters()
_Kind = TypeVar("_Kind", np.float64, np.bool_)


@dataclass(frozen=True)
class Limits:
    """Thresholds, in sigma, of pixels too bright and too dark, and the factor of the guard."""

    sigma: float
    neg_sigma: float
    guard: float


@dataclass(frozen=True)
class _Near:
    """Points with their neighbours: what is there, and which of it is used."""

    middle: NDArray[np.float64]
    own: NDArray[np.float64]
    ground: NDArray[np.float64]
    usable: NDArray[np.bool_]
    values: NDArray[np.float64]
    variance: NDArray[np.float64]
    rows: NDArray[np.int_]
    guard: float

    def at(self, some: NDArray[np.int_]) -> "_Near":
        """Return some of the points."""
        return _Near(
            self.middle[some],
            self.own[some],
            self.ground[some],
            self.usable[some],
            self.values[some],
            self.variance[some],
            self.rows[some],
            self.guard,
        )


class Search:
    """One image, padded by two pixels and flat, and which of its pixels are still trusted."""

    def __init__(
        self,
        image: NDArray[np.floating],
        err: NDArray[np.floating],
        usable: NDArray[np.bool_],
        model: Predictor,
        limits: Limits,
    ) -> None:
        self.model, self.limits = model, limits
        good = usable & np.isfinite(image)
        self.shape = image.shape
        self.filled = fill_local_median(np.where(good, image, np.nan), ~good, box=5)
        kernel = np.insert(self._clean_weights(), 12, 0.0).reshape(5, 5)
        self.predicted = _convolve(np.pad(self.filled, 2, mode="edge"), kernel)
        known = np.isfinite(err) & (err > 0)
        usual = float(np.median(err[known])) if known.any() else 1.0
        noise = np.where(known, err, usual).astype(np.float64)
        self.level, scale = self._tiles(good, noise, lowest=1.0 if known.any() else 0.0)
        self.noise = noise * scale
        self.steps = OFFSETS @ np.array([image.shape[1] + 4, 1])
        self.values = self._padded(np.where(good, image, 0.0))
        self.variance = self._padded(np.where(good, self.noise**2, 0.0))
        self.trusted = self._padded(good)
        self.ground = self._padded(self.level)
        self.smooth = np.pad(self.filled, 2, mode="edge").ravel()
        self.sigma = np.pad(self.noise, 2, mode="edge").ravel()
        # A quick look at every pixel, in sigma: at it alone, and at what may be in a cluster.
        self.alone = self._padded(np.abs(self.filled - self.predicted) / self.noise)
        level = _convolve(np.pad(self.filled, 2, mode="edge"), _EDGE)
        self.ring = self._padded(np.abs(self.filled - level) / self.noise)

    def run(self) -> NDArray[np.bool_]:
        """Return the pixels found."""
        found = np.zeros(self.trusted.size, dtype=bool)
        score = np.zeros(self.trusted.size)
        tested = ~self.trusted
        lowest = _SCREEN * min(self.limits.sigma, self.limits.neg_sigma)
        for stage in _STAGES:
            for _ in range(_ROUNDS):
                look = np.maximum(self.alone, self.ring) > lowest * stage
                points = np.flatnonzero(look & ~tested)
                score[points] = self._score(points, self.ring[points] > lowest)
                tested[points] = True
                hits = np.flatnonzero(score >= stage)
                if hits.size == 0:
                    break
                top = hits[score[hits] >= score[hits[:, None] + self.steps].max(axis=1)]
                found[top], self.trusted[top], score[top], tested[top] = True, False, 0.0, True
                near = self._refill(top)
                score[near], tested[near] = 0.0, False
        return self._inner(self._sure(found))

    def _sure(self, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
        points = np.flatnonzero(found)
        if points.size:
            score = self._score(points, np.zeros(points.size, dtype=bool))
            found[points[score < _KEEP]] = False
        return found

    def _score(self, points: NDArray[np.int_], ring: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return how far points exceed their thresholds, 1 being just at it."""
        best = np.zeros(points.size)
        around = points[:, None] + self.steps
        trusted = self.trusted[around]
        for number, stay in enumerate(_STAY):
            some = np.arange(points.size) if number == 0 else np.flatnonzero(ring)
            if some.size == 0:
                continue
            usable = trusted[some] & stay
            near = _Near(
                middle=self.values[points[some]],
                own=self.variance[points[some]],
                ground=self.ground[points[some]],
                usable=usable,
                values=np.where(usable, self.values[around[some]], 0.0),
                variance=np.where(usable, self.variance[around[some]], 0.0),
                rows=self.model.rows(usable),
                guard=self.limits.guard * (_CLUSTER if number else 1.0),
            )
            for noise in NOISES[:3] if number else NOISES:
                best[some] = np.maximum(best[some], self._test(near, noise))
        return best

    def _test(self, near: _Near, noise: float) -> NDArray[np.float64]:
        weights, guards = self.model.weights(near.rows, noise)
        residual = np.nan_to_num(near.middle - np.einsum("ij,ij->i", weights, near.values))
        total = near.own + np.einsum("ij,ij->i", weights**2, near.variance)
        limit = np.where(residual > 0, self.limits.sigma, self.limits.neg_sigma)
        score = np.abs(residual) / np.sqrt(total) / limit
        over = np.flatnonzero(score > _KEEP)
        near, score, limit = near.at(over), score[over], limit[over]
        typical = near.variance.sum(axis=1) / np.maximum(near.usable.sum(axis=1), 1)
        spread = contrast(near.values, near.usable) ** 2 - typical
        spread = np.sqrt(np.maximum(spread, 0.0))
        if noise == NOISES[0]:
            envelope = self.limits.guard * self.model.envelope(near.rows)
            above = near.values - near.ground[:, None] * near.usable
            allowed = np.maximum(np.einsum("ij,ij->i", envelope, above), 0.0)
            error = near.own + np.einsum("ij,ij->i", envelope**2, near.variance)
            sure = np.nan_to_num((near.middle - near.ground - allowed) / np.sqrt(error))
            sure /= _SURE * self.limits.sigma
            sure[(residual[over] < 0) | (spread >= _DARK * np.sqrt(typical))] = 0.0
        else:
            guard = near.guard * guards[over]
            error = total[over] + (_BLUR * guard) ** 2 * typical
            sure = (np.abs(residual[over]) - guard * spread) / np.sqrt(error)
            sure /= _SURE_GUARD * limit
        result = np.zeros(residual.size)
        result[over] = np.maximum(np.minimum(score, sure), 0.0)
        return result

    def _clean_weights(self) -> NDArray[np.float64]:
        rows = self.model.rows(np.ones((1, len(OFFSETS)), dtype=bool))
        return self.model.weights(rows, _QUIET)[0][0]

    def _refill(self, points: NDArray[np.int_]) -> NDArray[np.int_]:
        """Fill points that are no longer trusted, and return the trusted ones around them."""
        around = points[:, None] + self.steps
        median = masked_median(self.smooth[around].T, self.trusted[around].T)
        self.smooth[points] = np.where(np.isfinite(median), median, self.ground[points])
        near = np.zeros(self.trusted.size, dtype=bool)
        near[around.ravel()] = True
        near &= self.trusted
        at = np.flatnonzero(near)
        values, middle = self.smooth[at[:, None] + self.steps], self.smooth[at]
        self.alone[at] = np.abs(middle - values @ self._clean_weights()) / self.sigma[at]
        level = values[:, np.abs(OFFSETS).max(axis=1) == 2].mean(axis=1)
        self.ring[at] = np.abs(middle - level) / self.sigma[at]
        return at

    def _tiles(
        self, good: NDArray[np.bool_], noise: NDArray[np.float64], *, lowest: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return level and noise scale of each pixel's tile."""
        ny, nx = self.shape
        down, across = (np.arange(n) // _TILE for n in (ny, nx))
        weights = self._clean_weights()
        residual = (self.filled - self.predicted) / (noise * np.sqrt(1.0 + (weights**2).sum()))
        size = (int(down[-1]) + 1, int(across[-1]) + 1)
        level, scale = np.zeros(size), np.full(size, np.nan)
        for row in range(size[0]):
            for col in range(size[1]):
                at = np.s_[row * _TILE : (row + 1) * _TILE : 2, col * _TILE : (col + 1) * _TILE : 2]
                values, ok = self.filled[at], good[at]
                level[row, col] = np.median(values[ok]) if ok.any() else 0.0
                flat = ok & (np.abs(values - level[row, col]) < 5.0 * noise[at]) if lowest else ok
                if flat.sum() > 40:
                    scale[row, col] = 1.4826 * np.median(np.abs(residual[at][flat]))
        usual = np.nanmedian(scale) if np.isfinite(scale).any() else 1.0
        scale = np.where(np.isfinite(scale), scale, usual)
        if lowest:
            scale[scale < _AGREES] = lowest
        return level[down[:, None], across], scale[down[:, None], across]

    def _padded(self, array: NDArray[_Kind]) -> NDArray[_Kind]:
        return np.pad(array, 2).ravel()

    def _inner(self, flat: NDArray[_Kind]) -> NDArray[_Kind]:
        ny, nx = self.shape
        return flat.reshape(ny + 4, nx + 4)[2:-2, 2:-2]


def _convolve(image: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation with a symmetric 5x5 kernel of an image padded by two pixels."""
    wide = image.shape[1] - 4
    columns = [image[:, x : x + wide] for x in range(5)]
    sums = [columns[2], columns[1] + columns[3], columns[0] + columns[4]]
    out = np.zeros((image.shape[0] - 4, wide))
    for dy in range(3):
        row = (
            kernel[2 + dy, 2] * sums[0] + kernel[2 + dy, 3] * sums[1] + kernel[2 + dy, 4] * sums[2]
        )
        tall = row.shape[0] - 4
        out += row[2 + dy : 2 + dy + tall]
        if dy:
            out += row[2 - dy : 2 - dy + tall]
    return out
