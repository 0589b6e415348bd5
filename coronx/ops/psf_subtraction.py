"""Subtract the star from targets by images of it, blemishes and errors included."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coronx.ops.common_frame import filled, moved, to_target
from coronx.ops.images import Images
from coronx.ops.klip import reference_scatter
from coronx.ops.klip_variance import residual_variance
from coronx.ops.nans import fill_from_stack
from coronx.ops.zone_fit import Linear, PreparedZone, ZoneFit, assemble, fit_zones, prepare_zones
from coronx.ops.zones import Zone, whole_frame

__all__ = ["METHODS", "Fitted", "Prepared", "Subtraction", "fit_targets", "prepare", "subtract_psf"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

METHODS: tuple[Linear, ...] = ("klip", "classical")


@dataclass(frozen=True)
class Subtraction:
    """Targets without their star, for each number of modes.

    Attributes
    ----------
    residual, err, model : ndarray (ntrunc, nt, ny, nx), float32
        Target minus model, its 1-sigma error, and the model. NaN at a target's bad pixels
        (the model is defined there too), where no reference has a pixel, and in zones without
        a reference or with too few pixels for so many modes.
    truncate : tuple of int
        Numbers of modes asked for, ascending.
    modes : tuple of int
        Numbers of modes subtracted: the least of all zones and targets.
    references : int
        Number of references that had any good pixel.
    """

    residual: NDArray[np.float32]
    err: NDArray[np.float32]
    model: NDArray[np.float32]
    truncate: tuple[int, ...]
    modes: tuple[int, ...]
    references: int


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
        Number of references that have any good pixel.
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
    """The fit of targets that have the same references.

    Attributes
    ----------
    targets : ndarray of int
        Which they are.
    common : ndarray (n, npix)
        The targets in the references' frame; zero where not used.
    zones : list of ZoneFit
        The fit in each zone.
    whole : ndarray (n, npix) or None
        As `common`, with guesses where not used; None where no target is moved.
    """

    targets: NDArray[np.intp]
    common: Array
    zones: list[ZoneFit]
    whole: Array | None = None

    def models(
        self, frame: tuple[int, ...], shifts: Array | None, which: int = -1
    ) -> Iterator[tuple[int, Array]]:
        """Yield which target, and its model in its own frame (ny, nx), of one of the truncations.

        `shifts` are those of all targets, as `subtract_psf` has them.
        """
        found = assemble(self.zones, int(np.prod(frame)), which)
        for row, n in enumerate(self.targets):
            own = found[row].reshape(frame)
            if shifts is not None and self.whole is not None:
                own = to_target(own, self.whole[row].reshape(frame), shifts[n])
            yield int(n), own


def subtract_psf(
    targets: Images,
    references: Images,
    *,
    truncate: Sequence[int] = (50,),
    method: Linear = "klip",
    zones: Sequence[Zone] | None = None,
    chosen: Mask | None = None,
    kept_out: Mask | None = None,
    shifts: Array | None = None,
    propagate: bool = True,
) -> Subtraction:
    """Subtract from each target what its references make of it.

    Parameters
    ----------
    targets : Images
        (nt, ny, nx).
    references : Images
        (nref, ny, nx). A pixel bad in some references takes the value that the others imply;
        one bad in all takes no part. A reference without a good pixel is left out.
    truncate : sequence of int
        Numbers of KL modes, ascending; all are made in one pass.
    method : {"klip", "classical"}
        KL modes (Soummer, Pueyo & Larkin 2012, ApJ 755, L28), or the references' mean, scaled by
        least squares, whatever `truncate`.
    zones : sequence of Zone, optional
        Zones fitted on their own, in the references' frame; by default the whole frame.
    chosen : ndarray of bool (nzone, nt, nref), optional
        The references of each target in each zone; all by default.
    kept_out : ndarray of bool (ny, nx), optional
        Pixels that no fit looks at, where a companion is, say; they are subtracted all the same.
    shifts : ndarray (nt, 2), optional
        (dx, dy) in pixels from the references' frame to each target's. The Gram matrix of equally
        shifted references does not change, so one basis serves all: each target's good
        pixels are moved to the common frame, and the fitted model is moved back. Target
        pixels are never interpolated.
    propagate : bool
        Errors by propagation of the targets' and references' errors; if False, the
        scatter of the references' own residuals (the host's definition).

    Returns
    -------
    Subtraction

    Raises
    ------
    ValueError
        If no reference has a good pixel, or `truncate` does not ascend or is negative.
    """
    counts = tuple(truncate)
    if not counts or counts[0] < 0 or any(b <= a for a, b in pairwise(counts)):
        raise ValueError(f"numbers of modes must ascend from 0 or more, not {counts}")
    ready = prepare(targets, references, zones=zones, chosen=chosen, kept_out=kept_out)
    shape = (len(counts), *targets.data.shape)
    model, residual, err = (np.empty(shape, np.float32) for _ in range(3))
    flat_err = err.reshape(*shape[:2], -1)
    if sum(zone.area.size for zone in ready.zones) < flat_err.shape[2] or not ready.chosen.all():
        flat_err[:] = np.nan
    frame = shape[2:]
    variance = np.square(targets.err, dtype=np.float64)
    variance[~ready.keep] = np.nan  # the noise of what is not fitted is in no other pixel
    fewest = np.full(len(counts), np.iinfo(np.int64).max)
    for group in fit_targets(ready, targets.data, truncate=counts, method=method, shifts=shifts):
        for k in range(len(counts)):
            for n, own in group.models(frame, shifts, k):
                model[k, n] = own
                np.subtract(targets.data[n], own, out=residual[k, n], casting="same_kind")
        chosen_here = ready.chosen[:, group.targets[0]]
        for prepared, fit, some in zip(ready.zones, group.zones, chosen_here, strict=True):
            if fit.basis is None:
                continue
            fewest = np.minimum(fewest, np.minimum(counts, fit.basis.eigenvalues.size))
            rows = np.ix_(group.targets, fit.area)
            if propagate:
                found = residual_variance(
                    fit.basis,
                    fit.coefficients,
                    variance[group.targets],
                    references.err,
                    truncate=counts,
                    known=ready.known,
                )
                for plane, values in zip(flat_err, found, strict=True):
                    plane[rows] = np.sqrt(values, out=values)
            elif prepared.gram is not None:
                for plane, count in zip(flat_err, counts, strict=True):
                    plane[rows] = reference_scatter(
                        ready.data, prepared.gram, fit.basis, count, chosen=some
                    )
    for k in range(len(counts)):
        lost = ~ready.keep | np.isnan(model[k])
        residual[k][lost] = np.nan
        err[k][lost] = np.nan
    modes = tuple(int(n) if n <= c else 0 for n, c in zip(fewest, counts, strict=True))
    return Subtraction(residual, err, model, counts, modes, ready.count)


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
        raise ValueError("no reference has a good pixel")
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
    return Prepared(data, known, covered, seen, keep, prepared, every, int(usable.sum()))


def fit_targets(
    ready: Prepared,
    data: NDArray[np.floating],
    *,
    truncate: Sequence[int],
    method: Linear = "klip",
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
    done = []
    for number in range(int(which.max()) + 1):
        rows = np.flatnonzero(which.ravel() == number)
        chosen = list(ready.chosen[:, rows[0]])
        use = ready.keep[rows].reshape(len(rows), -1)
        values = np.where(use, data[rows].reshape(len(rows), -1), 0.0).astype(np.float64)
        moves = np.zeros((len(rows), 2)) if shifts is None else shifts[rows]
        fits: list[ZoneFit] | None = None
        whole = None
        if moves.any():
            good = ready.good[rows]
            own = filled(data[rows], good).reshape(values.shape)
            whole = moved(own, -moves, frame)
            short = moves.any(axis=1) & ~use.all(axis=1)
            if short.any():
                fits = fit_zones(
                    np.where(use, whole, 0.0)[short], use[short], ready.data, chosen, ready.zones,
                    truncate=truncate[-1:], method=method,
                )  # fmt: skip
                model = assemble(fits, int(np.prod(frame)))
                model = np.where(np.isnan(model), whole[short], model)
                left = own[short] - moved(model, moves[short], frame)
                left[~good[short].reshape(left.shape)] = 0.0
                whole[short] = moved(left, -moves[short], frame) + model
            values = np.where(use, whole, 0.0)
        fits = fit_zones(
            values, use, ready.data, chosen, ready.zones,
            truncate=truncate, method=method, known=fits,
        )  # fmt: skip
        done.append(Fitted(rows, values, fits, whole))
    return done
