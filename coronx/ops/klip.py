"""KLIP: Karhunen-Loeve modes of reference images, and the fit of a target by them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.fourier import apply_ramp, forward

__all__ = ["KLBasis", "Projection", "kl_basis", "pixel_blocks", "project", "reference_scatter"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Modes below this fraction of the largest eigenvalue are rounding: float32 input leaves
# duplicate or linearly dependent references at 1e-15, real noise stands above 1e-10.
_EIGENVALUE_FLOOR = 1e-13
_BLOCK = 4096  # pixels worked on at a time: references are never held whole in float64
_TOGETHER = 10  # targets projected at a time: they take several arrays in float64
_SHIFTED_ROUNDS = 2  # of the fit of a shifted target; the second removes what masking left


@dataclass(frozen=True)
class KLBasis:
    """Orthonormal modes of a set of references, with the constant in front.

    Attributes
    ----------
    modes : ndarray (1 + K, ny * nx)
        Rows are orthonormal over the pixels used and zero elsewhere: first the constant,
        then the K modes by descending eigenvalue.
    weights : ndarray (nref, K)
        modes[1:] = weights.T @ (references - their means).
    eigenvalues : ndarray (K,)
        Of the references' Gram matrix.
    shape : tuple of int
        (ny, nx).
    """

    modes: Array
    weights: Array
    eigenvalues: Array
    shape: tuple[int, int]


@dataclass(frozen=True)
class Projection:
    """A fit of targets by a basis.

    Attributes
    ----------
    model : ndarray (nint, ny, nx)
        Fitted star, in the targets' own frames.
    coefficients : ndarray (nint, 1 + K)
        Of the basis's modes.
    """

    model: Array
    coefficients: Array


def pixel_blocks(npix: int) -> Iterator[slice]:
    """Yield slices that cover ``npix`` pixels in blocks that fit a cache."""
    for start in range(0, npix, _BLOCK):
        yield slice(start, min(start + _BLOCK, npix))


def kl_basis(
    references: NDArray[np.floating], *, truncate: int, used: Mask | None = None
) -> KLBasis:
    """Build the KL modes of reference images.

    The eigenvectors of the small Gram matrix of the mean-subtracted references give the
    modes (Soummer, Pueyo & Larkin 2012, ApJ 755, L28). The matrix is accumulated in float64 over
    blocks of pixels, whatever the type of the input.

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Reference images, finite where `used`.
    truncate : int
        Largest number of modes kept; 0 keeps none, so that only the mean is subtracted.
    used : ndarray of bool (ny, nx), optional
        Pixels that take part; all by default.

    Returns
    -------
    KLBasis
        With K <= truncate: linearly dependent references (duplicates, say) give no mode.

    Raises
    ------
    ValueError
        If there is no reference, no pixel to use, or a used value is not finite.
    """
    nref, ny, nx = references.shape
    flat = references.reshape(nref, ny * nx)
    take = np.ones(ny * nx, bool) if used is None else used.ravel()
    count = int(np.count_nonzero(take))
    if nref == 0 or count == 0:
        raise ValueError(f"KLIP needs a reference and a pixel to use; got {nref} and {count}")
    means = np.zeros(nref)
    for block in pixel_blocks(ny * nx):
        means += flat[:, block].sum(axis=1, where=take[block], dtype=np.float64)
    means /= count
    if not np.isfinite(means).all():
        raise ValueError("a reference is not finite where it is used")

    def centred(block: slice) -> Array:
        values = flat[:, block].astype(np.float64)
        values -= means[:, None]
        values[:, ~take[block]] = 0.0
        return values

    gram = np.zeros((nref, nref))
    for block in pixel_blocks(ny * nx):
        values = centred(block)
        gram += values @ values.T
    eigenvalues, vectors = np.linalg.eigh(gram)
    keep = np.argsort(eigenvalues)[::-1][:truncate]
    keep = keep[eigenvalues[keep] > max(_EIGENVALUE_FLOOR * eigenvalues[-1], 0.0)]
    weights = vectors[:, keep] / np.sqrt(eigenvalues[keep])
    modes = np.empty((1 + keep.size, ny * nx))
    modes[0] = take / np.sqrt(count)
    for block in pixel_blocks(ny * nx):
        np.matmul(weights.T, centred(block), out=modes[1:, block])
    return KLBasis(modes, weights, eigenvalues[keep], (ny, nx))


def project(
    targets: NDArray[np.floating], good: Mask, basis: KLBasis, *, shifts: Array | None = None
) -> Projection:
    """Fit each target by the basis, by least squares over its own good pixels.

    Pixels missing in a target only change the small normal matrix, I - B_b B_b^T with
    B_b the modes at the missing pixels, so the fit over the good ones is exact.

    Parameters
    ----------
    targets : ndarray (nint, ny, nx)
        Target images; what is not good is not read.
    good : ndarray of bool (nint, ny, nx)
        Pixels that take part in each target's fit.
    basis : KLBasis
        Modes of the references.
    shifts : ndarray (nint, 2), optional
        (dx, dy) in pixels from the basis's frame to each target's. The Gram matrix of equally
        shifted references does not change, so one basis serves all: each target's good
        pixels are moved to the common frame, and the fitted model is moved back. Target
        pixels are never interpolated.

    Returns
    -------
    Projection
    """
    nint = targets.shape[0]
    model = np.empty(targets.shape)
    coefficients = np.empty((nint, basis.modes.shape[0]))
    if shifts is not None and not np.any(shifts):
        shifts = None
    for start in range(0, nint, _TOGETHER):
        part = slice(start, start + _TOGETHER)
        moves = None if shifts is None else shifts[part]
        found = _project(targets[part], good[part], basis, moves)
        model[part], coefficients[part] = found.model, found.coefficients
    return Projection(model, coefficients)


def _project(
    targets: NDArray[np.floating], good: Mask, basis: KLBasis, shifts: Array | None
) -> Projection:
    nint = targets.shape[0]
    values = np.where(good, targets, 0.0).reshape(nint, -1).astype(np.float64, copy=False)
    use = good.reshape(nint, -1) & (basis.modes[0] > 0.0)
    values[~use] = 0.0
    normals = [_normal(basis, use[n]) for n in range(nint)]
    if shifts is None:
        coefficients = _solve(normals, values @ basis.modes.T)
        model = coefficients @ basis.modes
        return Projection(model.reshape(targets.shape), coefficients)
    coefficients = np.zeros((nint, basis.modes.shape[0]))
    model = np.zeros_like(values)
    for _ in range(_SHIFTED_ROUNDS):
        left = values - model
        left[~use] = 0.0
        back = _moved(left, -shifts, basis.shape)
        coefficients += _solve(normals, back @ basis.modes.T)
        model = _moved(coefficients @ basis.modes, shifts, basis.shape)
    return Projection(model.reshape(targets.shape), coefficients)


def reference_scatter(references: NDArray[np.floating], basis: KLBasis) -> Array:
    """Return the standard deviation of the references' own KL residuals, (ny, nx).

    The error that the host's step reports (jwst 3.0). It goes to zero as the number of modes
    approaches that of the references, and says nothing of the target's noise.
    """
    nref = references.shape[0]
    flat = references.reshape(nref, -1)
    take = basis.modes[0] > 0.0
    means = flat[:, take].mean(axis=1, dtype=np.float64)
    # The residuals are (I - V V^T) of the references, with V the kept eigenvectors.
    vectors = basis.weights * np.sqrt(basis.eigenvalues)
    scatter = np.empty(flat.shape[1])
    for block in pixel_blocks(flat.shape[1]):
        values = np.where(take[block], flat[:, block] - means[:, None], 0.0)
        values -= vectors @ (vectors.T @ values)
        scatter[block] = values.std(axis=0)
    return scatter.reshape(basis.shape)


def _normal(basis: KLBasis, use: Mask) -> Array | None:
    missing = np.flatnonzero((basis.modes[0] > 0.0) & ~use)
    if missing.size == 0:
        return None
    at = basis.modes[:, missing]
    return np.eye(at.shape[0]) - at @ at.T


def _solve(normals: list[Array | None], right: Array) -> Array:
    # Least squares, because a target may miss every pixel that a mode lives on.
    return np.stack(
        [
            row if normal is None else np.linalg.lstsq(normal, row, rcond=1e-10)[0]
            for normal, row in zip(normals, right, strict=True)
        ]
    )


def _moved(flat: Array, shifts: Array, shape: tuple[int, int]) -> Array:
    out = np.empty_like(flat)
    for n, shift in enumerate(shifts):
        if np.any(shift):
            out[n] = apply_ramp(forward(flat[n].reshape(shape)), shift, shape).ravel()
        else:
            out[n] = flat[n]
    return out
