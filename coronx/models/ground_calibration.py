"""Masters as they enter the calibration of one frame, and what they say of it."""

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_flags import BAD, FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.master_choice import dark_ratio
from coronx.ops.ccd_calibration import Master

__all__ = ["Chosen", "check_zero", "flags_of", "has_bias", "master_arrays"]

log = logging.getLogger(__name__)

_SUBTRACTED = 0.5  # of a level: what is below that does not have it in it


@dataclass
class Chosen:
    """The masters of a frame.

    Attributes
    ----------
    bias, dark, flat : GroundImageModel or None
        What is to be applied.
    maps : list of GroundImageModel
        Maps of bad pixels.
    """

    bias: GroundImageModel | None = None
    dark: GroundImageModel | None = None
    flat: GroundImageModel | None = None
    maps: list[GroundImageModel] = field(default_factory=list)


def master_arrays(
    master: GroundImageModel | None, trim: tuple[slice, slice], shape: tuple[int, ...]
) -> Master | None:
    """Return a master's values and errors, cut as the frame was if it has all of its pixels.

    A flat that is not normalised is divided by its median.
    """
    if master is None:
        return None
    arrays = arrays_of(master)
    cut = trim if arrays["data"].shape != tuple(shape) else np.s_[:, :]
    data, err = arrays["data"][cut], arrays.get("err")
    err = None if err is None else err[cut]
    if err is None:
        log.warning("%s: no ERR in it: its own noise is not counted", name_of(master))
    if master.meta.ground.image_type == "flat" and not master.meta.ground.normalization:
        good = np.isfinite(data) & (_bad_bits(master)[cut] == 0)
        level = float(np.median(data[good])) if good.any() else 0.0
        if not level > 0:
            raise InputError(f"{name_of(master)}: its median is {level:g}; give a flat with light")
        if not 0.5 < level < 2.0:
            data, err = data / level, None if err is None else err / level
    return Master(data, err)


def check_zero(frame: GroundImageModel, bias: GroundImageModel | None) -> None:
    """Refuse a bias whose overscan was treated in another way than that of a trimmed frame.

    Raises
    ------
    InputError
        If the overscan's level would be subtracted twice, or not at all.
    """
    if bias is None:
        return
    own, level = bias.meta.ground.overscan_level, frame.meta.ground.overscan_level
    median = float(np.nanmedian(bias.data))
    if own is not None and level is None:
        raise InputError(
            f"{name_of(frame)}: its overscan is in it, that of {name_of(bias)} was subtracted; "
            "give a frame with BIASSEC and without --overscan=none, or another bias"
        )
    if own is None and level is not None and median > _SUBTRACTED * level > 0:
        raise InputError(
            f"{name_of(bias)}: its level is {median:.5g}, of which the overscan of "
            f"{name_of(frame)} is {level:.5g}: it would be subtracted twice; give a bias made by "
            "coronx_build_master_bias, or --overscan=none"
        )


def has_bias(
    frame: GroundImageModel,
    dark: GroundImageModel | None,
    bias: GroundImageModel | None,
) -> bool:
    """Return whether the bias is still in a dark.

    Raises
    ------
    InputError
        If it is by what the dark's header says, and cannot be by its level, or nothing is
        there to take it out before the dark is scaled.
    """
    if dark is None or dark.meta.ground.bias_subtracted:
        return False
    if bias is not None:
        levels = [float(np.nanmedian(model.data)) for model in (dark, bias)]
        if levels[0] < _SUBTRACTED * levels[1]:
            raise InputError(
                f"{name_of(dark)}: its level {levels[0]:.4g} is below that of {name_of(bias)}, "
                f"{levels[1]:.4g}: its bias seems subtracted, but no card says so; "
                "write BIASSUB = T into it, or CALSTAT = 'B'"
            )
    elif not frame.meta.ground.bias_subtracted and abs(dark_ratio(frame, dark) - 1.0) < 1e-3:
        return True
    else:
        why = (
            "that of the frame was subtracted before"
            if frame.meta.ground.bias_subtracted
            else f"cannot be scaled by {dark_ratio(frame, dark):.3g} with it"
        )
        raise InputError(
            f"{name_of(dark)}: its bias is in it, and {why}; give a dark without, made by "
            "coronx_build_master_dark"
        )
    return True


def flags_of(
    chosen: Chosen, trim: tuple[slice, slice], shape: tuple[int, ...]
) -> NDArray[np.uint32]:
    """Return the flags that masters and maps of bad pixels give to a frame."""
    flags = np.zeros(shape, np.uint32)
    for model in (chosen.bias, chosen.dark, chosen.flat, *chosen.maps):
        if model is not None:
            bits = _bad_bits(model)
            if model in chosen.maps and not bits.any() and arrays_of(model)["data"].any():
                # A plain image: not zero where a pixel is bad.
                bits = np.where(model.data != 0, np.uint32(FLAGS["BAD_PIXEL"]), np.uint32(0))
            flags |= bits[trim if bits.shape != tuple(shape) else np.s_[:, :]]
    return np.where(flags != 0, flags | np.uint32(FLAGS["DO_NOT_USE"]), flags)


def _bad_bits(model: GroundImageModel) -> NDArray[np.uint32]:
    """Return the reasons why pixels of a master are bad; BAD_PIXEL where it gives none."""
    reason = model.dq & np.uint32(BAD)
    unusable = (model.dq & np.uint32(FLAGS["DO_NOT_USE"])) != 0
    return np.where(unusable & (reason == 0), np.uint32(FLAGS["BAD_PIXEL"]), reason)
