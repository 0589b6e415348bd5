"""Stacks of CCD frames, and the masters that are made of them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError, name_of
from coronx.models.arrays import set_arrays
from coronx.models.ground_agreement import check_alike, check_temperatures, check_types
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_overscan import without_overscan
from coronx.models.ground_wcs import set_wcs
from coronx.ops.master import Master, combine_master

__all__ = [
    "FrameStack",
    "check_calibration",
    "combine_frames",
    "frames_of",
    "master_model",
    "stack_frames",
]

log = logging.getLogger(__name__)

_POINTING = ("object", "ra", "dec", "airmass", "altitude", "azimuth")
_UNUSABLE = np.uint32(FLAGS["DO_NOT_USE"])


@dataclass(frozen=True)
class FrameStack:
    """Frames less their overscan, trimmed.

    Attributes
    ----------
    models : list of GroundImageModel
        The frames.
    data : ndarray (n, ny, nx), float32
        Their signal in ADU.
    bad, saturated : ndarray of bool (n, ny, nx)
        Samples that cannot be used, and those of them that are saturated.
    """

    models: list[GroundImageModel]
    data: NDArray[np.float32]
    bad: NDArray[np.bool_]
    saturated: NDArray[np.bool_]


def frames_of(frames: GroundFrames, role: str, fewest: int = 2) -> list[GroundImageModel]:
    """Return the frames of a type: of an association's members, or all that were given.

    Raises
    ------
    InputError
        If they are too few, or one says that it is of another type.
    """
    models = list(frames) if frames.asn_table is None else frames.of(role)
    if len(models) < fewest:
        name = frames.asn_table_name or (name_of(models[0]) if models else "no frame")
        raise InputError(f"{name}: {len(models)} frame(s) of type {role}; give {fewest} at least")
    if frames.asn_table is None:
        check_types(models, role)
    return models


def stack_frames(
    models: Sequence[GroundImageModel],
    *,
    overscan: str,
    tolerance: float,
    saturation: float | None = None,
) -> FrameStack:
    """Return frames as one stack, their overscan subtracted.

    Parameters
    ----------
    models : sequence of GroundImageModel
        The frames; telescope, shape, binning and temperature have to agree.
    overscan : str
        How, see `without_overscan`.
    tolerance : float
        Largest distance of the CCD from its set temperature, in degrees.
    saturation : float, optional
        Level in ADU from which pixels are saturated; what the frame says by default.

    Raises
    ------
    InputError
        If they do not belong together.
    """
    check_alike(models)
    offset = check_temperatures(models, tolerance)
    if offset is not None:
        log.warning("CCD %+.1f C from its set temperature in all frames", offset)
    made, saturated = [], []
    for model in models:
        level = saturation if saturation is not None else model.meta.ground.saturation
        full = (model.dq & np.uint32(FLAGS["SATURATED"])) != 0
        if level is not None:
            full |= model.data >= level
        flagged = model.copy()
        flagged.dq = model.dq | np.where(full, np.uint32(FLAGS["SATURATED"]), np.uint32(0))
        one = without_overscan(flagged, method=overscan)
        made.append(one)
        saturated.append((one.dq & np.uint32(FLAGS["SATURATED"])) != 0)
    check_alike(made, ("shape",))
    data = np.stack([np.asarray(one.data) for one in made])
    bad = np.stack([(one.dq & _UNUSABLE) != 0 for one in made])
    return FrameStack(made, data, bad | np.array(saturated), np.array(saturated))


def combine_frames(
    stack: FrameStack,
    data: NDArray[np.floating] | None = None,
    *,
    sigma: float,
    scale: float = 1.0,
) -> Master:
    """Return the clipped average of a stack.

    Parameters
    ----------
    stack : FrameStack
        The frames.
    data : ndarray (n, ny, nx), optional
        Their signal where it is another by now.
    sigma : float
        Distance from the median beyond which a sample is left out.
    scale : float
        ADU in one unit of the data.

    Raises
    ------
    InputError
        If they cannot be averaged.
    """
    gain = stack.models[0].meta.ground.gain
    try:
        return combine_master(
            stack.data if data is None else data,
            stack.bad,
            sigma=sigma,
            gain=gain * scale if gain else None,
        )
    except ValueError as err:
        raise InputError(f"{name_of(stack.models[0])}: {err}; give other frames") from err


def master_model(
    stack: FrameStack,
    role: str,
    master: Master,
    *,
    levels: Sequence[float],
    used: Sequence[GroundImageModel] = (),
) -> GroundImageModel:
    """Return the model of a master frame.

    Parameters
    ----------
    stack : FrameStack
        What it was made of.
    role : {"bias", "dark", "flat"}
        What it is an image of.
    master : Master
        Its arrays.
    levels : sequence of float
        Level of each frame in ADU.
    used : sequence of GroundImageModel
        Masters that were subtracted; their unusable pixels are the new one's.

    Returns
    -------
    GroundImageModel
        With the frames in its table ``inputs``.
    """
    result = stack.models[0].copy()
    dq = np.zeros(result.shape, np.uint32)
    for other in used:
        dq |= np.where((other.dq & _UNUSABLE) != 0, other.dq, np.uint32(0)).astype(np.uint32)
    none = master.count == 0
    full = none & stack.saturated.all(axis=0)
    dq[none] |= _UNUSABLE
    dq[full] |= np.uint32(FLAGS["SATURATED"])
    dq[none & ~full] |= np.uint32(FLAGS["NO_DATA"])
    set_arrays(result, {"data": master.data, "err": master.err, "dq": dq})
    names = [Path(name_of(model)).name for model in stack.models]
    table = np.zeros(len(names), [("file", "S128"), ("level", "f8"), ("weight", "f8")])
    table["file"], table["level"], table["weight"] = names, levels, 1.0 / len(names)
    result.inputs = table
    told = result.meta.ground
    told.image_type, told.master = role, True
    for name in _POINTING:
        setattr(told, name, None)
    set_wcs(result, None)
    for name in ("ccd_temperature", "exposure_time", "overscan_level"):
        known = [v for m in stack.models if (v := getattr(m.meta.ground, name)) is not None]
        setattr(told, name, float(np.mean(known)) if known else None)
    log.info(
        "%s of %d frames: median %.5g, typical error %.3g; %d samples clipped, %d pixels empty",
        role, len(names), np.nanmedian(master.data), np.nanmedian(master.err), master.rejected,
        np.count_nonzero(none),
    )  # fmt: skip
    return result


def check_calibration(
    frame: GroundImageModel, other: GroundImageModel, role: str, *what: str
) -> None:
    """Raise unless a master can be subtracted from a frame that is already trimmed.

    Raises
    ------
    InputError
        It names the master.
    """
    found = other.meta.ground.image_type
    if found is not None and found != role:
        raise InputError(f"{name_of(other)}: image type {found}; give a master {role}")
    pairs: list[tuple[str, Any, Any]] = [("shape", other.shape, frame.shape)]
    for key in ("telescope", "binning_x", "binning_y", *what):
        pairs.append((key, getattr(other.meta.ground, key), getattr(frame.meta.ground, key)))
    for key, has, wanted in pairs:
        if has is not None and wanted is not None and has != wanted:
            raise InputError(
                f"{name_of(other)}: {key.replace('_', ' ')} {has}, where {name_of(frame)} has "
                f"{wanted}; give a {role} of the same"
            )
    with_overscan = other.meta.ground.overscan_level is None
    if with_overscan != (frame.meta.ground.overscan_level is None):
        which = "with" if with_overscan else "without"
        raise InputError(
            f"{name_of(other)}: made {which} its overscan's level, unlike {name_of(frame)}; make "
            "both with the same option overscan"
        )
