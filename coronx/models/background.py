"""Background exposures combined, and scaled to a target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.field import good_samples, halo_of, mask_of, mean_of, open_field
from coronx.ops.background import Background, combine_background, consecutive_blocks
from coronx.ops.background_scale import BackgroundScale, fit_background_scale
from coronx.ops.halo import Halo
from coronx.refdata.glow_stick import near_glow_sticks, near_star

__all__ = ["Block", "Scaling", "combine_exposures", "fit_scale"]


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
    cuts = [consecutive_blocks(model.shape[0], length) for model in exposures]
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
    field = open_field(target) & np.isfinite(means - frames).all(axis=0)
    halo = halo_of(target, (means - frames).mean(axis=0), field)
    sky, known = halo.outside.copy(), mask_of(target)
    if structure and known is not None:
        mode, center = known
        sky &= ~near_star(mode, shape=sky.shape, center=center)
        if not use_glow_sticks:
            sky &= ~near_glow_sticks(mode, shape=sky.shape, center=center)
    if np.count_nonzero(sky) < 3:
        raise InputError(
            f"{name_of(target)}: no pixel beyond the star to fit the background's scale on; "
            "set scale to none"
        )
    errors = np.stack([_error_of_mean(target.err[cut], good[cut], sky) for cut in cuts])
    factor = fit_background_scale(
        (means - halo.model)[:, sky].ravel(),
        frames[:, sky].ravel(),
        errors.ravel(),
        np.stack([block.frame.err for block in blocks])[:, sky].ravel(),
        offset=structure,
    )
    if factor.determined and not structure:
        # The part of the halo that the fit took for background.
        level = float(np.median(frames[:, sky]))
        sigma = float(np.hypot(factor.sigma, halo.sigma / level))
        factor = BackgroundScale(factor.scale, sigma, True, factor.count)
    return Scaling(factor, halo, sky)


def _error_of_mean(
    err: NDArray[np.floating], good: NDArray[np.bool_], sky: NDArray[np.bool_]
) -> NDArray[np.float64]:
    use = good[:, sky]
    square = np.where(use, np.square(err[:, sky], dtype=np.float64), 0.0).sum(axis=0)
    return np.sqrt(square) / np.maximum(use.sum(axis=0), 1)
