"""The variance of KLIP residuals, with the noise of target and references both in it."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.klip import KLBasis, pixel_blocks

__all__ = ["residual_variance"]

Array = NDArray[np.float64]

# Integrations whose variances differ by less than this fraction share one K x K matrix.
_ALIKE = 0.1


def residual_variance(
    basis: KLBasis,
    coefficients: Array,
    target_variance: Array,
    reference_variance: NDArray[np.floating],
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
        Variance of the references, finite.

    Returns
    -------
    ndarray (nint, ny, nx)
        Variance of target - model; NaN where the target's is.
    """
    nint = coefficients.shape[0]
    shape = target_variance.shape
    share = (coefficients[:, 1:] @ basis.weights.T) ** 2
    total = target_variance.reshape(nint, -1).astype(np.float64)
    references = reference_variance.reshape(reference_variance.shape[0], -1)
    for block in pixel_blocks(total.shape[1]):
        total[:, block] += share @ references[:, block].astype(np.float64)
    known = np.where(np.isfinite(total) & (basis.modes[0] > 0.0), total, 0.0)
    level = known.sum(axis=1) / np.maximum((known > 0.0).sum(axis=1), 1)
    level[level == 0.0] = 1.0
    typical = _mean_where_known(known, level)
    diagonal = np.einsum("kp,kp->p", basis.modes, basis.modes)
    leak = _leak(basis, diagonal, typical)
    out = np.empty_like(total)
    for n in range(nint):
        excess = np.abs(known[n] - level[n] * typical)[known[n] > 0.0].sum()
        own = excess > _ALIKE * known[n].sum()
        others = _leak(basis, diagonal, known[n]) if own else level[n] * leak
        out[n] = total[n] * (1.0 - diagonal) ** 2 + others
    return out.reshape(shape)


def _mean_where_known(known: Array, level: Array) -> Array:
    """Return the mean over integrations of the variances brought to one level."""
    seen = (known > 0.0).sum(axis=0)
    return (known / level[:, None]).sum(axis=0) / np.maximum(seen, 1)


def _leak(basis: KLBasis, diagonal: Array, variance: Array) -> Array:
    """Return sum over j != i of P_ij^2 v_j for every pixel i."""
    size = basis.modes.shape[0]
    matrix = np.zeros((size, size))
    for block in pixel_blocks(variance.size):
        modes = basis.modes[:, block]
        matrix += (modes * variance[block]) @ modes.T
    out = np.empty_like(variance)
    for block in pixel_blocks(variance.size):
        modes = basis.modes[:, block]
        out[block] = np.einsum("kp,kp->p", matrix @ modes, modes)
    return np.maximum(out - diagonal**2 * variance, 0.0)
