"""Which references are most like a target."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["best", "rank_references"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TOGETHER = 8  # references worked on at a time: what they take fits a cache
_FEWEST = 3  # pixels with which a scale and a level leave something to tell
_ROUNDING = 1e-26  # of the mean square: a variance below is that of a constant
_WINDOW = 1.5, 5  # standard deviation and half width of the SSIM's window in pixels
_STEP = 3  # of the SSIM's samples: two standard deviations of its window
_MANY = 5000  # pixels of a mask from which on every _STEP-th is enough
_K1, _K2 = 0.01, 0.03  # Wang et al.'s constants
_RANGE = 0.1, 99.9  # percentiles: one spike is not the range of an image


@dataclass(frozen=True)
class _Fit:
    """Least squares of a target by ``scale * centred + level``.

    `good` are the pixels that a reference and the target have, `centred` the reference there
    without its mean, 0 elsewhere, and `alike` their correlation, NaN where it cannot be told.
    """

    good: Mask
    centred: Array
    scale: Array
    level: Array
    alike: Array


def rank_references(
    target: NDArray[np.floating],
    references: NDArray[np.floating],
    mask: Mask,
    *,
    measure: str = "correlation",
) -> Array:
    """Score references by how much they are like a target.

    Parameters
    ----------
    target : ndarray (ny, nx)
        Image of the target.
    references : ndarray (nref, ny, nx)
        Images aligned with it, of any brightness.
    mask : ndarray of bool (ny, nx)
        Pixels that are compared. Those not finite in the target or in a reference are left
        out of its score.
    measure : {"correlation", "ssim", "mse"}
        See Notes.

    Returns
    -------
    ndarray (nref,)
        The higher, the more alike. NaN for a reference that is constant, or that has fewer than
        half of the mask's pixels that the target has; for all, if the target has none or is
        constant.

    Raises
    ------
    ValueError
        If the measure is none of these, shapes differ, or the mask is empty.

    Notes
    -----
    Each reference is first brought to the target by a scale, 0 or more, and a level.

    ``correlation``
        Pearson's, -1 to 1.
    ``mse``
        Minus the mean squared difference, in units of the target's variance over the same
        pixels: -1 to 0. That is correlation**2 - 1 where the correlation is positive, so the two
        order such references alike.
    ``ssim``
        Structural similarity (Wang et al. 2004, IEEE Trans. Image Process. 13, 600), -1 to 1,
        in a Gaussian window of 1.5 pixels (11 x 11), averaged over the mask; of a mask of more than
        5000 pixels, over every third in x and y. The dynamic range is that between
        the target's percentiles 0.1 and 99.9, and the lower of them its zero.
    """
    measures: dict[str, Callable[[_Fit], Array]] = {
        "correlation": lambda fit: fit.alike,
        "mse": lambda fit: np.maximum(fit.alike, 0.0) ** 2 - 1.0,
    }
    if measure not in (*measures, "ssim"):
        raise ValueError(f"measure {measure!r}; give 'correlation', 'ssim' or 'mse'")
    if target.shape != mask.shape or references.shape[1:] != mask.shape:
        raise ValueError(
            f"target {target.shape}, references {references.shape} and mask {mask.shape}; "
            "give images of one shape"
        )
    if not mask.any():
        raise ValueError("the mask has no pixel to compare; give one at least")
    known = np.isfinite(target) & mask
    scores = np.full(len(references), np.nan)
    if np.count_nonzero(known) < _FEWEST:
        return scores
    part = _box(known)
    known = known[part]
    target = np.where(known, target[part], 0.0).astype(np.float64)
    score = measures[measure] if measure in measures else _Ssim(target, known)
    for start in range(0, len(references), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        scores[some] = score(_fit(target, references[some, *part], known))
    return scores


def best(scores: Array, count: int, usable: Mask | None = None) -> Mask:
    """Return the references of the highest scores.

    Parameters
    ----------
    scores : ndarray (nref,)
        A reference whose score is NaN is never taken.
    count : int
        How many to take; all that can be, if there are not so many. Of equal ones the first.
    usable : ndarray of bool (nref,), optional
        References to choose from; all by default.

    Returns
    -------
    ndarray of bool (nref,)

    Raises
    ------
    ValueError
        If `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"{count} references to keep; give 1 or more")
    allowed = ~np.isnan(scores) if usable is None else usable & ~np.isnan(scores)
    order = np.argsort(np.where(allowed, -scores, np.inf), kind="stable")
    # An allowed score of -inf sorts with those that are not.
    order = order[allowed[order]]
    chosen = np.zeros(scores.shape, bool)
    chosen[order[:count]] = True
    return chosen


def _box(mask: Mask) -> tuple[slice, slice]:
    """Return the smallest box that holds a mask."""
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)


def _fit(target: Array, references: NDArray[np.floating], known: Mask) -> _Fit:
    """Fit a target by each of the references over known pixels."""
    good = (np.isfinite(references) & known).reshape(len(references), -1)
    raw = references.reshape(good.shape)
    count = good.sum(axis=1)
    some = np.maximum(count, 1)
    mean = raw.sum(axis=1, where=good, dtype=np.float64) / some
    centred = np.zeros(good.shape)
    np.subtract(raw, mean[:, None], out=centred, where=good)
    square = np.einsum("ij,ij->i", centred, centred)
    middle = target[known].mean()
    around = np.where(known, target - middle, 0.0).ravel()
    offset, own = _sums(around, known.ravel(), good)
    offset /= some
    own -= count * offset**2
    product = centred @ around
    told = count >= max(_FEWEST, 0.5 * np.count_nonzero(known))
    told &= square > _ROUNDING * count * (mean**2 + square / some)
    told &= own > _ROUNDING * count * np.mean(target[known] ** 2)
    scale = np.maximum(np.divide(product, square, where=told, out=np.zeros_like(product)), 0.0)
    alike = np.full(count.shape, np.nan)
    np.divide(product, np.sqrt(square * np.maximum(own, 0.0)), where=told, out=alike)
    return _Fit(
        good.reshape(references.shape),
        centred.reshape(references.shape),
        scale,
        middle + offset,
        np.clip(alike, -1.0, 1.0),
    )


def _sums(values: Array, known: Mask, good: Mask) -> tuple[Array, Array]:
    """Return the sums of values and of their squares over each row's good pixels.

    Few of the known ones are missing: their sums are taken off.
    """
    sums = np.full(len(good), values[known].sum())
    squares = np.full(len(good), np.square(values[known]).sum())
    for n, row in enumerate(good):
        lost = values[known & ~row]
        sums[n] -= lost.sum()
        squares[n] -= np.square(lost).sum()
    return sums, squares


class _Ssim:
    """The mean structural similarity of references to one target.

    Local sums are products with a matrix on each side that holds the window at the sampled rows
    or columns: for samples three pixels apart faster than filters that know every pixel.
    """

    def __init__(self, target: Array, known: Mask) -> None:
        low, high = np.percentile(target[known], _RANGE)
        self.known = known
        self.low, self.span = float(low), float(high - low) or 1.0
        step = _STEP if np.count_nonzero(known) > _MANY else 1
        # Single precision is enough: the values are between 0 and about 1.
        self.rows, self.cols = (_windows(size, step) for size in known.shape)
        self.at = known[step // 2 :: step, step // 2 :: step]
        self.target = ((target - self.low) / self.span).astype(np.float32)

    def __call__(self, fit: _Fit) -> Array:
        good = fit.good.astype(np.float32)
        one = good * self.target
        scale, level = fit.scale / self.span, (fit.level - self.low) / self.span
        other = scale.astype(np.float32)[:, None, None] * fit.centred.astype(np.float32)
        other += level.astype(np.float32)[:, None, None] * good
        weight = self._local(good)
        norm = 1.0 / np.maximum(weight, np.finfo(np.float32).tiny)
        mean_one, mean_other = self._local(one) * norm, self._local(other) * norm
        means = mean_one * mean_other
        squares = mean_one**2 + mean_other**2
        covariance = self._local(one * other) * norm - means
        variances = self._local(one * one + other * other) * norm - squares
        c1, c2 = _K1**2, _K2**2
        similar = (2.0 * means + c1) * (2.0 * covariance + c2)
        similar /= (squares + c1) * (variances + c2)
        weight *= self.at
        total = weight.sum(axis=(1, 2), dtype=np.float64)
        score = (similar * weight).sum(axis=(1, 2), dtype=np.float64)
        score /= np.maximum(total, np.finfo(np.float64).tiny)
        told = np.isfinite(fit.alike) & (total > 0.0)
        return np.where(told, np.clip(score, -1.0, 1.0), np.nan)

    def _local(self, images: NDArray[np.floating]) -> NDArray[np.floating]:
        return self.rows @ images @ self.cols.T


def _windows(size: int, step: int) -> NDArray[np.float32]:
    """Return the Gaussian window about each sampled pixel, (samples, size)."""
    sigma, half = _WINDOW
    away = np.arange(size) - np.arange(step // 2, size, step)[:, None]
    window = np.exp(-0.5 * (away / sigma) ** 2) * (np.abs(away) <= half)
    return window.astype(np.float32)
