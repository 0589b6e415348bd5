"""Subtract the star from targets by images of it, blemishes and errors included."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coronx.ops.images import Images
from coronx.ops.klip import reference_scatter
from coronx.ops.klip_variance import ResidualVariance
from coronx.ops.shared_variance import pair_weights
from coronx.ops.subtraction_blocks import SubtractionBlocks
from coronx.ops.target_fit import Method, fit_targets, prepare
from coronx.ops.zones import Zone

__all__ = ["Subtraction", "subtract_psf"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Subtraction:
    """Targets without their star, for each number of modes.

    Attributes
    ----------
    residual, err : ndarray (ntrunc, nt, ny, nx), float32
        Target minus model, and its 1-sigma error. NaN at a target's bad pixels, where no
        reference has a pixel, and in zones without a reference or with too few pixels for so many
        modes.
    model : ndarray (ntrunc, nt, ny, nx), float32, or None
        The model, if it was asked for; it is defined at a target's bad pixels too.
    truncate : tuple of int
        Numbers of modes asked for, ascending.
    modes : tuple of int
        Numbers of modes subtracted: the least of all zones and targets.
    references : int
        Number of references that took part.
    shared : ndarray (ntrunc, ny, nx), float32, or None
        Covariance of the residuals of two targets, mean of all pairs, by the noise of the
        references that they have in common; it is a part of their variances. None where errors are
        not propagated.
    """

    residual: NDArray[np.float32]
    err: NDArray[np.float32]
    model: NDArray[np.float32] | None
    truncate: tuple[int, ...]
    modes: tuple[int, ...]
    references: int
    shared: NDArray[np.float32] | None = None


def subtract_psf(
    targets: Images,
    references: Images,
    *,
    truncate: Sequence[int] = (50,),
    method: Method = "klip",
    zones: Sequence[Zone] | None = None,
    chosen: Mask | None = None,
    kept_out: Mask | None = None,
    shifts: Array | None = None,
    propagate: bool = True,
    with_model: bool = False,
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
        Numbers of modes, ascending; all are made in one pass.
    method : {"klip", "classical", "nmf"}
        KL modes (Soummer, Pueyo & Larkin 2012, ApJ 755, L28); the references' mean, scaled by
        least squares, whatever `truncate`; or non-negative components (Ren et al. 2018, ApJ 852,
        104), of which each number has a factorisation of its own. These have no constant: the
        background must have been subtracted from all frames.
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
    with_model : bool
        Whether the model is returned, too.

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
    groups = fit_targets(ready, targets.data, truncate=counts, method=method, shifts=shifts)
    # Memory for the results is taken after what the fit needed for a while is given back.
    blocks = SubtractionBlocks(targets, ready, len(counts), with_model=with_model)
    fewest = np.full(len(counts), np.iinfo(np.int64).max)
    pairs: list[list[Array]] = []  # what targets share, by zone and group
    if propagate:
        pairs = [pair_weights(groups, zone, len(counts)) for zone in range(len(ready.zones))]
    for number, group in enumerate(groups):
        planes = list(group.planes)
        asked = [counts[k] for k in planes]
        if shifts is not None and group.whole is not None:
            blocks.put_moved(group, shifts)
        chosen_here = ready.chosen[:, group.targets[0]]
        for zone, (prepared, fit, own) in enumerate(
            zip(ready.zones, group.zones, chosen_here, strict=True)
        ):
            if fit.basis is None:
                blocks.put_nothing(group, fit)
                continue
            some_modes = np.minimum(asked, fit.basis.eigenvalues.size)
            fewest[planes] = np.minimum(fewest[planes], some_modes)
            if group.whole is None:
                blocks.put_residuals(group, fit, fit.basis)
            if propagate:
                noise = ResidualVariance(
                    fit.basis,
                    fit.coefficients,
                    blocks.variance(group),
                    references.err,
                    truncate=asked,
                    known=ready.known,
                    in_common=pairs[zone][number],
                )
                blocks.put_errors(group, fit, noise)
                continue
            scatter = None if fit.scatter is None else fit.scatter[None]
            if scatter is None and prepared.gram is not None:
                scatter = reference_scatter(ready.data, prepared.gram, fit.basis, asked, chosen=own)
            if scatter is not None:
                blocks.put_errors(group, fit, scatter)
    modes = tuple(int(n) if n <= c else 0 for n, c in zip(fewest, counts, strict=True))
    shape = (len(counts), *targets.data.shape)
    model = None if blocks.model is None else blocks.model.reshape(shape)
    residual, err = blocks.residual.reshape(shape), blocks.err.reshape(shape)
    shared = blocks.shared.reshape(len(counts), *shape[2:]) if propagate else None
    return Subtraction(residual, err, model, counts, modes, ready.count, shared)
