"""Stars as a region file that DS9 shows."""

from pathlib import Path

import numpy as np
from regions import CirclePixelRegion, PixCoord, RegionMeta, Regions, RegionVisual

from coronx.models.writing import whole_file

__all__ = ["write_regions"]

_RADIUS = 2.0  # FWHM


def write_regions(path: Path, stars: np.ndarray, *, fwhm: float) -> Path:
    """Write stars as circles in pixels, whole or not at all; an older file is replaced.

    Green are those that were measured, red the saturated ones, yellow the crowded ones.

    Parameters
    ----------
    path : Path
        The file.
    stars : ndarray
        Table ``stars`` of an image.
    fwhm : float
        FWHM of the stars in pixels; circles have twice that radius.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    circles = [
        CirclePixelRegion(
            PixCoord(float(star["x"]) - 1.0, float(star["y"]) - 1.0),
            _RADIUS * fwhm,
            meta=RegionMeta({"text": str(star["number"])}),
            visual=RegionVisual({"color": _color(star)}),
        )
        for star in stars
    ]
    with whole_file(path) as made:
        Regions(circles).write(made, format="ds9", overwrite=True)
    return path


def _color(star: np.void) -> str:
    if star["saturated"]:
        return "red"
    return "yellow" if star["crowded"] else "green"
