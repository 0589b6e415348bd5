"""The fit of targets by their references: who is fitted by whom, in which frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from coronx.ops.common_frame import filled, moved, to_target
from coronx.ops.images import Images
from coronx.ops.nans import fill_from_stack
from coronx.ops.nmf_zone_fit import factorise_zones, fit_zones_nmf
from coronx.ops.zone_fit import PreparedZone, ZoneFit, assemble, fit_zones, prepare_zones
from coronx.ops.zones import Zone, whole_frame

__all__ = ["Fitted", "Method", "Prepared", "fit_targets", "prepare"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Method = Literal["klip", "classical", "nmf"]


@dataclass(frozen=True)
class Prepared:
    """References ready to be fitted.

    Attributes
    ----------
    data : ndarray (nref, ny, nx)
        Finite where `covered`.
    known : ndarray of bool (nref, ny, nx) or None
        Where the values are the references' own; everywhere if None.
    covered : ndarray of bool (ny, nx)
        Where any reference has a value.
    good, keep : ndarray of bool (nt, ny, nx)
        Pixels of the targets that are good, and those of them that are covered.
    zones : list of PreparedZone
        The zones.
    chosen : ndarray of bool (nzone, nt, nref)
        The references of each target in each zone.
    count : int
        Number of references that are chosen and have any good pixel.
    """

    data: NDArray[np.floating]
    known: Mask | None
    covered: Mask
    good: Mask
    keep: Mask
    zones: list[PreparedZone]
    chosen: Mask
    count: int


@dataclass(frozen=True)
class Fitted:
    """The fit of targets that have the same modes.

    Attributes
    ----------
    targets : ndarray of int
        Which they are.
    common : ndarray (n, npix)
        The targets in the references' frame; zero where not used.
    zones : list of ZoneFit
        The fit in each zone.
    planes : tuple of int
        Which of the numbers of modes it is for: all, or one whose modes are its own.
    whole : ndarray (n, npix) or None
        As `common`, with guesses where not used; None where no target is moved.
    """

    targets: NDArray[np.intp]
    common: Array
    zones: list[ZoneFit]
    planes: tuple[int, ...]
    whole: Array | None = None

    def models(
        self, frame: tuple[int, ...], shifts: Array | None, which: int = -1
    ) -> Iterator[tuple[int, Array]]:
        """Yield which target, and its model in its own frame (ny, nx), of one of the planes.

        `shifts` are those of all targets, as `subtract_psf` has them.
        """
        found = assemble(self.zones, int(np.prod(frame)), which)
        for row, n in enumerate(self.targets):
            own = found[row].reshape(frame)
            if shifts is not None and self.whole is not None:
                own = to_target(own, self.whole[row].reshape(frame), shifts[n])
            yield int(n), own


def prepare(
    targets: Images,
    references: Images,
    *,
    zones: Sequence[Zone] | None = None,
    chosen: Mask | None = None,
    kept_out: Mask | None = None,
) -> Prepared:
    """Make references ready to be fitted to targets; parameters as in `subtract_psf`."""
    good = references.good
    usable = good.any(axis=(1, 2))
    if not usable.any():
        raise ValueError("no reference has a good pixel; give a stack that has")
    data, covered, known = references.data, np.ones(references.data.shape[1:], bool), None
    if not good.all():
        known = good
        data, covered = fill_from_stack(data, ~good)
    seen = targets.good
    keep = seen if covered.all() else seen & covered
    some = list(zones) if zones is not None else list(whole_frame(references.data.shape[1:]))
    # Pixels that no target has are no part of any fit.
    fitted = np.asarray(keep.any(axis=0))
    if kept_out is not None:
        fitted &= ~kept_out
    shape = (len(some), len(targets.data), len(references.data))
    every = np.ones(shape, bool) if chosen is None else chosen.copy()
    every[..., ~usable] = False
    prepared = prepare_zones(data, some, fitted, covered)
    count = int(every.any(axis=(0, 1)).sum())
    return Prepared(data, known, covered, seen, keep, prepared, every, count)


def fit_targets(
    ready: Prepared,
    data: NDArray[np.floating],
    *,
    truncate: Sequence[int],
    method: Method = "klip",
    shifts: Array | None = None,
) -> list[Fitted]:
    """Fit targets, those that have the same references together; parameters as `subtract_psf`'s.

    A shifted target's good pixels are moved to the common frame twice: the second time what the
    first fit says stands in for its missing pixels.
    """
    count = len(data)
    sets = ready.chosen.transpose(1, 0, 2).reshape(count, -1)
    _, which = np.unique(sets, axis=0, return_inverse=True)
    frame = data.shape[1:]
    done: list[Fitted] = []
    for number in range(int(which.max()) + 1):
        rows = np.flatnonzero(which.ravel() == number)
        chosen = list(ready.chosen[:, rows[0]])
        use = ready.keep[rows].reshape(len(rows), -1)
        values = np.where(use, data[rows].reshape(len(rows), -1), 0.0).astype(np.float64)
        moves = np.zeros((len(rows), 2)) if shifts is None else shifts[rows]
        fit = _fitter(ready, chosen, truncate, method)
        whole = None
        if moves.any():
            good = ready.good[rows]
            own = filled(data[rows], good).reshape(values.shape)
            whole = moved(own, -moves, frame)
            short = moves.any(axis=1) & ~use.all(axis=1)
            if short.any():
                model = np.empty((np.count_nonzero(short), values.shape[1]))
                seen = use[short]
                for at, fits, _ in fit(np.where(seen, whole[short], 0.0), seen, last=True):
                    model[at] = assemble(fits, values.shape[1])
                model = np.where(np.isnan(model), whole[short], model)
                left = own[short] - moved(model, moves[short], frame)
                left[~good[short].reshape(left.shape)] = 0.0
                whole[short] = moved(left, -moves[short], frame) + model
            values = np.where(use, whole, 0.0)
        for at, fits, planes in fit(values, use):
            part = None if whole is None else whole[at]
            done.append(Fitted(rows[at], values[at], fits, planes, part))
    return done


_Fits = list[tuple[NDArray[np.intp], list[ZoneFit], tuple[int, ...]]]


class _Fitter(Protocol):
    def __call__(self, values: Array, use: Mask, *, last: bool = False) -> _Fits:
        """Return which targets are fitted by which modes, the fits, and the truncations.

        Of the truncations only the last if so wished.
        """
        ...


def _fitter(
    ready: Prepared, chosen: Sequence[Mask], truncate: Sequence[int], method: Method
) -> _Fitter:
    """Return the fit of targets by the references chosen, whose modes are made once."""
    planes = tuple(range(len(truncate)))
    if method == "nmf":
        parts = factorise_zones(ready.data, chosen, ready.zones, truncate=truncate)

        def by_components(values: Array, use: Mask, *, last: bool = False) -> _Fits:
            return [
                (rows, fits, (k,))
                for k in (planes[-1:] if last else planes)
                for rows, fits in fit_zones_nmf(values, use, ready.zones, parts, k)
            ]

        return by_components
    known: list[ZoneFit] | None = None

    def by_modes(values: Array, use: Mask, *, last: bool = False) -> _Fits:
        nonlocal known
        counts = truncate[-1:] if last else truncate
        known = fit_zones(
            values, use, ready.data, chosen, ready.zones,
            truncate=counts, method=method, known=known,
        )  # fmt: skip
        return [(np.arange(len(values)), known, planes[-1:] if last else planes)]

    return by_modes
