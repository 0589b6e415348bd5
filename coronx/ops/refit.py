"""A PSF subtraction done again with light added to targets and references, by inner products.

A companion changes few pixels: of the references' Gram matrix, and of their products with the
targets, only the terms of those pixels are new. With both brought up to date the modes follow
from a small eigenproblem, as in the first subtraction, and the residual is wanted at few pixels,
too. The result is that of a whole reduction; nothing is linearised, as it is in the perturbed
modes of Pueyo 2016 (ApJ 824, 117).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.stamp import Stamp
from coronx.ops.target_fit import Fitted, Method, Prepared
from coronx.ops.zone_fit import PreparedZone, weigh

__all__ = ["Added", "Refit"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Added:
    """Light added to frames, at the few pixels where there is any.

    Attributes
    ----------
    pixels : ndarray of int (m,)
        Flat numbers of the pixels, ascending.
    targets : ndarray (nt, m)
        What is added to each target.
    references : ndarray (nref, m) or None
        What is added to each reference; None if nothing is.
    shape : tuple of int
        (ny, nx).
    """

    pixels: Index
    targets: Array
    references: Array | None
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls,
        own: Sequence[Stamp],
        held: Index,
        others: Sequence[Stamp],
        ready: Prepared,
    ) -> "Added":
        """Return the light of stamps in each target, and in the references numbered `held`.

        A reference's bad pixel was filled from the others: it gets the light that they have there.
        """
        shape, nref = ready.covered.shape, len(ready.data)
        touched = np.zeros(shape, bool)
        for stamp in {id(s): s for s in (*own, *others)}.values():
            low, left = max(stamp.row, 0), max(stamp.col, 0)
            high, right = stamp.row + stamp.values.shape[0], stamp.col + stamp.values.shape[1]
            touched[low : max(high, 0), left : max(right, 0)] = True
        pixels = np.flatnonzero(touched)
        frame = np.zeros(shape)

        def row(stamp: Stamp) -> Array:
            stamp.add_to(frame)
            values = frame.ravel()[pixels]
            frame[touched] = 0.0
            return values

        rows = {id(s): row(s) for s in {id(s): s for s in (*own, *others)}.values()}
        targets = np.stack([rows[id(s)] for s in own])
        references = None
        if len(held):
            references = np.zeros((nref, pixels.size))
            references[held] = [rows[id(s)] for s in others]
            if ready.known is not None:
                known = ready.known.reshape(nref, -1)[:, pixels]
                mean = (references * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
                references = np.where(known, references, mean)
        return cls(pixels, targets, references, shape)


@dataclass(frozen=True)
class _Solution:
    """The fit of a zone with light added: of each target, weights on the references and level."""

    weights: Array  # (nt, nref)
    level: Array  # (nt,)
    means: Array  # (nref,), the change of the references' means


class Refit:
    """The fits of one exposure, ready to be done again with light added.

    Parameters
    ----------
    ready : Prepared
        References and zones.
    groups : sequence of Fitted
        The fits, of one truncation.
    common : ndarray (nt, npix)
        Targets in the references' frame; zero where not used.
    truncate : int
        Number of modes.
    method : {"klip", "classical", "nmf"}
        As it was fitted. A factorisation is not done again: with NMF light can be added to targets
        alone.
    """

    def __init__(
        self,
        ready: Prepared,
        groups: Sequence[Fitted],
        common: Array,
        truncate: int,
        method: Method,
    ) -> None:
        self._ready, self._groups, self._common = ready, groups, common
        self._truncate = truncate
        self._method: Method = method
        self._use = ready.keep.reshape(common.shape)
        self._flat = ready.data.reshape(len(ready.data), -1)
        self._products: dict[int, Array] = {}
        self._missing: dict[tuple[int, int], Index] = {}
        self._normals: dict[tuple[int, int], Array] = {}
        self._last: tuple[Added | None, dict[int, _Solution]] = (None, {})

    def change(self, added: Added, target: int, row: int, col: int, side: int) -> Array:
        """Return residual with the light minus without, on a square of a target, (side, side).

        NaN outside of the frame, and where nothing is subtracted.
        """
        if self._last[0] is not added:
            self._last = (added, {})
        out = np.full((side, side), np.nan)
        ny, nx = added.shape
        rows = np.arange(max(row, 0), min(row + side, ny))
        cols = np.arange(max(col, 0), min(col + side, nx))
        if not (rows.size and cols.size):
            return out
        pixels = (rows[:, None] * nx + cols).ravel()
        change = np.full(pixels.size, np.nan)
        at = _look_up(added.pixels, pixels)
        light = np.where(at >= 0, added.targets[target, at], 0.0)
        for number, zone in enumerate(self._ready.zones):
            inside = np.flatnonzero(_look_up(zone.area, pixels) >= 0)
            if not inside.size or zone.gram is None:
                continue
            old = self._first(number, target)
            if old is None:
                continue
            if added.references is None:
                model = self._taken(number, zone, target, added, pixels[inside])
            else:
                if number not in self._last[1]:
                    self._last[1][number] = self._solve(number, zone, added)
                new = self._last[1][number]
                values = self._flat[:, pixels[inside]] - zone.gram.means[:, None]
                weights = new.weights[target]
                model = new.level[target] - old[1] + (weights - old[0]) @ values
                model -= weights @ new.means
                here = at[inside]
                model += np.where(here >= 0, weights @ added.references[:, here], 0.0)
            change[inside] = light[inside] - model
        out[np.ix_(rows - row, cols - col)] = change.reshape(rows.size, cols.size)
        return out

    def _first(self, number: int, target: int) -> tuple[Array, float] | None:
        """Return weights on the references and level of the subtraction itself."""
        group, n = self._group(target)
        fit = group.zones[number]
        if fit.basis is None or np.isnan(fit.coefficients[0, n]).any():
            return None
        found = fit.coefficients[0, n]
        return fit.basis.weights @ found[1:], float(found[0] / np.sqrt(fit.basis.fit.size))

    def _group(self, target: int) -> tuple[Fitted, int]:
        for group in self._groups:
            at = np.flatnonzero(group.targets == target)
            if at.size:
                return group, int(at[0])
        raise IndexError(target)

    def _taken(
        self, number: int, zone: PreparedZone, target: int, added: Added, pixels: Index
    ) -> Array:
        """Return what the modes, which stay, make of light in a target alone, at some pixels."""
        group, _ = self._group(target)
        basis = group.zones[number].basis
        assert basis is not None
        at = _look_up(basis.fit, added.pixels)
        seen = (at >= 0) & self._use[target, added.pixels]
        right = basis.fit_modes[:, at[seen]] @ added.targets[target, seen]
        if (number, target) not in self._normals:
            lost = basis.fit_modes[:, _look_up(basis.fit, self._lost(number, zone, target))]
            self._normals[number, target] = np.eye(len(lost)) - lost @ lost.T
        right = np.linalg.lstsq(self._normals[number, target], right, rcond=1e-10)[0]
        return right @ basis.modes[:, _look_up(basis.area, pixels)]

    def _solve(self, number: int, zone: PreparedZone, added: Added) -> _Solution:
        """Fit all targets again, with modes of references that hold the light, too."""
        assert zone.gram is not None and added.references is not None and self._method != "nmf"
        nref, count = len(self._flat), len(self._common)
        some = np.flatnonzero(_look_up(zone.fit, added.pixels) >= 0)
        pixels, size = added.pixels[some], zone.fit.size
        values = self._flat[:, pixels] - zone.gram.means[:, None]
        use = self._use[:, pixels]
        own = np.where(use, added.targets[:, some], 0.0)
        light = added.references[:, some]
        means = light.sum(axis=1) / size
        crossed = values @ light.T
        matrix = zone.gram.matrix + crossed + crossed.T + light @ light.T
        matrix -= size * np.outer(means, means)
        first, level = self._inner(number, zone)
        sums = level + own.sum(axis=1)
        products = first + values @ own.T + light @ (self._common[:, pixels] * use + own).T
        products -= np.outer(means, sums)
        weights, levels = np.zeros((count, nref)), np.zeros(count)
        for group in self._groups:
            if group.zones[number].basis is None:
                continue
            chosen = self._ready.chosen[number, group.targets[0]]
            found, _ = weigh(matrix[np.ix_(chosen, chosen)], self._truncate, self._method)
            made = np.zeros((nref, found.shape[1]))
            made[chosen] = found
            for target in group.targets:
                right = np.append(sums[target] / np.sqrt(size), made.T @ products[:, target])
                missing = self._lost(number, zone, int(target))
                if missing.size:
                    at = np.full((len(right), missing.size), 1.0 / np.sqrt(size))
                    seen = self._flat[:, missing] - (zone.gram.means + means)[:, None]
                    where = _look_up(added.pixels, missing)
                    seen += np.where(where >= 0, added.references[:, where], 0.0)
                    at[1:] = made.T @ seen
                    normal = np.eye(len(right)) - at @ at.T
                    right = np.linalg.lstsq(normal, right, rcond=1e-10)[0]
                weights[target] = made @ right[1:]
                levels[target] = right[0] / np.sqrt(size)
        return _Solution(weights, levels, means)

    def _inner(self, number: int, zone: PreparedZone) -> tuple[Array, Array]:
        """Return products of references and targets over the zone, and the targets' sums."""
        assert zone.gram is not None
        seen = self._common[:, zone.fit]  # zero where not used
        if number not in self._products:
            products = np.zeros((len(self._flat), len(seen)))
            for start in range(0, zone.fit.size, 8192):
                part = slice(start, start + 8192)
                block = self._flat[:, zone.fit[part]] - zone.gram.means[:, None]
                products += block @ seen[:, part].T
            self._products[number] = np.vstack([products, seen.sum(axis=1)])
        found = self._products[number]
        return found[:-1], found[-1]

    def _lost(self, number: int, zone: PreparedZone, target: int) -> Index:
        """Return the pixels fitted that a target does not have."""
        key = (number, target)
        if key not in self._missing:
            self._missing[key] = zone.fit[~self._use[target, zone.fit]]
        return self._missing[key]


def _look_up(sorted_pixels: Index, wanted: Index) -> NDArray[np.intp]:
    """Return where each wanted pixel stands among sorted ones, -1 where it does not."""
    if not sorted_pixels.size:
        return np.full(wanted.size, -1)
    at = np.minimum(np.searchsorted(sorted_pixels, wanted), sorted_pixels.size - 1)
    return np.where(sorted_pixels[at] == wanted, at, -1)
