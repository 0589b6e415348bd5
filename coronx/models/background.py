"""Background exposures combined, and scaled to a target."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import good_samples
from coronx.models.field import halo_of, mask_of, mean_of, open_field
from coronx.ops.background import Background, combine_background
from coronx.ops.background_scale import BackgroundScale, fit_background_scale
from coronx.ops.combine import consecutive
from coronx.ops.halo import Halo
from coronx.refdata.glow_stick import near_glow_sticks, near_star

__all__ = ["Block", "Scaling", "combine_exposures", "fit_scale"]

_ROUNDS = 2


@dataclass(frozen=True)
class Block:
    """The background of consecutive integrations.

    Attributes
    ----------
    frame : Background
        Median of the background's integrations.
    flags : ndarray of uint32 (ny, nx)
        DQ of pixels without a good sample: DO_NOT_USE and what the samples had; 0 elsewhere.
    """

    frame: Background
    flags: NDArray[np.uint32]


@dataclass(frozen=True)
class Scaling:
    """A background's factor for a target.

    Attributes
    ----------
    factor : BackgroundScale
        The factor.
    halo : Halo
        The target's halo on the background.
    sky : ndarray of bool (ny, nx)
        Pixels that the factor was fitted on.
    """

    factor: BackgroundScale
    halo: Halo
    sky: NDArray[np.bool_]


def combine_exposures(exposures: Sequence[CubeModel], length: int | None) -> list[Block]:
    """Return the median of each block of integrations of all exposures together.

    Parameters
    ----------
    exposures : sequence of CubeModel
        Background exposures; each is cut into blocks of its own.
    length : int or None
        Integrations of a block; None for one block.

    Raises
    ------
    InputError
        If they do not give equally many blocks.
    """
    cuts = [consecutive(model.shape[0], length) for model in exposures]
    for model, cut in zip(exposures, cuts, strict=True):
        if len(cut) != len(cuts[0]):
            raise InputError(
                f"{name_of(model)}: nints_per_med = {length} gives {len(cut)} blocks, but "
                f"{len(cuts[0])} of {name_of(exposures[0])}; give another, or none"
            )
    good = [good_samples(model) for model in exposures]
    return [
        _block(exposures, good, parts)
        for parts in zip(*cuts, strict=True)  # the k-th part of each exposure
    ]


def _block(
    exposures: Sequence[CubeModel], good: Sequence[NDArray[np.bool_]], parts: Sequence[slice]
) -> Block:
    data, err, dq = (
        np.concatenate([getattr(m, name)[p] for m, p in zip(exposures, parts, strict=True)])
        for name in ("data", "err", "dq")
    )
    usable = np.concatenate([g[p] for g, p in zip(good, parts, strict=True)])
    frame = combine_background(data, err, usable)
    none = frame.count == 0
    flags = np.zeros(none.shape, np.uint32)
    flags[none] = np.bitwise_or.reduce(dq[:, none], axis=0) | np.uint32(pixel["DO_NOT_USE"])
    return Block(frame, flags)


def fit_scale(
    target: CubeModel,
    cuts: Sequence[slice],
    blocks: Sequence[Block],
    *,
    structure: bool = False,
    use_glow_sticks: bool = False,
) -> Scaling:
    """Fit the factor on a target's background, on pixels that see nothing else.

    Left out are the mask, its holder and the star's halo; what is left of the halo beyond is taken
    off.

    Parameters
    ----------
    target : CubeModel
        The exposure.
    cuts : sequence of slice
        Its blocks of integrations.
    blocks : sequence of Block
        Their backgrounds.
    structure : bool
        Fit the background without its median, and leave out all that is near the star and the
        boundaries of a phase mask.
    use_glow_sticks : bool
        Use pixels near the boundaries nevertheless.

    Raises
    ------
    InputError
        If no pixel is left.
    """
    good = good_samples(target)
    means = np.stack([mean_of(target.data[cut], good[cut]) for cut in cuts])
    frames = np.stack([block.frame.data for block in blocks])
    errors = np.stack([_error_of_mean(target.err[cut], good[cut]) for cut in cuts])
    frame_errors = np.stack([block.frame.err for block in blocks])
    field = open_field(target) & np.isfinite(means - frames).all(axis=0)
    clear = _clear(target, field, use_glow_sticks) if structure else field
    scale, result = 1.0, None
    for _ in range(_ROUNDS):
        # The halo is what is left when the background is gone.
        halo = halo_of(target, (means - scale * frames).mean(axis=0), field)
        sky = halo.outside & clear
        if np.count_nonzero(sky) < 3:
            break
        factor = fit_background_scale(
            (means - halo.model)[:, sky].ravel(),
            frames[:, sky].ravel(),
            errors[:, sky].ravel(),
            frame_errors[:, sky].ravel(),
            offset=structure,
        )
        if factor.determined:
            error = _error_of_halo(halo, frames[:, sky], frame_errors[:, sky], sky, structure)
            factor = replace(factor, sigma=float(np.hypot(factor.sigma, error)))
        scale, result = factor.scale, Scaling(factor, halo, sky)
    if result is None:
        raise InputError(
            f"{name_of(target)}: no pixel beyond the star to fit the background's scale on; "
            "set scale to none"
        )
    return result


def _clear(target: CubeModel, field: NDArray[np.bool_], use_glow_sticks: bool) -> NDArray[np.bool_]:
    known = mask_of(target)
    if known is None:
        return field
    mode, center = known
    clear = field & ~near_star(mode, shape=field.shape, center=center)
    if not use_glow_sticks:
        clear &= ~near_glow_sticks(mode, shape=field.shape, center=center)
    return clear


def _error_of_halo(
    halo: Halo,
    frames: NDArray[np.floating],
    errors: NDArray[np.floating],
    sky: NDArray[np.bool_],
    structure: bool,
) -> float:
    """Return what of the factor's error comes from the halo that was taken off."""
    mean = float(halo.model[sky].mean())
    if not mean > 0.0:
        return 0.0
    base = frames.mean(axis=1, dtype=np.float64, keepdims=True) if structure else 0.0
    away = frames - base
    square = float(np.sum(away**2 - np.square(errors, dtype=np.float64)))
    taken = abs(float(np.sum(away * halo.model[sky]))) / max(square, 1e-30)
    # About its mean a halo is as uneven as it is bright, and structure is where it is.
    return taken * (max(1.0, halo.sigma / mean) if structure else halo.sigma / mean)


def _error_of_mean(err: NDArray[np.floating], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    square = np.where(good, np.square(err), 0.0).sum(axis=0, dtype=np.float64)
    return np.sqrt(square) / np.maximum(good.sum(axis=0), 1)
