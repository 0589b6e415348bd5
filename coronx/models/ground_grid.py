"""The grid of pixels that CCD images are resampled to."""

from collections.abc import Sequence
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel
from reproject.mosaicking import find_optimal_celestial_wcs

from coronx.models.ground_registration import plane_wcs

__all__ = ["Grid", "common_grid", "same_grid"]

_CLOSE = 0.01  # pixels, by which grids that are the same may differ


@dataclass(frozen=True)
class Grid:
    """A grid of pixels.

    Attributes
    ----------
    wcs : WCS
        Of the sky, or of a plane of pixels.
    shape : tuple of int
        (ny, nx).
    """

    wcs: WCS
    shape: tuple[int, int]


def common_grid(
    wcs: Sequence[WCS],
    shapes: Sequence[tuple[int, int]],
    *,
    pixel_scale: float | None = None,
    auto_rotate: bool = False,
) -> Grid:
    """Return a grid that holds all images.

    Parameters
    ----------
    wcs : sequence of WCS
        Of the images, all of the sky or all of one plane of pixels.
    shapes : sequence of tuple of int
        Of the images.
    pixel_scale : float, optional
        Pixel of the sky's grid in arcseconds; by default the smallest of the images'.
    auto_rotate : bool
        Whether the sky's grid is rotated to be as small as it can be; else north is up.

    Raises
    ------
    ValueError
        If there is no image.
    """
    if not wcs:
        raise ValueError("no image; at least one is needed")
    if wcs[0].has_celestial:
        resolution = None if pixel_scale is None else pixel_scale * u.arcsec
        found, shape = find_optimal_celestial_wcs(
            list(zip(shapes, wcs, strict=True)), resolution=resolution, auto_rotate=auto_rotate
        )
        return Grid(found, (int(shape[0]), int(shape[1])))
    ends = []
    for each, (ny, nx) in zip(wcs, shapes, strict=True):
        corners = [(-0.5, -0.5), (nx - 0.5, -0.5), (-0.5, ny - 0.5), (nx - 0.5, ny - 0.5)]
        ends.append(np.asarray(each.wcs_pix2world(corners, 0)))
    low = np.floor(np.min(np.concatenate(ends), axis=0) + 0.5 + 1e-6)
    high = np.ceil(np.max(np.concatenate(ends), axis=0) - 0.5 - 1e-6)
    nx, ny = (int(n) for n in high - low + 1)
    return Grid(plane_wcs(np.eye(2), low - 1.0), (ny, nx))


def same_grid(a: WCS | None, b: WCS | None, shape: tuple[int, int]) -> bool:
    """Return whether two WCS put the pixels of images of one shape at the same places."""
    if a is None or b is None:
        return a is b
    if a.has_celestial != b.has_celestial:
        return False
    y, x = (v.ravel() for v in np.meshgrid(*(np.linspace(0.0, n - 1.0, 5) for n in shape)))
    at_x, at_y = pixel_to_pixel(a, b, x, y)
    return bool(np.nanmax(np.hypot(at_x - x, at_y - y)) < _CLOSE)
