"""The noise of a stack of like frames, of all their pixels together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

__all__ = ["PooledNoise", "pooled_noise"]

_MOST = 300_000  # pixels that are looked at
_BIN = 3_000  # pixels to a level, at least
_BINS = 30
_APART = 6.0  # standard deviations of a pixel's mean, that a level reaches over
_KEPT = 0.999  # of a level's variances, if they are those of normal samples


@dataclass(frozen=True)
class PooledNoise:
    """Variance of a sample of a stack by the level of its pixel.

    Attributes
    ----------
    level, variance : ndarray
        Levels in ascending order, and the variances there.
    slope : float
        Variance per level above the last one: 1 / gain, or 0.
    """

    level: NDArray[np.float64]
    variance: NDArray[np.float64]
    slope: float

    def at(self, level: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the variance of one sample at each level."""
        shot = self.slope * np.maximum(level - self.level[-1], 0.0)
        return np.interp(level, self.level, self.variance) + shot


def pooled_noise(frames: NDArray[np.floating], *, gain: float | None = None) -> PooledNoise:
    """Measure the variance of a stack's samples as a function of the level.

    Parameters
    ----------
    frames : ndarray (n, ny, nx)
        Frames of the same thing, n at least 2; NaN where a sample is not good.
    gain : float, optional
        Electrons per unit of the frames, for the few pixels brighter than all others.

    Returns
    -------
    PooledNoise

    Raises
    ------
    ValueError
        If there are less than two frames, or no pixel is good in all.

    Notes
    -----
    The scatter of the few samples of one pixel is a poor measure of their noise, and its MAD is
    often 0 where samples are whole numbers. Like pixels have like noise: their sample variances are
    averaged. Those above the 99.9th percentile of a chi-squared distribution (cosmic rays, unsteady
    pixels) are left out, and the mean is put right for that: the mean of a chi-squared variable
    of k degrees of freedom below q is k F_{k+2}(q) / F_k(q).
    """
    n = len(frames)
    if n < 2:
        raise ValueError(f"{n} frame(s); scatter needs two at least")
    flat = frames.reshape(n, -1)
    samples = flat[:, :: max(1, flat.shape[1] // _MOST)].astype(np.float64)
    samples = samples[:, np.isfinite(samples).all(axis=0)]
    if not samples.shape[1]:
        raise ValueError("no pixel is good in all frames")
    level = samples.mean(axis=0)
    variance = samples.var(axis=0, ddof=1)
    parts = _levels(level, np.sqrt(_mean_variance(variance, n - 1) / n))
    return PooledNoise(
        np.array([np.median(level[part]) for part in parts]),
        np.array([_mean_variance(variance[part], n - 1) for part in parts]),
        0.0 if gain is None else 1.0 / gain,
    )


def _levels(level: NDArray[np.float64], noise: float) -> list[NDArray[np.int_]]:
    """Return the pixels of each level: levels further apart than the noise makes them."""
    order = np.argsort(level)
    parts = np.array_split(order, int(np.clip(order.size // _BIN, 1, _BINS)))
    made = [parts[0]]
    for part in parts[1:]:
        wide = level[made[-1][-1]] - level[made[-1][0]] >= _APART * noise
        if wide:
            made.append(part)
        else:
            made[-1] = np.concatenate([made[-1], part])
    if len(made) > 1 and level[made[-1][-1]] - level[made[-1][0]] < _APART * noise:
        made[-2:] = [np.concatenate(made[-2:])]
    return made


def _mean_variance(variances: NDArray[np.float64], free: int) -> float:
    """Return the mean of sample variances of some degrees of freedom, without the outliers."""
    cut = float(chi2.ppf(_KEPT, free))
    part = float(chi2.cdf(cut, free + 2) / chi2.cdf(cut, free))
    value = max(float(np.median(variances)), float(variances.mean()) / 100.0)
    for _ in range(20):
        kept = variances <= value * cut / free
        if not kept.any():
            break
        value, before = float(variances[kept].mean()) / part, value
        if abs(value - before) <= 1e-6 * before:
            break
    return value
