"""Which image is shown red, green and blue."""

from collections.abc import Sequence
from pathlib import Path

from coronx.errors import InputError, name_of
from coronx.models.ground_image import GroundImageModel
from coronx.refdata.ground_filters import PALETTES, canonical_filter

__all__ = ["assign_channels"]

_CHANNELS = ("red", "green", "blue")


def assign_channels(
    models: Sequence[GroundImageModel], palette: str, own: Sequence[str] = ("", "", "")
) -> list[GroundImageModel]:
    """Return the images for red, green and blue.

    Parameters
    ----------
    models : sequence of GroundImageModel
        The images. One may be used twice; those that are not asked for are left out.
    palette : str
        Name of a palette, or three filters or files.
    own : three str
        Filters or files in place of the palette's, empty for none.

    Raises
    ------
    InputError
        If a channel has no image or more than one, or the palette is not known.
    """
    filters = PALETTES.get(palette.strip().lower()) or tuple(
        item.strip() for item in palette.split(",")
    )
    if len(filters) != len(_CHANNELS) or not all(filters):
        raise InputError(
            f"palette = {palette}: not known; give {', '.join(PALETTES)}, or three filters or "
            "files as Ha,V,B"
        )
    wanted = [mine or default for mine, default in zip(own, filters, strict=True)]
    return [_only(models, text, channel) for text, channel in zip(wanted, _CHANNELS, strict=True)]


def _only(models: Sequence[GroundImageModel], text: str, channel: str) -> GroundImageModel:
    named = [m for m in models if _stem(text) == _stem(name_of(m))]
    found = named
    for asked in map(canonical_filter, text.split("|")):
        found = found or [m for m in models if canonical_filter(m.meta.ground.filter) == asked]
    if len(found) == 1:
        return found[0]
    told = ", ".join(f"{name_of(m)} ({m.meta.ground.filter or 'no filter'})" for m in models)
    if not found:
        asked = text.replace("|", " or ")
        raise InputError(
            f"{told}: none is {asked}; name the filter or the file for {channel} with --{channel}"
        )
    raise InputError(
        f"{', '.join(name_of(m) for m in found)}: {len(found)} images of {text}; combine them, or "
        f"name the file for {channel} with --{channel}"
    )


def _stem(name: str) -> str:
    """Return a file's name without its endings, of which a compressed one has two."""
    return Path(name).name.partition(".fit")[0]
