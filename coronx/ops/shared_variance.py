"""The noise that targets share because their star was subtracted by the same references."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coronx.ops.target_fit import Fitted

__all__ = ["pair_weights", "variance_in_mean"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]


def pair_weights(groups: Sequence[Fitted], zone: int, count: int) -> list[Array]:
    """Return how the variances of references make up the covariance between targets.

    Target i has the model sum_m b_im a_m, so that two targets share the noise of covariance
    sum_m b_im b_jm v_m. Of its mean over all pairs of fitted targets, the sum over the groups is
    returned as parts: each group's targets i with all other targets j.

    Parameters
    ----------
    groups : sequence of Fitted
        The fits of all targets.
    zone : int
        Which zone.
    count : int
        Number of truncations.

    Returns
    -------
    list of ndarray (planes of the group, nref)
        For each group the weights of v_m; zero where fewer than two targets are fitted, and
        where the group is not.
    """
    shares: list[Array | None] = []
    fitted = np.zeros(count)
    total: list[Array | float] = [0.0] * count
    for group in groups:
        fit = group.zones[zone]
        if fit.basis is None:
            shares.append(None)
            continue
        own = np.nan_to_num(fit.coefficients)[..., 1:] @ fit.basis.weights.T
        shares.append(own)
        known = np.isfinite(fit.coefficients[..., 0]).sum(axis=1)
        for row, k in enumerate(group.planes):
            total[k] = total[k] + own[row].sum(axis=0)
            fitted[k] += known[row]
    weights: list[Array] = []
    for group, own in zip(groups, shares, strict=True):
        if own is None:
            weights.append(np.zeros((len(group.planes), 0)))
            continue
        pairs = [
            (own[row].sum(axis=0) * total[k] - np.square(own[row]).sum(axis=0))
            / max(fitted[k] * (fitted[k] - 1.0), 1.0)
            for row, k in enumerate(group.planes)
        ]
        weights.append(np.array(pairs))
    return weights


def variance_in_mean(variance: Single, weight: Single, shared: Single) -> Single:
    """Return variances of targets that, taken as independent, give their weighted mean its own.

    The variance of a mean of weights w is sum_i w_i**2 V_i / W**2 if the targets are independent.
    With the covariance C between any two of them it is that of V_i + C (W - w_i) / w_i.

    Parameters
    ----------
    variance : ndarray (n, ny, nx)
        Of each target.
    weight : ndarray (n, ny, nx)
        Weights; 0 where a target is not used.
    shared : ndarray (ny, nx)
        C. Where it is negative or not finite it is taken as zero.

    Returns
    -------
    ndarray (n, ny, nx), float32
        The variances as given where a target is not used.
    """
    used = weight > 0.0
    others = weight.sum(axis=0, dtype=np.float64, where=used) - weight
    ratio = np.divide(others, weight, out=np.zeros(weight.shape), where=used)
    common = np.where(np.isfinite(shared), np.maximum(shared, 0.0), 0.0)
    return (variance + common * ratio).astype(np.float32)
