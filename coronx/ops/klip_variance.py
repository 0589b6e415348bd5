"""The variance of KLIP residuals, with the noise of target and references both in it."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.klip import KLBasis, pixel_blocks

__all__ = ["residual_variance"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Integrations whose variances differ by less than this fraction share one K x K matrix.
_ALIKE = 0.1


def residual_variance(
    basis: KLBasis,
    coefficients: Array,
    target_variance: NDArray[np.floating],
    reference_variance: NDArray[np.floating],
    *,
    known: Mask | None = None,
    squared: bool = True,
    overwrite: bool = False,
) -> Array:
    """Propagate pixel variances through the KLIP subtraction.

    With r = (I - P) t, P = Z^T Z, and t's model the combination b of the references, the
    noise that is projected is that of t - sum b_m a_m, of variance
    v = v_t + sum b_m^2 v_m, and var r_i = v_i (1 - 2 P_ii) + z_i^T M z_i with
    M = Z diag(v) Z^T. It is written here as v_i (1 - P_ii)^2 + sum_{j != i} P_ij^2 v_j, which
    cannot go negative when integrations with similar variances share M.

    Parameters
    ----------
    basis : KLBasis
        Modes used, the constant among them.
    coefficients : ndarray (nint, 1 + K)
        Of the fitted targets.
    target_variance : ndarray (nint, ny, nx)
        Variance of the targets; NaN where unknown, and left out of the sums there.
    reference_variance : ndarray (nref, ny, nx)
        Variance of the references, or their errors with ``squared=False``: they are squared block
        by block, so that no array of their size is made.
    known : ndarray of bool (nref, ny, nx), optional
        Where the references' are to be used; elsewhere, and where not finite, the mean of the
        others stands. Everywhere by default.
    squared : bool
        Whether `reference_variance` holds variances.
    overwrite : bool
        Put the result into the array of `target_variance`, if that is float64.

    Returns
    -------
    ndarray (nint, ny, nx)
        Variance of target - model; NaN where the target's is.
    """
    total = np.array(target_variance, dtype=np.float64, copy=None if overwrite else True)
    flat = total.reshape(len(total), -1)
    _add_references(flat, basis, coefficients, reference_variance, known, squared)
    _propagate(flat, basis)
    return total


def _add_references(
    total: Array,
    basis: KLBasis,
    coefficients: Array,
    reference_variance: NDArray[np.floating],
    known: Mask | None,
    squared: bool,
) -> None:
    """Add to each target's variance, (nint, ny * nx), that of its combination of references."""
    share = ((coefficients[:, 1:] @ basis.weights.T) ** 2).astype(np.float32)
    flat = reference_variance.reshape(reference_variance.shape[0], -1)
    told = None if known is None else known.reshape(known.shape[0], -1)
    for block in pixel_blocks(total.shape[1]):
        values = flat[:, block].astype(np.float32)
        if not squared:
            np.square(values, out=values)
        seen = np.isfinite(values)
        if told is not None:
            seen &= told[:, block]
        if not seen.all():
            mean = values.sum(axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)
            values = np.where(seen, values, mean)
        total[:, block] += share @ values


def _propagate(total: Array, basis: KLBasis) -> None:
    """Propagate variances of what is projected, (nint, ny * nx), through I - P, in place."""
    usable = basis.modes[0] > 0.0
    diagonal = np.einsum("kp,kp->p", basis.modes, basis.modes)
    pairs = [_relative(np.where(usable & np.isfinite(row), row, 0.0)) for row in total]
    known, level = zip(*pairs, strict=True)
    seen = sum(row > 0.0 for row in known)
    typical = sum(known) / np.maximum(seen, 1).astype(np.float32)
    leak = _leak(basis.modes, diagonal, typical)
    for row, mean, out in zip(known, level, total, strict=True):
        excess = np.abs(row - typical)[row > 0.0].sum(dtype=np.float64)
        own = excess > _ALIKE * row.sum(dtype=np.float64)
        out *= (1.0 - diagonal) ** 2
        out += mean * (_leak(basis.modes, diagonal, row) if own else leak)


def _relative(variance: Array) -> tuple[NDArray[np.float32], float]:
    """Return variances over their mean where known, and the mean.

    In units of their own they fit single precision, whatever the data's unit.
    """
    count = np.count_nonzero(variance > 0.0)
    mean = float(variance.sum()) / count if count else 1.0
    return (variance / mean).astype(np.float32), mean


def _leak(modes: Array, diagonal: Array, variance: NDArray[np.float32]) -> Array:
    """Return sum over j != i of P_ij^2 v_j for every pixel i.

    Single precision is enough for a variance, and takes half the time.
    """
    size = modes.shape[0]
    matrix = np.zeros((size, size), np.float32)
    root = np.sqrt(variance, dtype=np.float32)
    for block in pixel_blocks(variance.size):
        scaled = modes[:, block].astype(np.float32) * root[block]
        matrix += scaled @ scaled.T
    out = np.empty(variance.size)
    for block in pixel_blocks(variance.size):
        part = modes[:, block].astype(np.float32)
        out[block] = np.einsum("kp,kp->p", matrix @ part, part)
    return np.maximum(out - diagonal**2 * variance, 0.0)
