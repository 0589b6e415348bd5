"""The variance of KLIP residuals, with the noise of target and references both in it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coronx.ops.klip import KLBasis, columns

__all__ = ["residual_variance"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Integrations whose variances differ by less than this fraction share one K x K matrix.
_ALIKE = 0.1


def residual_variance(
    basis: KLBasis,
    coefficients: Array,
    target_variance: NDArray[np.floating],
    reference_err: NDArray[np.floating],
    *,
    truncate: Sequence[int],
    known: Mask | None = None,
) -> Single:
    """Propagate pixel variances through the KLIP subtraction.

    With r = (I - P) t, P = Z^T Z, and t's model the combination b of the references, the
    noise that is projected is that of t - sum b_m a_m, of variance
    v = v_t + sum b_m^2 v_m, and var r_i = v_i (1 - 2 P_ii) + z_i^T M z_i with
    M = Z diag(v) Z^T. It is written here as v_i (1 - P_ii)^2 + sum_{j != i} P_ij^2 v_j, which
    cannot go negative when integrations with similar variances share M. Of a pixel that is
    subtracted but not fitted, P_ii is zero in the first term and nothing is left out of the sum.

    Parameters
    ----------
    basis : KLBasis
        Modes used, the constant among them.
    coefficients : ndarray (ntrunc, nt, 1 + K)
        Of the fitted targets.
    target_variance : ndarray (nt, ny, nx)
        Variance of the targets; NaN where unknown, and left out of the sums there.
    reference_err : ndarray (nref, ny, nx)
        1-sigma errors of the references. What the references add has one shape for all
        targets, since they are of one star, and a strength for each.
    truncate : sequence of int
        Numbers of modes, ascending.
    known : ndarray of bool (nref, ny, nx), optional
        Where the references' are to be used; elsewhere, and where not finite, the mean of the
        others stands. Everywhere by default.

    Returns
    -------
    ndarray (ntrunc, nt, narea), float32
        Variance of target - model at the pixels of the basis's area; NaN where the target's is.
    """
    flat = target_variance.reshape(len(target_variance), -1)
    coefficients = np.nan_to_num(coefficients)
    same = basis.fit is basis.area
    at_fit, strength = _reference_share(basis, coefficients, reference_err, known, basis.fit)
    at_area = at_fit
    if not same:
        at_area, _ = _reference_share(basis, coefficients, reference_err, known, basis.area)
    own_fit = flat if basis.fit.size == flat.shape[1] else flat[:, basis.fit]
    own_area = own_fit if same else flat[:, basis.area]
    # One matrix for all truncations: how variances are spread changes little with their number.
    pairs = [
        _relative(np.nan_to_num(own + s * at_fit[-1], nan=0.0, posinf=0.0))
        for own, s in zip(own_fit, strength[-1], strict=True)
    ]
    relative = [pair[0] for pair in pairs]
    stacked = np.stack(relative)
    typical = (stacked.sum(axis=0) / np.maximum((stacked > 0.0).sum(axis=0), 1)).astype(np.float32)
    diagonal = _diagonal(basis, truncate)
    shared = _leaks(basis, typical, diagonal, truncate)
    left = np.square(1.0 - diagonal)
    added = at_fit.mean(axis=1, dtype=np.float64)
    out = np.empty((len(truncate), *own_area.shape), np.float32)
    for n, (row, level) in enumerate(pairs):
        excess = np.abs(row - typical)[row > 0.0].sum(dtype=np.float64)
        alike = excess <= _ALIKE * row.sum(dtype=np.float64)
        leaks = shared if alike else _leaks(basis, row, diagonal, truncate)
        for k, result in enumerate(out[:, n]):
            result[:] = own_area[n]
            result += np.float32(strength[k, n]) * at_area[k]
            result *= left[k]
            change = strength[k, n] * added[k] - strength[-1, n] * added[-1]
            result += np.float32(level + change) * leaks[k]
    return out


def _reference_share(
    basis: KLBasis,
    coefficients: Array,
    errors: NDArray[np.floating],
    known: Mask | None,
    at: NDArray[np.intp],
) -> tuple[Single, Array]:
    """Return the references' mean share in the variance, (ntrunc, n), and each target's strength.

    The strength, (ntrunc, nt), is a target's share over the mean of all.
    """
    share = (coefficients[..., 1:] @ basis.weights.T) ** 2
    mean_share = share.mean(axis=1)
    flat = errors.reshape(len(errors), -1)
    told = None if known is None else known.reshape(len(known), -1)
    out = np.empty((len(share), at.size), np.float32)
    level = np.zeros(len(flat))
    weights = mean_share.astype(np.float32)
    blocks = columns(flat, at)
    for part, block in blocks:
        values = np.square(block, dtype=np.float32)
        seen = np.isfinite(values)
        if told is not None:
            seen &= told[:, at[part]]
        if not seen.all():
            mean = values.sum(axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)
            values = np.where(seen, values, mean)
        out[:, part] = weights @ values
        level += values.sum(axis=1)
    total, each = mean_share @ level, share @ level
    return out, each / np.where(total > 0.0, total, 1.0)[:, None]


def _relative(variance: Array) -> tuple[Single, float]:
    """Return variances over their mean where known, and the mean.

    In units of their own they fit single precision, whatever the data's unit.
    """
    count = np.count_nonzero(variance > 0.0)
    mean = float(variance.sum()) / count if count else 1.0
    return (variance / mean).astype(np.float32), mean


def _diagonal(basis: KLBasis, truncate: Sequence[int]) -> Single:
    """Return P_ii for every truncation, (ntrunc, narea): zero for a pixel that is not fitted."""
    out = np.empty((len(truncate), basis.area.size), np.float32)
    for result, part in zip(out, _steps(basis, truncate), strict=True):
        result[:] = np.einsum("kp,kp->p", basis.modes[part], basis.modes[part])
    np.cumsum(out, axis=0, out=out)
    if basis.fit is not basis.area:
        out[:, ~np.isin(basis.area, basis.fit)] = 0.0
    return out


def _leaks(basis: KLBasis, variance: Single, diagonal: Single, truncate: Sequence[int]) -> Single:
    """Return sum over j != i of P_ij^2 v_j for every pixel i and truncation, (ntrunc, narea).

    `variance` is that of the pixels fitted. Single precision is enough for a variance, and
    takes half the time.
    """
    size = len(basis.modes)
    matrix = np.zeros((size, size), np.float32)
    root = np.sqrt(variance, dtype=np.float32)
    for part, modes in columns(basis.fit_modes, np.arange(basis.fit.size)):
        scaled = modes.astype(np.float32) * root[part]
        matrix += scaled @ scaled.T
    out = np.empty((len(truncate), basis.area.size), np.float32)
    steps = _steps(basis, truncate)
    for part, modes in columns(basis.modes, np.arange(basis.area.size)):
        single = modes.astype(np.float32)
        total = np.zeros(single.shape[1], np.float32)
        for result, new in zip(out, steps, strict=True):
            if new.stop > new.start:
                mixed = matrix[new, new] @ single[new]
                mixed += 2.0 * (matrix[new, : new.start] @ single[: new.start])
                total += np.einsum("kp,kp->p", mixed, single[new])
            result[part] = total
    own = variance
    if basis.fit is not basis.area:
        own = np.zeros(basis.area.size, np.float32)
        own[np.isin(basis.area, basis.fit)] = variance[np.isin(basis.fit, basis.area)]
    out -= np.square(diagonal) * own
    return np.maximum(out, 0.0, out=out)


def _steps(basis: KLBasis, truncate: Sequence[int]) -> list[slice]:
    """Return the modes that each truncation adds to the one before it."""
    ends = [min(1 + count, len(basis.modes)) for count in truncate]
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
