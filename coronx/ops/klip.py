"""KLIP: Karhunen-Loeve modes of reference images, over the whole frame or a zone of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Gram",
    "KLBasis",
    "basis_of",
    "columns",
    "form_modes",
    "gram_matrix",
    "kl_basis",
    "kl_weights",
    "reference_scatter",
]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Modes below this fraction of the largest eigenvalue are rounding: float32 input leaves
# duplicate or linearly dependent references at 1e-15, real noise stands above 1e-10.
_EIGENVALUE_FLOOR = 1e-13
_BLOCK = 1024  # pixels worked on at a time: references are never held whole in float64


@dataclass(frozen=True)
class Gram:
    """Inner products of images whose means are taken off.

    Attributes
    ----------
    means : ndarray (nref,)
        Mean of each image over the pixels used.
    matrix : ndarray (nref, nref)
        Inner products of the images less their means, over the pixels used.
    """

    means: Array
    matrix: Array

    def of(self, chosen: Mask) -> "Gram":
        """Return that of some of the images."""
        return Gram(self.means[chosen], self.matrix[np.ix_(chosen, chosen)])


@dataclass(frozen=True)
class KLBasis:
    """Orthonormal modes of a set of references, with the constant in front.

    Attributes
    ----------
    fit, area : ndarray of int
        Flat numbers of the pixels fitted, and of those where the modes are wanted.
    fit_modes : ndarray (1 + K, nfit)
        Rows are orthonormal over the pixels fitted: first the constant, then the K modes by
        descending eigenvalue.
    modes : ndarray (1 + K, narea)
        The same combinations of references at the pixels of `area`.
    weights : ndarray (nref, K)
        modes[1:] = weights.T @ (references - their means over the pixels fitted).
    eigenvalues : ndarray (K,)
        Of the references' Gram matrix.
    """

    fit: Index
    area: Index
    fit_modes: Array
    modes: Array
    weights: Array
    eigenvalues: Array


def columns(flat: NDArray[Any], index: Index) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield the columns of an array (n, npix) that an index names, in blocks that fit a cache.

    With each comes the part of the index that it holds.
    """
    whole = index.size == flat.shape[1]
    for start in range(0, index.size, _BLOCK):
        part = slice(start, min(start + _BLOCK, index.size))
        yield part, flat[:, part] if whole else flat[:, index[part]]


def _less_means(
    flat: NDArray[np.floating], index: Index, means: Array
) -> Iterator[tuple[slice, Array]]:
    """Yield `columns` less the rows' means, in float64, each block in the same memory."""
    memory = np.empty(len(flat) * min(_BLOCK, index.size))
    for part, values in columns(flat, index):
        out = memory[: values.size].reshape(values.shape)
        yield part, np.subtract(values, means[:, None], out=out)


def gram_matrix(references: NDArray[np.floating], fit: Index) -> Gram:
    """Return the inner products of reference images over some of their pixels.

    They are accumulated in float64 over blocks of pixels, whatever the type of the input.

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Images, finite at the pixels used.
    fit : ndarray of int (nfit,)
        Flat numbers of the pixels used.

    Raises
    ------
    ValueError
        If there is no reference, no pixel to use, or a used value is not finite.
    """
    nref = references.shape[0]
    if nref == 0 or fit.size == 0:
        raise ValueError(f"KLIP needs a reference and a pixel to use; got {nref} and {fit.size}")
    flat = references.reshape(nref, -1)
    # One pass, less means of some pixels, which are near enough to cost no digits. An odd stride
    # does not keep to a few columns of the frame.
    some = fit[:: fit.size // _BLOCK | 1]
    near = _finite(flat[:, some].mean(axis=1, dtype=np.float64))
    sums, matrix = np.zeros(nref), np.zeros((nref, nref))
    for _, values in _less_means(flat, fit, near):
        sums += _finite(values.sum(axis=1))
        matrix += values @ values.T
    matrix -= np.outer(sums, sums) / fit.size
    return Gram(near + sums / fit.size, matrix)


def _finite(sums: Array) -> Array:
    if not np.isfinite(sums).all():
        raise ValueError("a reference is not finite where it is used")
    return sums


def kl_weights(matrix: Array, truncate: int) -> tuple[Array, Array]:
    """Return the weights of the references in their KL modes, and the eigenvalues.

    Parameters
    ----------
    matrix : ndarray (nref, nref)
        A Gram matrix.
    truncate : int
        Largest number of modes.

    Returns
    -------
    weights : ndarray (nref, K)
    eigenvalues : ndarray (K,)
        Descending; K <= truncate, since linearly dependent references give no mode.
    """
    eigenvalues, vectors = np.linalg.eigh(matrix)
    keep = np.argsort(eigenvalues)[::-1][:truncate]
    keep = keep[eigenvalues[keep] > max(_EIGENVALUE_FLOOR * eigenvalues[-1], 0.0)]
    return vectors[:, keep] / np.sqrt(eigenvalues[keep]), eigenvalues[keep]


def form_modes(
    references: NDArray[np.floating], means: Array, weights: Array, at: Index, count: int
) -> Array:
    """Return the constant and the modes that the weights make of the references, (1 + K, n).

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Images.
    means : ndarray (nref,)
        Their means over the pixels fitted.
    weights : ndarray (nref, K)
        Shares of each in the modes.
    at : ndarray of int (n,)
        Flat numbers of the pixels wanted.
    count : int
        Number of pixels fitted, over which the constant is of norm one.
    """
    modes = np.empty((1 + weights.shape[1], at.size))
    modes[0] = 1.0 / np.sqrt(count)
    for part, values in _less_means(references.reshape(len(references), -1), at, means):
        np.matmul(weights.T, values, out=modes[1:, part])
    return modes


def kl_basis(
    references: NDArray[np.floating],
    *,
    truncate: int,
    used: Mask | None = None,
    area: Mask | None = None,
    gram: Gram | None = None,
) -> KLBasis:
    """Build the KL modes of reference images.

    The eigenvectors of the small Gram matrix of the mean-subtracted references give the
    modes (Soummer, Pueyo & Larkin 2012, ApJ 755, L28).

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Reference images, finite where `used` and in `area`.
    truncate : int
        Largest number of modes kept; 0 keeps none, so that only the mean is subtracted.
    used : ndarray of bool (ny, nx), optional
        Pixels that take part; all by default.
    area : ndarray of bool (ny, nx), optional
        Pixels where the modes are wanted; those used by default.
    gram : Gram, optional
        The references' inner products over the pixels used, where they are known.

    Returns
    -------
    KLBasis
        With K <= truncate: linearly dependent references (duplicates, say) give no mode.

    Raises
    ------
    ValueError
        If there is no reference, no pixel to use, or a used value is not finite.
    """
    size = int(np.prod(references.shape[1:]))
    fit = np.arange(size) if used is None else np.flatnonzero(used)
    known = gram or gram_matrix(references, fit)
    weights, eigenvalues = kl_weights(known.matrix, truncate)
    at = fit if area is None else np.flatnonzero(area)
    return basis_of(references, known.means, weights, eigenvalues, fit, at)


def basis_of(
    references: NDArray[np.floating],
    means: Array,
    weights: Array,
    eigenvalues: Array,
    fit: Index,
    area: Index,
) -> KLBasis:
    """Return the basis that weights make of the references; shapes as in `KLBasis`.

    Where the pixels fitted are those wanted, both are one array, by which others know it.
    """
    fit_modes = form_modes(references, means, weights, fit, fit.size)
    if np.array_equal(fit, area):
        return KLBasis(fit, fit, fit_modes, fit_modes, weights, eigenvalues)
    modes = form_modes(references, means, weights, area, fit.size)
    return KLBasis(fit, area, fit_modes, modes, weights, eigenvalues)


def reference_scatter(
    references: NDArray[np.floating],
    gram: Gram,
    basis: KLBasis,
    counts: Sequence[int],
    *,
    chosen: Mask | None = None,
) -> Array:
    """Return the standard deviation of the references' own residuals, (ncount, narea).

    The error that the host's step reports (jwst 3.0), for ascending numbers of modes. It goes to
    zero as they approach that of the references, and says nothing of the target's noise. Of
    the references, those `chosen` are looked at, which made the basis; all by default.
    """
    own = slice(None) if chosen is None or chosen.all() else chosen
    shares = gram.matrix[own] @ basis.weights
    ends = [min(count, shares.shape[1]) for count in counts]
    scatter = np.empty((len(ends), basis.area.size))
    flat = references.reshape(len(references), -1)
    for part, values in _less_means(flat, basis.area, gram.means):
        left = values[own]
        for result, start, end in zip(scatter, [0, *ends[:-1]], ends, strict=True):
            left -= shares[:, start:end] @ basis.modes[1 + start : 1 + end, part]
            square = np.einsum("mp,mp->p", left, left) / len(left)
            result[part] = np.sqrt(np.maximum(square - left.mean(axis=0) ** 2, 0.0))
    return scatter
