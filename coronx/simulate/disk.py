"""The brightness of a ring of dust on the sky."""

import numpy as np
from numpy.typing import NDArray

from coronx.simulate.scene import Disk

__all__ = ["disk_image"]

_DEPTHS = 61


def disk_image(
    disk: Disk, east: NDArray[np.float64], north: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a disk's light in each pixel, of unit sum.

    Parameters
    ----------
    disk : Disk
        The disk; its contrast is not applied.
    east, north : ndarray
        Offsets of the pixels from the star in arcsec, shape (ny, nx).

    Returns
    -------
    ndarray
        Shape (ny, nx). Light scattered evenly in all directions by dust whose density is
        Gaussian across the ring and out of its plane, summed along the line of sight.
    """
    pa, inclination = np.radians(disk.pa_deg), np.radians(disk.inclination_deg)
    along = east * np.sin(pa) + north * np.cos(pa)
    across = east * np.cos(pa) - north * np.sin(pa)
    total = np.zeros_like(along)
    reach = disk.radius_arcsec + 4 * disk.width_arcsec
    # Dust lies near its plane: step along the line of sight through where it meets the plane.
    sin, cos = np.sin(inclination), np.cos(inclination)
    for step in np.linspace(-1, 1, _DEPTHS):
        depth = step * (reach * sin + 4 * disk.height_arcsec * cos)
        depth = depth + across * sin * cos / (cos**2 + disk.height_arcsec**2)
        in_plane = across * cos + depth * sin
        height = depth * cos - across * sin
        radius = np.hypot(along, in_plane)
        density = np.exp(
            -0.5 * ((radius - disk.radius_arcsec) / disk.width_arcsec) ** 2
            - 0.5 * (height / disk.height_arcsec) ** 2
        )
        total += density / (radius**2 + (0.1 * disk.radius_arcsec) ** 2 + height**2)
    return total / total.sum()
