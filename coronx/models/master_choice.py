"""Which master goes with which frame, and why others do not."""

import math
from collections.abc import Sequence

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.ground_image import ROLES, GroundImageModel

__all__ = ["choose_master", "dark_ratio", "fitting_maps"]

_MANY = 3  # masters whose fault a message tells


def choose_master(
    kind: str,
    masters: Sequence[GroundImageModel],
    frame: GroundImageModel,
    shapes: Sequence[tuple[int, ...]],
    *,
    temperature_tolerance: float,
    max_dark_ratio: float,
) -> GroundImageModel | None:
    """Return the master of a kind that a frame is to be calibrated with.

    Parameters
    ----------
    kind : str
        bias, dark or flat.
    masters : sequence of GroundImageModel
        Those that there are; with none, None is returned.
    frame : GroundImageModel
        The frame.
    shapes : sequence of tuple
        Shapes that a master may have: of the trimmed frame, and of all of it.
    temperature_tolerance : float
        Degrees by which the CCD of a dark may have been warmer or colder.
    max_dark_ratio : float
        Times its own exposure that a dark may be scaled to.

    Raises
    ------
    InputError
        If none fits, or several do equally; it names file, value and remedy.
    """
    if not masters:
        return None
    limits = (temperature_tolerance, max_dark_ratio)
    faults = [_fault(kind, master, frame, shapes, *limits) for master in masters]
    fit = [master for master, fault in zip(masters, faults, strict=True) if fault is None]
    if not fit:
        told = [f for f in faults if f is not None]
        more = f"; and {len(told) - _MANY} more" if len(told) > _MANY else ""
        raise InputError(
            f"{name_of(frame)}: no master {kind} fits: {'; '.join(told[:_MANY])}{more}; "
            f"give one made of {kind} frames like it, or none"
        )
    if kind == "dark":
        far = [abs(math.log(max(dark_ratio(frame, dark), 1e-6))) for dark in fit]
        fit = [dark for dark, off in zip(fit, far, strict=True) if off <= min(far) + 1e-6]
    if len(fit) > 1:
        raise InputError(
            f"{name_of(frame)}: {len(fit)} {kind} images fit: "
            f"{', '.join(name_of(master) for master in fit[:_MANY])}; give one, combined by "
            f"coronx_build_master_{kind}"
        )
    return fit[0]


def fitting_maps(
    maps: Sequence[GroundImageModel], frame: GroundImageModel, shapes: Sequence[tuple[int, ...]]
) -> list[GroundImageModel]:
    """Return the maps of bad pixels that are of a frame's shape and binning, at least one.

    Raises
    ------
    InputError
        If none is.
    """
    faults = [_fault("map", each, frame, shapes, math.inf, math.inf) for each in maps]
    fit = [each for each, fault in zip(maps, faults, strict=True) if fault is None]
    if maps and not fit:
        raise InputError(
            f"{name_of(frame)}: no map of bad pixels fits: "
            f"{'; '.join(str(f) for f in faults[:_MANY])}; give one made for its binning"
        )
    return fit


def dark_ratio(frame: GroundImageModel, dark: GroundImageModel) -> float:
    """Return a frame's exposure time over that of a dark."""
    return float(frame.meta.ground.exposure_time) / float(dark.meta.ground.exposure_time)


def _fault(
    kind: str,
    master: GroundImageModel,
    frame: GroundImageModel,
    shapes: Sequence[tuple[int, ...]],
    tolerance: float,
    most: float,
) -> str | None:
    """Return why a master does not fit a frame; None if it does."""
    own, its, name = frame.meta.ground, master.meta.ground, name_of(master)
    if kind in ROLES and its.image_type not in (None, kind):
        return f"{name} is a {its.image_type}, not a {kind}"
    if tuple(master.shape) not in [tuple(shape) for shape in shapes]:
        return f"{name} has {_by(master.shape)} pixels, not {_by(shapes[0])}"
    binnings = [(m.binning_x, m.binning_y) for m in (own, its)]
    if None not in binnings[0] + binnings[1] and binnings[0] != binnings[1]:
        return f"{name} is binned {_by(binnings[1])}, not {_by(binnings[0])}"
    if kind in ("bias", "dark") and (master.meta.bunit or "ADU") != (frame.meta.bunit or "ADU"):
        return f"{name} is in {master.meta.bunit}, not {frame.meta.bunit}"
    if kind == "dark":
        return _dark_fault(frame, master, tolerance, most)
    if kind == "flat":
        ours, others = (str(m.filter or "").strip() for m in (own, its))
        if ours.lower() != others.lower():
            return f"{name} has the filter {others or 'not told'}, not {ours or 'not told'}"
    return None


def _dark_fault(
    frame: GroundImageModel, dark: GroundImageModel, tolerance: float, most: float
) -> str | None:
    own, its, name = frame.meta.ground, dark.meta.ground, name_of(dark)
    for model in (frame, dark):
        if not (model.meta.ground.exposure_time or 0) > 0:
            value = model.meta.ground.exposure_time
            return f"{name_of(model)} has the exposure time {value}: a dark cannot be scaled by it"
    for key, what in (("ccd_temperature", "at"), ("set_temperature", "set to")):
        here, there = getattr(own, key), getattr(its, key)
        if here is not None and there is not None:
            if abs(here - there) > tolerance:
                return f"{name} was {what} {there:g} C, not {here:g} C"
            break
    if dark_ratio(frame, dark) > most:
        return f"{name} is of {its.exposure_time:g} s, too short for {own.exposure_time:g} s"
    return None


def _by(pair: Sequence[int] | tuple[int, ...]) -> str:
    return " x ".join(str(int(n)) for n in np.asarray(pair)[::-1]) if len(pair) == 2 else str(pair)
