"""The fit of targets by the modes of references, zone by zone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coronx.ops.klip import Gram, Index, KLBasis, basis_of, gram_matrix, kl_weights
from coronx.ops.zones import Zone

__all__ = [
    "Linear",
    "PreparedZone",
    "ZoneFit",
    "assemble",
    "coefficient_steps",
    "fit_zones",
    "prepare_zones",
    "residual_steps",
    "solve",
    "weigh",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Linear = Literal["klip", "classical"]

# With fewer pixels than this for each mode a target's own noise would be fitted, companions too.
_PIXELS_A_MODE = 2


@dataclass(frozen=True)
class PreparedZone:
    """A zone, and what its references have in common there.

    Attributes
    ----------
    fit, area : ndarray of int
        Flat numbers of the pixels fitted, and of those subtracted.
    gram : Gram or None
        Inner products of all references over `fit`; None if there is no pixel to fit.
    """

    fit: Index
    area: Index
    gram: Gram | None


@dataclass(frozen=True)
class ZoneFit:
    """A zone's fit of some targets by the same references.

    Attributes
    ----------
    area : ndarray of int (narea,)
        Flat numbers of the pixels that it is for.
    basis : KLBasis or None
        Modes; None where no reference or too few pixels are left, and nothing is fitted.
    coefficients : ndarray (ntrunc, nt, 1 + K)
        Of the constant and the modes, zero beyond each truncation; NaN where the target has too
        few good pixels for so many modes.
    scatter : ndarray (narea,) or None
        Standard deviation of what is left of the references, where the basis does not tell.
    """

    area: Index
    basis: KLBasis | None
    coefficients: Array
    scatter: Array | None = None


def prepare_zones(
    references: NDArray[np.floating], zones: Sequence[Zone], usable: Mask, covered: Mask
) -> list[PreparedZone]:
    """Return zones with the Gram matrices of the references in them.

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Aligned references, finite where `covered`.
    zones : sequence of Zone
        The zones.
    usable : ndarray of bool (ny, nx)
        Pixels that may be fitted.
    covered : ndarray of bool (ny, nx)
        Pixels where references have a value.
    """
    prepared = []
    for zone in zones:
        fit = np.flatnonzero(zone.fit & usable & covered)
        area = np.flatnonzero(zone.subtract & covered)
        gram = gram_matrix(references, fit) if fit.size and area.size else None
        prepared.append(PreparedZone(fit, area, gram))
    return prepared


def weigh(matrix: Array, truncate: int, method: Linear) -> tuple[Array, Array]:
    """Return the weights of the references in the modes of a method, and the modes' eigenvalues.

    Parameters
    ----------
    matrix : ndarray (nref, nref)
        Gram matrix of the references.
    truncate : int
        Largest number of modes.
    method : {"klip", "classical"}
        KL modes, or the references' mean as the only mode.

    Returns
    -------
    weights : ndarray (nref, K)
    eigenvalues : ndarray (K,)
    """
    if method == "klip":
        return kl_weights(matrix, truncate)
    square = float(matrix.sum())
    if not square > 0.0 or truncate == 0:
        return np.empty((len(matrix), 0)), np.empty(0)
    return np.full((len(matrix), 1), 1.0 / np.sqrt(square)), np.array([square])


def fit_zones(
    values: Array,
    use: Mask,
    references: NDArray[np.floating],
    chosen: Sequence[Mask],
    zones: Sequence[PreparedZone],
    *,
    truncate: Sequence[int],
    method: Linear = "klip",
    known: Sequence[ZoneFit] | None = None,
) -> list[ZoneFit]:
    """Fit targets by the modes of references in every zone, by least squares over good pixels.

    Pixels missing in a target only change the small normal matrix, I - B_b B_b^T with
    B_b the modes at the missing pixels, so the fit over the good ones is exact.

    Parameters
    ----------
    values : ndarray (nt, npix)
        Targets, in the references' frame; zero where not used.
    use : ndarray of bool (nt, npix)
        Pixels that take part in each target's fit.
    references : ndarray (nref, ny, nx)
        References.
    chosen : sequence of ndarray of bool (nref,)
        For each zone, the references that make the modes.
    zones : sequence of PreparedZone
        The zones.
    truncate : sequence of int
        Numbers of modes, ascending.
    method : {"klip", "classical"}
        See `weigh`.
    known : sequence of ZoneFit, optional
        Fits with the same references, whose modes are taken.

    Returns
    -------
    list of ZoneFit
    """
    fits = []
    for n, (zone, some) in enumerate(zip(zones, chosen, strict=True)):
        basis = known[n].basis if known else _basis(references, zone, some, max(truncate), method)
        size = 1 if basis is None else len(basis.modes)
        coefficients = np.full((len(truncate), len(values), size), np.nan)
        if basis is not None:
            solve(basis, values, use, truncate, coefficients)
        fits.append(ZoneFit(zone.area, basis, coefficients))
    return fits


def assemble(fits: Sequence[ZoneFit], size: int, which: int = -1) -> Array:
    """Return the models of all zones as frames, (nt, size): NaN where there is none.

    Parameters
    ----------
    fits : sequence of ZoneFit
        All zones' fits of the same targets.
    size : int
        Number of pixels of a frame.
    which : int
        Which of the truncations, the last by default.
    """
    models = np.empty((fits[0].coefficients.shape[1], size))
    if sum(fit.area.size for fit in fits if fit.basis is not None) < size:
        models[:] = np.nan
    for fit in fits:
        if fit.basis is None:
            continue
        if fit.area.size == size:
            np.matmul(fit.coefficients[which], fit.basis.modes, out=models)
        else:
            models[:, fit.area] = fit.coefficients[which] @ fit.basis.modes
    return models


def coefficient_steps(coefficients: Array) -> list[tuple[slice, Array]]:
    """Return what each truncation adds to the coefficients of the one before it.

    For each the modes that change, and by how much, (nt, number of them): only the new ones of
    targets without a missing pixel, whose modes stay orthonormal.
    """
    steps: list[tuple[slice, Array]] = []
    before = np.zeros(coefficients.shape[1:])
    for row in coefficients:
        change = row - before
        modes = np.flatnonzero(change.any(axis=0))
        which = slice(int(modes[0]), int(modes[-1]) + 1) if modes.size else slice(0, 0)
        steps.append((which, change[:, which]))
        before = row
    return steps


def residual_steps(
    data: Array, steps: Sequence[tuple[slice, Array]], modes: Array
) -> Iterator[Array]:
    """Yield what all truncations leave of targets at some pixels, (nt, n), in `data`'s memory.

    Parameters
    ----------
    data : ndarray (nt, n)
        The targets; changed.
    steps : sequence of (slice, ndarray)
        Of `coefficient_steps`.
    modes : ndarray (1 + K, n)
        Modes at those pixels.
    """
    added = np.empty_like(data)
    for which, change in steps:
        if change.size:
            data -= np.matmul(change, modes[which], out=added)
        yield data


def _basis(
    references: NDArray[np.floating], zone: PreparedZone, some: Mask, count: int, method: Linear
) -> KLBasis | None:
    if zone.gram is None or not some.any():
        return None
    every = bool(some.all())
    gram = zone.gram if every else zone.gram.of(some)
    weights, eigenvalues = weigh(gram.matrix, count, method)
    # Zero for the references left out, so that all stay where they are.
    full = weights if every else np.zeros((some.size, weights.shape[1]))
    if not every:
        full[some] = weights
    return basis_of(references, zone.gram.means, full, eigenvalues, zone.fit, zone.area)


def solve(basis: KLBasis, values: Array, use: Mask, truncate: Sequence[int], out: Array) -> None:
    """Write the coefficients of targets' least-squares fits into `out`, (ntrunc, nt, 1 + K).

    It is left as it is where a target has too few good pixels for so many modes; others as
    `fit_zones`'s.
    """
    whole = basis.fit.size == values.shape[1]
    right = (values if whole else values[:, basis.fit]) @ basis.fit_modes.T
    for n, row in enumerate(right):
        missing = np.flatnonzero(~(use[n] if whole else use[n, basis.fit]))
        left = basis.fit.size - missing.size
        at = basis.fit_modes[:, missing]
        normal = np.eye(len(at)) - at @ at.T if missing.size else None
        for coefficients, count in zip(out[:, n], truncate, strict=True):
            size = min(1 + count, len(row))
            if left < _PIXELS_A_MODE * size:
                continue
            coefficients[:] = 0.0
            if normal is None:
                coefficients[:size] = row[:size]
            else:
                # Least squares, because a target may miss every pixel that a mode lives on.
                coefficients[:size] = np.linalg.lstsq(
                    normal[:size, :size], row[:size], rcond=1e-10
                )[0]
