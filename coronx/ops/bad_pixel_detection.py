"""Find bad pixels in an image by their neighbours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.bad_pixel_transients import masked_median
from coronx.ops.median import fill_local_median
from coronx.ops.prediction import NOISES, OFFSETS, Predictor, contrast, predictor

__all__ = ["detect_spatial"]

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
_STACK = 3  # integrations whose median is looked at first
_FINEST = 0.5  # of an integration's error: what is less off does no harm
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


@dataclass(frozen=True)
class _Limits:
    sigma: float
    neg_sigma: float
    guard: float


def detect_spatial(
    images: NDArray[np.floating],
    err: NDArray[np.floating],
    usable: NDArray[np.bool_],
    *,
    fwhm: float,
    sigma: float = 3.8,
    neg_sigma: float = 4.0,
    guard: float = 1.25,
) -> NDArray[np.bool_]:
    """Find pixels that no scene behind the telescope could have, given their neighbours.

    Parameters
    ----------
    images, err : ndarray (n, ny, nx)
        Images and their 1-sigma errors. Errors that are not positive are replaced by the
        median of the others; without any, by the scatter of the image.
    usable : ndarray of bool (n, ny, nx)
        Pixels to look at and to learn from; those that are not finite are left out too.
    fwhm : float
        Full width at half maximum of the PSF in pixels.
    sigma, neg_sigma : float
        Thresholds for pixels too bright and too dark.
    guard : float
        The largest error of a prediction that a point source can cause is taken this many
        times.

    Returns
    -------
    ndarray of bool (n, ny, nx)
        Pixels found.

    Notes
    -----
    A pixel is bad when its difference from the value predicted by its neighbours (see
    `coronx.ops.prediction`) exceeds the threshold, and also exceeds what the sharpest source
    that fits the neighbours could add. Where the neighbours stand out from the noise the
    second follows from their contrast; where they do not, from their weighted sum above the
    level around. Predictions are made from all neighbours, and with clusters of 2x2, 1x3 and
    3x1 pixels left out. The noise is ERR times the scatter measured in tiles, where that is
    larger. The worst pixels are taken first, then the others are looked at without them; at
    the end each is tested again, all others being known. Pixels that are bad in every
    integration are looked for in the median of three or more, where the noise is less.
    """
    model = predictor(round(float(fwhm), 2))
    limits = _Limits(sigma, neg_sigma, guard)
    good = usable & np.isfinite(images)
    found = np.zeros(images.shape, dtype=bool)
    if len(images) >= _STACK:
        typical = masked_median(images, good)
        share = np.sqrt(0.5 * np.pi / np.maximum(good.sum(axis=0), 1))
        noise = masked_median(err, good) * np.clip(share, _FINEST, 1.0)
        found |= _Search(typical, noise, good.any(axis=0), model, limits).run() & good
    for plane in range(len(images)):
        rest = good[plane] & ~found[plane]
        found[plane] |= _Search(images[plane], err[plane], rest, model, limits).run()
    return found


class _Search:
    """One image, padded by two pixels and flat, and which of its pixels are still trusted."""

    def __init__(
        self,
        image: NDArray[np.floating],
        err: NDArray[np.floating],
        usable: NDArray[np.bool_],
        model: Predictor,
        limits: _Limits,
    ) -> None:
        self.model, self.limits = model, limits
        good = usable & np.isfinite(image)
        self.shape = image.shape
        self.filled = fill_local_median(np.where(good, image, np.nan), ~good, box=5)
        known = np.isfinite(err) & (err > 0)
        usual = float(np.median(err[known])) if known.any() else 1.0
        noise = np.where(known, err, usual).astype(np.float64)
        self.level, scale = self._tiles(good, noise, lowest=1.0 if known.any() else 0.0)
        self.noise = noise * scale
        self.steps = OFFSETS @ np.array([image.shape[1] + 4, 1])
        self.values = self._padded(np.where(good, image, 0.0))
        self.variance = self._padded(np.where(good, self.noise**2, 0.0))
        self.trusted = self._padded(good).astype(bool)
        self.ground = self._padded(self.level)

    def run(self) -> NDArray[np.bool_]:
        """Return the pixels found."""
        found = np.zeros(self.trusted.size, dtype=bool)
        score = np.zeros(self.trusted.size)
        for stage in _STAGES:
            near = np.ones(self.trusted.size, dtype=bool)
            score[:] = 0.0
            for _ in range(_ROUNDS):
                quick, ring = self._quick(stage)
                points = np.flatnonzero(quick & near & self.trusted)
                score[near] = 0.0
                score[points] = np.abs(self._score(points, ring[points]))
                hits = np.flatnonzero((score >= stage) & self.trusted)
                if hits.size == 0:
                    break
                rival = np.where(self.trusted, score, 0.0)[hits[:, None] + self.steps]
                top = hits[score[hits] >= rival.max(axis=1)]
                found[top], self.trusted[top] = True, False
                self._refill(top)
                near[:] = False
                near[(top[:, None] + self.steps).ravel()] = True
        return self._inner(self._sure(found))

    def _sure(self, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
        points = np.flatnonzero(found)
        if points.size:
            score = np.abs(self._score(points, np.zeros(points.size, dtype=bool)))
            found[points[score < _KEEP]] = False
        return found

    def _score(self, points: NDArray[np.int_], ring: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return how far points exceed their thresholds, 1 being just at it, with its sign."""
        best = np.zeros(points.size)
        around = points[:, None] + self.steps
        trusted = self.trusted[around]
        for number, stay in enumerate(_STAY):
            some = np.arange(points.size) if number == 0 else np.flatnonzero(ring)
            if some.size == 0:
                continue
            usable = trusted[some] & stay
            rows = self.model.rows(usable)
            values = np.where(usable, self.values[around[some]], 0.0)
            variance = np.where(usable, self.variance[around[some]], 0.0)
            for noise in NOISES if number == 0 else NOISES[:3]:
                self._test(points, some, rows, usable, values, variance, noise, best, number > 0)
        return best

    def _test(self, points, some, rows, usable, values, variance, noise, best, hidden) -> None:
        weights, guards = self.model.weights(rows, noise)
        middle, own = self.values[points[some]], self.variance[points[some]]
        residual = np.nan_to_num(middle - np.einsum("ij,ij->i", weights, values))
        total = own + np.einsum("ij,ij->i", weights**2, variance)
        limit = np.where(residual > 0, self.limits.sigma, self.limits.neg_sigma)
        score = np.abs(residual) / np.sqrt(total) / limit
        over = np.flatnonzero(score > _KEEP)
        if over.size == 0:
            return
        usable, values, variance = usable[over], values[over], variance[over]
        typical = variance.sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
        spread = np.sqrt(np.maximum(contrast(values, usable) ** 2 - typical, 0.0))
        if noise == NOISES[0]:
            envelope = self.limits.guard * self.model.envelope(rows[over])
            ground = self.ground[points[some[over]]]
            above = np.einsum("ij,ij->i", envelope, values - ground[:, None] * usable)
            noise2 = np.einsum("ij,ij->i", envelope**2, variance) + own[over]
            excess = middle[over] - ground - np.maximum(above, 0.0)
            sure = np.nan_to_num(excess / np.sqrt(noise2)) / (_SURE * self.limits.sigma)
            sure[(residual[over] < 0) | (spread >= _DARK * np.sqrt(typical))] = 0.0
        else:
            guard = self.limits.guard * guards[over] * (_CLUSTER if hidden else 1.0)
            excess = np.abs(residual[over]) - guard * spread
            noise2 = total[over] + (_BLUR * guard) ** 2 * typical
            sure = excess / np.sqrt(noise2) / (_SURE_GUARD * limit[over])
        value = np.maximum(np.minimum(score[over], sure), 0.0)
        at = some[over]
        best[at] = np.where(value > np.abs(best[at]), np.sign(residual[over]) * value, best[at])

    def _quick(self, stage: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return padded masks of pixels worth a test, alone and in clusters."""
        lowest = _SCREEN * stage * min(self.limits.sigma, self.limits.neg_sigma)
        image = np.pad(self.filled, 2, mode="edge")
        weights = np.insert(self._clean_weights(), 12, 0.0).reshape(5, 5)
        predicted = _convolve(image, weights)
        edge = np.full((5, 5), 1.0 / 16.0)
        edge[1:-1, 1:-1] = 0.0
        limit = lowest * self.noise
        ring = np.abs(self.filled - _convolve(image, edge)) > limit
        alone = np.abs(self.filled - predicted) > limit
        return self._padded(alone | ring).astype(bool), self._padded(ring).astype(bool)

    def _clean_weights(self) -> NDArray[np.float64]:
        rows = self.model.rows(np.ones((1, len(OFFSETS)), dtype=bool))
        return self.model.weights(rows, _QUIET)[0][0]

    def _refill(self, points: NDArray[np.int_]) -> None:
        bad = ~self._inner(self.trusted)
        new = np.zeros(self.trusted.size, dtype=bool)
        new[points] = True
        rows, cols = np.nonzero(self._inner(new))
        y = np.clip(rows[:, None] + OFFSETS[:, 0], 0, self.shape[0] - 1)
        x = np.clip(cols[:, None] + OFFSETS[:, 1], 0, self.shape[1] - 1)
        around = np.ma.median(np.ma.array(self.filled[y, x], mask=bad[y, x]), axis=1)
        self.filled[rows, cols] = np.ma.filled(around, self.level[rows, cols])

    def _tiles(
        self, good: NDArray[np.bool_], noise: NDArray[np.float64], *, lowest: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return level and noise scale of each pixel's tile."""
        ny, nx = self.shape
        down, across = (np.arange(n) // _TILE for n in (ny, nx))
        image = np.pad(self.filled, 2, mode="edge")
        residual = self.filled - _convolve(
            image, np.insert(self._clean_weights(), 12, 0.0).reshape(5, 5)
        )
        weights = self._clean_weights()
        residual /= noise * np.sqrt(1.0 + (weights**2).sum())
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

    def _padded(self, array: NDArray) -> NDArray:
        return np.pad(array, 2).ravel()

    def _inner(self, flat: NDArray) -> NDArray:
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
