"""The fit of targets by non-negative components of references, zone by zone.

Once it is known which components have a share in a target, its fit is the least-squares fit by
those alone: they are made orthonormal and stand where KL modes stand, in errors and throughput
too. There is no constant; its place holds zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.klip import KLBasis
from coronx.ops.nmf import nmf_bases, nmf_fit
from coronx.ops.zone_fit import PreparedZone, ZoneFit, solve

__all__ = ["Components", "factorise_zones", "fit_zones_nmf"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FLOOR = 1e-12  # of the largest eigenvalue: below, components are alike but for rounding


@dataclass(frozen=True)
class Components:
    """What references have in common in a zone.

    Attributes
    ----------
    fit : ndarray (K, nfit)
        Components at the pixels fitted, none negative.
    area : ndarray (K, narea)
        The same at the pixels subtracted.
    weights : ndarray (nref, K)
        Shares of the references in the components, by least squares.
    scatter : ndarray (narea,)
        Standard deviation of what the components leave of the references.
    """

    fit: Array
    area: Array
    weights: Array
    scatter: Array


def factorise_zones(
    references: NDArray[np.floating],
    chosen: Sequence[Mask],
    zones: Sequence[PreparedZone],
    *,
    truncate: Sequence[int],
) -> list[list[Components] | None]:
    """Return the components of each zone for several numbers of them.

    Parameters
    ----------
    references : ndarray (nref, ny, nx)
        Aligned references, finite where fitted or subtracted, without their background.
    chosen : sequence of ndarray of bool (nref,)
        For each zone, the references that make the components.
    zones : sequence of PreparedZone
        The zones.
    truncate : sequence of int
        Numbers of components, each 1 or more: each has a factorisation of its own.

    Returns
    -------
    list of (list of Components, one for each number, or None)
        None for a zone without a reference or a pixel.
    """
    found: list[list[Components] | None] = []
    for zone, some in zip(zones, chosen, strict=True):
        if zone.gram is None or not some.any():
            found.append(None)
            continue
        flat = references.reshape(len(references), -1)[some]
        seen = flat[:, zone.fit][:, None]
        made: list[Array] = [np.zeros((0, 1, zone.fit.size))] * len(truncate)
        if (seen > 0.0).any():  # else there is no light, and nothing to subtract
            made = nmf_bases(seen, components=truncate)
        own = flat[:, zone.area]
        found.append([_components(zone, parts, seen, own, some) for parts in made])
    return found


def fit_zones_nmf(
    values: Array,
    use: Mask,
    zones: Sequence[PreparedZone],
    components: Sequence[list[Components] | None],
    which: int = -1,
) -> list[tuple[NDArray[np.intp], list[ZoneFit]]]:
    """Fit targets by non-negative sums of components in every zone.

    Parameters
    ----------
    values : ndarray (nt, npix)
        Targets, in the references' frame; zero where not used.
    use : ndarray of bool (nt, npix)
        Pixels that take part in each target's fit.
    zones : sequence of PreparedZone
        The zones.
    components : sequence of (list of Components or None)
        Of `factorise_zones`.
    which : int
        Which number of components, the last by default.

    Returns
    -------
    list of (ndarray of int, list of ZoneFit)
        Targets in whose fits the same components have a share, and those fits.
    """
    parts = [None if some is None else some[which] for some in components]
    shares = [np.zeros((len(values), 0), bool)]
    for zone, own in zip(zones, parts, strict=True):
        if own is not None:
            frame = values[:, zone.fit][:, None], use[:, zone.fit][:, None]
            shares.append(nmf_fit(*frame, own.fit[:, None])[1] > 0.0)
    active, alike = np.unique(np.concatenate(shares, axis=1), axis=0, return_inverse=True)
    done: list[tuple[NDArray[np.intp], list[ZoneFit]]] = []
    for number, row in enumerate(active):
        rows = np.flatnonzero(alike.ravel() == number)
        fits: list[ZoneFit] = []
        at = 0
        for zone, own in zip(zones, parts, strict=True):
            if own is None:
                fits.append(ZoneFit(zone.area, None, np.full((1, rows.size, 1), np.nan)))
                continue
            basis = _basis(zone, own, row[at : at + len(own.fit)])
            at += len(own.fit)
            coefficients = np.full((1, rows.size, len(basis.modes)), np.nan)
            solve(basis, values[rows], use[rows], (len(own.fit),), coefficients)
            fits.append(ZoneFit(zone.area, basis, coefficients, own.scatter))
        done.append((rows, fits))
    return done


def _components(
    zone: PreparedZone,
    made: Array,
    seen: NDArray[np.floating],
    own: NDArray[np.floating],
    some: Mask,
) -> Components:
    fit = made[:, 0]
    shares = nmf_fit(seen, np.ones(seen.shape, bool), made)[1]
    inverse = np.asarray(np.linalg.pinv(shares), np.float64)
    # Where nothing is fitted, kept out say, they are what the references show.
    area = np.maximum(inverse @ own, 0.0)
    fitted = np.isin(zone.area, zone.fit)
    area[:, fitted] = fit[:, np.isin(zone.fit, zone.area)]
    weights = np.zeros((some.size, len(fit)))
    weights[some] = inverse.T
    return Components(fit, area, weights, (own - shares @ area).std(axis=0))


def _basis(zone: PreparedZone, parts: Components, active: Mask) -> KLBasis:
    """Return orthonormal modes of the components that have a share."""
    fit = parts.fit[active]
    eigenvalues, vectors = np.linalg.eigh(fit @ fit.T)
    keep = np.flatnonzero(eigenvalues > _FLOOR * eigenvalues.max(initial=0.0))[::-1]
    turn = vectors[:, keep] / np.sqrt(eigenvalues[keep])
    fit_modes = np.vstack([np.zeros(zone.fit.size), turn.T @ fit])
    modes, area = fit_modes, zone.fit  # one array tells that they are the same
    if not np.array_equal(zone.fit, zone.area):
        area = zone.area
        modes = np.vstack([np.zeros(zone.area.size), turn.T @ parts.area[active]])
    weights = parts.weights[:, active] @ turn
    return KLBasis(zone.fit, area, fit_modes, modes, weights, eigenvalues[keep])
