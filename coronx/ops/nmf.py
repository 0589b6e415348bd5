"""Non-negative matrix factorisation of reference images, and the fit of a target by it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

__all__ = ["nmf_bases", "nmf_fit"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_BLOCK = 4096  # pixels worked on at a time: they fit a cache
_SWEEPS = 5  # over the coefficients for each one over the components: they cost nothing
_FLOOR = 1e-12  # of the light: what is left below is rounding; so are Gram eigenvalues


def nmf_bases(
    references: NDArray[np.floating],
    *,
    components: Sequence[int],
    used: Mask | None = None,
    iterations: int = 200,
    tolerance: float = 1e-3,
) -> list[Array]:
    """Build bases of non-negative components whose non-negative sums are like the references.

    Minimises the squared difference over the pixels that each reference has (weights 0 and 1
    in Zhu 2016, arXiv:1612.06037). As in Ren et al. 2018 (ApJ 852, 104) components are made one
    after the other, each from what those before leave, and all are improved together
    before the next.

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Reference images, without their background. Values that are not finite are missing.
    components : sequence of int
        Largest number of components of each basis, 1 or more; all are made for the price of the
        largest, and each is what its number alone would give.
    used : ndarray of bool (ny, nx), optional
        Pixels that take part; all by default. Those missing in every reference never do.
    iterations : int
        Most iterations for each number of components.
    tolerance : float
        They end when one lowers the squared difference by less than this fraction.

    Returns
    -------
    list of ndarray (K, ny, nx)
        For each number, components of unit norm, none negative, 0 where not used, in the order in
        which they were made. K is at most that number: none is made once the references are
        reproduced. The first few of many are not the best basis of their number.

    Raises
    ------
    ValueError
        If a number of `components`, or `iterations`, is less than 1, there is no reference or no
        pixel to use, or the references have no light.

    Notes
    -----
    Each component, and each column of coefficients, takes in turn the value that is best while
    the others stay (Cichocki & Phan 2009, IEICE Trans. Fundam. E92-A, 708), where the papers
    above multiply: it lowers the same sum in far fewer iterations, and negative values of noise
    are used as they are. To clip or to mask them would make every faint component too
    bright (Green & Bailey 2024, arXiv:2311.04855). Missing values stand at the present
    model's, which never makes the sum larger. A new component begins as the positive part
    of the leading singular vector of what is left (Boutsidis & Gallopoulos 2008, Pattern Recognit.
    41, 1350): nothing is random.
    """
    if len(components) == 0 or min(components) < 1 or iterations < 1:
        raise ValueError(
            f"{[*components]} components, {iterations} iterations; give 1 or more of each"
        )
    nref, ny, nx = references.shape
    flat = references.reshape(nref, ny * nx)
    known = np.isfinite(flat)
    take: Mask = np.logical_or.reduce(known, axis=0)
    if used is not None:
        take = take & used.ravel()
    if not take.any():
        raise ValueError(
            f"NMF needs a reference and a pixel to use; got {nref} and {np.count_nonzero(take)}"
        )
    work = _Factors(flat[:, take].astype(np.float64), ~known[:, take])
    made: dict[int, Array] = {}
    for count in range(1, max(components) + 1):
        if not work.grow():
            break
        work.improve(iterations, tolerance)
        if count in components:
            made[count] = work.normalised(take)
    if not len(work.parts):
        raise ValueError("the references have no light where they are used; look at them")
    whole = work.normalised(take)
    return [made.get(count, whole).reshape(-1, ny, nx) for count in components]


def nmf_fit(targets: NDArray[np.floating], good: Mask, components: Array) -> tuple[Array, Array]:
    """Fit each target by a non-negative sum of components, over its own good pixels.

    Parameters
    ----------
    targets : ndarray (n, ny, nx)
        Target images, without their background; what is not good is not read.
    good : ndarray of bool (n, ny, nx)
        Pixels that take part in each target's fit.
    components : ndarray (K, ny, nx)
        A basis as made by `nmf_bases`.

    Returns
    -------
    model : ndarray (n, ny, nx)
        Fitted star; 0 where no component has light.
    coefficients : ndarray (n, K)
        Of the components, 0 or more; 0 for one of which a target has no pixel.

    Notes
    -----
    Least squares by an active set (Lawson & Hanson 1974) on the K x K normal matrix; missing
    pixels are taken off it, so that the fit over the others is exact.
    """
    lit = components.any(axis=0)
    basis = components[:, lit]
    gram = basis @ basis.T
    coefficients = np.zeros((len(targets), len(components)))
    model = np.zeros(targets.shape)
    for n, target in enumerate(targets):
        use = good[n][lit]
        values = np.where(use, target[lit], 0.0).astype(np.float64)
        lost = basis[:, ~use]
        coefficients[n] = _non_negative(gram - lost @ lost.T, basis @ values)
        model[n, lit] = coefficients[n] @ basis
    return model, coefficients


def _non_negative(gram: Array, right: Array) -> Array:
    """Return the x >= 0 that makes x . gram . x / 2 - right . x least."""
    eigenvalues, vectors = np.linalg.eigh(gram)
    keep = eigenvalues > max(_FLOOR * float(eigenvalues.max(initial=0.0)), 0.0)
    if not keep.any():
        return np.zeros(right.size)
    root = np.sqrt(eigenvalues[keep])
    matrix = root[:, None] * vectors[:, keep].T
    solution: Array = nnls(matrix, (right @ vectors[:, keep]) / root, maxiter=100 * right.size)[0]
    return solution


class _Factors:
    """Images = shares @ parts, with both being improved; missing pixels hold the model."""

    def __init__(self, images: Array, missing: Mask) -> None:
        self.images = images
        self.missing = missing if missing.any() else None
        images[missing] = 0.0
        self.light = float(np.vdot(images, images))
        self.shares = np.zeros((len(images), 0))
        self.parts = np.zeros((0, images.shape[1]))

    def grow(self) -> bool:
        """Add a component made of what is left; return False if nothing is."""
        gram = np.zeros((len(self.images), len(self.images)))
        for block in _blocks(self.images.shape[1]):
            left = self._left(block)
            gram += left @ left.T
        eigenvalues, vectors = np.linalg.eigh(gram)
        if not eigenvalues[-1] > _FLOOR * self.light:
            return False
        share = vectors[:, -1]
        part = np.empty(self.images.shape[1])
        for block in _blocks(part.size):
            part[block] = share @ self._left(block)
        signs = [(np.maximum(s * share, 0.0), np.maximum(s * part, 0.0)) for s in (1.0, -1.0)]
        share, part = max(
            signs, key=lambda pair: float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1]))
        )
        if not (share.any() and part.any()):
            return False
        self.shares = np.column_stack([self.shares, share])
        self.parts = np.vstack([self.parts, part])
        return True

    def normalised(self, take: Mask) -> Array:
        """Return the components with unit norm, 0 where no image was taken, (K, take.size)."""
        norm = np.linalg.norm(self.parts, axis=1)
        lit = norm > 0.0  # one may have gone out
        result = np.zeros((np.count_nonzero(lit), take.size))
        result[:, take] = self.parts[lit] / norm[lit, None]
        return result

    def _left(self, block: slice) -> Array:
        left = self.images[:, block] - self.shares @ self.parts[:, block]
        if self.missing is not None:
            left[self.missing[:, block]] = 0.0
        return left

    def improve(self, iterations: int, tolerance: float) -> None:
        """Improve shares and components by turns."""
        before = np.inf
        for _ in range(iterations):
            product, gram, square = self._improve_parts()
            for _ in range(_SWEEPS):
                _sweep(self.shares.T, product.T, gram)
            now = square - 2.0 * float(np.vdot(product, self.shares))
            now += float(np.vdot(self.shares.T @ self.shares, gram))
            if not before - now > tolerance * now:
                break
            before = now

    def _improve_parts(self) -> tuple[Array, Array, float]:
        """Improve the components; return their products with the images and with each other."""
        size = self.shares.shape[1]
        turned = np.ascontiguousarray(self.shares.T)  # twice as fast
        own = turned @ self.shares
        product, gram, square = np.zeros(self.shares.shape), np.zeros((size, size)), 0.0
        for block in _blocks(self.images.shape[1]):
            images, parts = self.images[:, block], self.parts[:, block]
            if self.missing is not None:
                np.copyto(images, self.shares @ parts, where=self.missing[:, block])
            _sweep(parts, turned @ images, own)
            product += images @ parts.T
            gram += parts @ parts.T
            square += float(np.vdot(images, images))
        return product, gram, square


def _sweep(factor: Array, right: Array, gram: Array) -> None:
    """Give each row of `factor` its best value >= 0, in place: gram @ factor is near `right`."""
    for k, row in enumerate(gram):
        if row[k] > 0.0:
            best = factor[k] + (right[k] - row @ factor) / row[k]
            np.maximum(best, 0.0, out=factor[k])


def _blocks(size: int) -> Iterator[slice]:
    for start in range(0, size, _BLOCK):
        yield slice(start, min(start + _BLOCK, size))
