"""Whether CCD frames belong together; which one does not, and why."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from coronx.errors import InputError, name_of
from coronx.models.ground_image import GroundImageModel

__all__ = ["check_alike", "check_exposures", "check_temperatures", "check_types"]

_CLOSE = 0.01  # relative difference of exposure times that are the same


def check_alike(
    models: Sequence[GroundImageModel],
    what: Sequence[str] = ("telescope", "shape", "binning"),
) -> None:
    """Raise unless frames are of one kind.

    Parameters
    ----------
    models : sequence of GroundImageModel
        The frames.
    what : sequence of str
        What has to agree: "shape", "binning", or keywords of ``meta.ground``; a frame that does
        not say is taken for like the others.

    Raises
    ------
    InputError
        It names the frame that is unlike most.
    """
    for key in what:
        _check(models, key, [_value(model, key) for model in models])


def check_types(models: Sequence[GroundImageModel], wanted: str) -> None:
    """Raise if a frame says that it is an image of something else.

    Raises
    ------
    InputError
    """
    for model in models:
        found = model.meta.ground.image_type
        if found is not None and found != wanted:
            raise InputError(
                f"{name_of(model)}: image type {found}, not {wanted}; leave it out, or correct "
                "IMAGETYP"
            )


def check_exposures(models: Sequence[GroundImageModel], *, same: bool) -> list[float]:
    """Return the exposure times in seconds.

    Parameters
    ----------
    models : sequence of GroundImageModel
        The frames.
    same : bool
        Whether they have to be the same, to 1 %.

    Raises
    ------
    InputError
        If a frame does not say how long it was exposed, or was exposed unlike most.
    """
    times = []
    for model in models:
        time = model.meta.ground.exposure_time
        if time is None or not time > 0.0:
            found = "no exposure time" if time is None else f"exposure time {time:g} s"
            raise InputError(f"{name_of(model)}: {found}; add EXPTIME to its header, in seconds")
        times.append(float(time))
    if same:
        usual = sorted(times)[len(times) // 2]
        labels = [f"{usual if abs(t - usual) <= _CLOSE * usual else t:g} s" for t in times]
        _check(models, "exposure time", labels)
    return times


def check_temperatures(models: Sequence[GroundImageModel], tolerance: float) -> float | None:
    """Raise unless the CCD had the temperature that was set, in all frames the same.

    Parameters
    ----------
    models : sequence of GroundImageModel
        The frames; those without temperatures are not checked.
    tolerance : float
        Largest difference in degrees.

    Returns
    -------
    float or None
        How far from the set temperature the CCD was in all frames alike, if that is more than
        the tolerance: a sensor away from the controller's, or a cooler at its limit.

    Raises
    ------
    InputError
        It names the frame that is unlike most.
    """
    _check(models, "set temperature", [_degrees(m.meta.ground.set_temperature) for m in models])
    known = [
        (model, model.meta.ground.ccd_temperature, model.meta.ground.set_temperature)
        for model in models
        if model.meta.ground.ccd_temperature is not None
    ]
    if not known:
        return None
    told = all(wanted is not None for _, _, wanted in known)
    offsets = [found - (wanted if told else 0.0) for _, found, wanted in known]
    centre = sorted(offsets)[len(offsets) // 2]
    if told and min(abs(offset) for offset in offsets) <= tolerance:
        centre = 0.0
    for (model, found, wanted), offset in zip(known, offsets, strict=True):
        if abs(offset - centre) > tolerance:
            other = f"set to {wanted:g} C" if told else f"where others are at {centre:g} C"
            raise InputError(
                f"{name_of(model)}: CCD at {found:g} C, {other}; leave it out, or give a "
                f"temperature_tolerance larger than {tolerance:g}"
            )
    return centre if told and abs(centre) > tolerance else None


def _value(model: GroundImageModel, key: str) -> Any:
    told = model.meta.ground
    if key == "shape":
        ny, nx = model.shape
        return f"{nx} x {ny}"
    if key == "binning":
        pair = (told.binning_x, told.binning_y)
        return None if None in pair else f"{pair[0]} x {pair[1]}"
    return getattr(told, key)


def _degrees(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} C"


def _check(models: Sequence[GroundImageModel], key: str, values: list[Any]) -> None:
    known = [value for value in values if value is not None]
    if len(set(known)) < 2:
        return
    usual, times = Counter(known).most_common(1)[0]
    odd = next(n for n, value in enumerate(values) if value not in (None, usual))
    raise InputError(
        f"{name_of(models[odd])}: {key.replace('_', ' ')} {values[odd]}, where {times} of "
        f"{len(models)} frames have {usual}; leave it out"
    )
