"""The variance of KLIP residuals, with the noise of target and references both in it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coronx.ops.klip import KLBasis, columns

__all__ = ["ResidualVariance", "residual_variance"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Integrations whose variances differ by less than this fraction share one K x K matrix.
_ALIKE = 0.1
_BLOCK = 4096  # pixels of a block by default


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
    noise = ResidualVariance(
        basis, coefficients, target_variance, reference_err, truncate=truncate, known=known
    )
    out = np.empty((len(truncate), len(target_variance), basis.area.size), np.float32)
    for start in range(0, basis.area.size, _BLOCK):
        part = slice(start, min(start + _BLOCK, basis.area.size))
        for result, (values, _) in zip(out, noise.block(part), strict=True):
            result[:, part] = values
    return out


class ResidualVariance:
    """What `residual_variance` returns, a block of pixels at a time, so that it fits a cache.

    Parameters
    ----------
    basis, coefficients, target_variance, reference_err, truncate, known
        As `residual_variance` has them.
    in_common : ndarray (ntrunc, nref), optional
        Weights of the references' variances in what targets share, `pair_weights`'s; zero by
        default.
    """

    def __init__(
        self,
        basis: KLBasis,
        coefficients: Array,
        target_variance: NDArray[np.floating],
        reference_err: NDArray[np.floating],
        *,
        truncate: Sequence[int],
        known: Mask | None = None,
        in_common: Array | None = None,
    ) -> None:
        self._basis, self._steps = basis, _steps(basis, truncate)
        self._own = target_variance.reshape(len(target_variance), -1)
        self._errors = reference_err.reshape(len(reference_err), -1)
        self._known = None if known is None else known.reshape(len(known), -1)
        share = (np.nan_to_num(coefficients)[..., 1:] @ basis.weights.T) ** 2
        self._weights = share.mean(axis=1).astype(np.float32)
        # What the references add has one shape, and for each target a strength over the mean.
        size, count = basis.fit.size, len(self._own)
        self._fitted = np.empty((len(truncate), size), np.float32)
        level = np.zeros(len(self._errors))
        for part, block in columns(self._errors, basis.fit):
            self._fitted[:, part], sums = self._shares(block, basis.fit[part])
            level += sums
        total, each = share.mean(axis=1) @ level, share @ level
        self._strength = each / np.where(total > 0.0, total, 1.0)[:, None]
        common = np.zeros(len(total)) if in_common is None else in_common @ level
        common /= np.where(total > 0.0, total, 1.0)
        # One matrix for all truncations: how variances are spread changes little with their number.
        sums, numbers = np.zeros(count), np.zeros(count)
        for _, v in self._noise():
            sums += v.sum(axis=1, dtype=np.float64)
            numbers += np.count_nonzero(v, axis=1)
        # In units of their mean they fit single precision, whatever the data's unit.
        self._level = np.where(sums > 0.0, sums / np.maximum(numbers, 1), 1.0)
        scale = (1.0 / self._level).astype(np.float32)[:, None]
        self._typical = np.empty(size, np.float32)
        excess = np.zeros(count)
        shared = np.zeros((len(basis.modes),) * 2, np.float32)
        for part, v in self._noise():
            v *= scale
            seen = v > 0.0
            typical = v.sum(axis=0) / np.maximum(np.count_nonzero(seen, axis=0), 1)
            self._typical[part] = typical
            v -= self._typical[part]
            excess += np.abs(v, out=v).sum(axis=1, where=seen, dtype=np.float64)
            shared += _outer(basis.fit_modes[:, part], self._typical[part])
        self._alone = np.flatnonzero(excess > _ALIKE * sums / self._level)
        matrices = np.zeros((len(self._alone), *shared.shape), np.float32)
        if self._alone.size:
            for part, v in self._noise(self._alone):
                for matrix, row in zip(matrices, v * scale[self._alone], strict=True):
                    matrix += _outer(basis.fit_modes[:, part], row)
        self._shared, self._matrices = self._pairs(shared), self._pairs(matrices)
        added = self._fitted.mean(axis=1, dtype=np.float64)
        change = self._strength * added[:, None] - self._strength[-1] * added[-1]
        spread = self._level + change
        self._factors = np.stack([self._strength, spread], axis=-1).astype(np.float32)
        self._in_common = np.stack([common, common * added], axis=-1).astype(np.float32)
        # Where the pixels of the area are among those fitted; -1 where they are not.
        self._place: NDArray[np.intp] | None = None
        if basis.fit is not basis.area:
            place = np.minimum(np.searchsorted(basis.fit, basis.area), size - 1)
            self._place = np.where(basis.fit[place] == basis.area, place, -1)

    def block(self, part: slice) -> Iterator[tuple[Single, Single]]:
        """Yield for each truncation the variances of some pixels of the area, (nt, n).

        And what of them targets share, (n,). The same memory is used for the variances of each.
        """
        basis = self._basis
        at = basis.area[part]
        modes = basis.modes[:, part].astype(np.float32)
        diagonal = np.array([
            np.einsum("kp,kp->p", *2 * [basis.modes[step, part]]) for step in self._steps
        ])  # fmt: skip
        for before, row in pairwise(diagonal):
            row += before
        own = self._target(at)
        if self._place is None:
            shares, typical = self._fitted[:, part], self._typical[part]
            fitted = None
        else:
            shares, _ = self._shares(self._errors[:, at], at)
            fitted = self._place[part] >= 0
            typical = np.where(fitted, self._typical[self._place[part]], np.float32(0.0))
            diagonal[:, ~fitted] = 0.0
        left = np.square(1.0 - diagonal).astype(np.float32)
        kept = np.square(diagonal).astype(np.float32)
        leaks = self._leaks(self._shared, modes, kept * typical)
        alone: list[Single] = []
        for n, matrix in zip(self._alone, self._matrices, strict=True):
            v = own[n] + np.float32(self._strength[-1, n]) * shares[-1]
            v = np.where(v < np.inf, v, np.float32(0.0)) / np.float32(self._level[n])
            if fitted is not None:
                v = np.where(fitted, v, np.float32(0.0))
            alone.append(self._leaks(matrix, modes, np.asarray(kept * v, np.float32)))
        terms = np.stack([shares * left, leaks], axis=1)
        result, more = np.empty_like(own), np.empty_like(own)
        for k, factors in enumerate(self._factors):
            np.matmul(factors, terms[k], out=result)
            for n, own_leaks in zip(self._alone, alone, strict=True):
                result[n] += factors[n, 1] * (own_leaks[k] - leaks[k])
            result += np.multiply(own, left[k], out=more)
            yield result, self._in_common[k] @ terms[k]

    def _target(self, at: NDArray[np.intp], rows: NDArray[np.intp] | None = None) -> Single:
        """Return targets' own variances at some pixels."""
        own = self._own if rows is None else self._own[rows]
        # A slice is no copy.
        index = slice(int(at[0]), int(at[-1]) + 1) if at[-1] - at[0] + 1 == at.size else at
        return own[:, index].astype(np.float32, copy=False)

    def _noise(self, rows: NDArray[np.intp] | None = None) -> Iterator[tuple[slice, Single]]:
        """Yield the noise that is projected, in blocks of the pixels fitted; zero if unknown."""
        strength = self._strength[-1] if rows is None else self._strength[-1, rows]
        fit = self._basis.fit
        for start in range(0, fit.size, _BLOCK):
            part = slice(start, min(start + _BLOCK, fit.size))
            v = strength.astype(np.float32)[:, None] * self._fitted[-1, part]
            v += self._target(fit[part], rows)
            known = v < np.inf
            yield part, v if known.all() else np.where(known, v, np.float32(0.0))

    def _shares(self, block: NDArray[np.floating], at: NDArray[np.intp]) -> tuple[Single, Array]:
        """Return the references' mean share in the variance, (ntrunc, n), and their sums."""
        values = np.square(block, dtype=np.float32)
        sums = values.sum(axis=1, dtype=np.float64)
        # A sum of squares is finite where they all are.
        if self._known is not None or not np.isfinite(sums).all():
            seen = np.isfinite(values)
            if self._known is not None:
                seen &= self._known[:, at]
            mean = values.sum(axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)
            values = np.where(seen, values, mean)
            sums = values.sum(axis=1, dtype=np.float64)
        return self._weights @ values, sums

    def _leaks(self, pairs: Single, modes: Single, own: Single) -> Single:
        """Return sum over j != i of P_ij^2 v_j for pixels i and every truncation, (ntrunc, n).

        `pairs` is `_pairs` of a matrix, `own` P_ii^2 v_i. Single precision is enough for a
        variance, and takes half the time.
        """
        mixed = pairs @ modes
        out = np.empty((len(self._steps), modes.shape[1]), np.float32)
        for result, new in zip(out, self._steps, strict=True):
            np.einsum("kp,kp->p", mixed[new], modes[new], out=result)
        for before, result in pairwise(out):
            result += before
        out -= own
        return np.maximum(out, 0.0, out=out)

    def _pairs(self, matrix: Single) -> Single:
        """Return the matrix (..., 1 + K, 1 + K) whose rows pair a truncation's new modes with all.

        With all up to them, that is: each pair of an old mode and a new one counts twice.
        """
        out = np.zeros_like(matrix)
        for new in self._steps:
            out[..., new, : new.start] = 2.0 * matrix[..., new, : new.start]
            out[..., new, new] = matrix[..., new, new]
        return out


def _outer(modes: Array, variance: Single) -> Single:
    """Return Z diag(v) Z^T of some pixels."""
    scaled = modes.astype(np.float32)
    scaled *= np.sqrt(variance)
    return scaled @ scaled.T


def _steps(basis: KLBasis, truncate: Sequence[int]) -> list[slice]:
    """Return the modes that each truncation adds to the one before it."""
    ends = [min(1 + count, len(basis.modes)) for count in truncate]
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
