"""Where stray light glows in MIRI's phase-mask coronagraphs: along the quadrants' boundaries.

In flight, light is scattered into the coronagraphs and makes bright lines ("glow sticks") along the
boundaries of the four-quadrant phase masks (4QPM), and a glow near the bottom of the field
(JWST user documentation, MIRI coronagraphic imaging, known issues; Boccaletti et al. 2022, A&A
667, A165). It is background, not starlight: background exposures have it too.

The boundaries cross at the mask's centre. They are parallel to the telescope's axes, hence turned
against the rows and columns of the detector by the angle V3IdlYAngle of SIAF, 4.835 degrees,
clockwise with x to the right and y up. The masks that other software uses for the same purpose,
drawn from real frames, bear that out: beyond 6.6 arcsec from the star they leave out 0.62 to 0.74
of the pixels within 0.4 arcsec of the line nearly along the rows as turned here, and 0.04 to 0.07
of those further than 1.2 arcsec. Half width and star's radius here hold 0.79 to 0.85 of theirs.
"""

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.modes import CoronagraphMode

__all__ = ["boundary_distance", "is_phase_mask", "near_glow_sticks", "near_star"]

_HALF_WIDTH = 0.8  # arcsec
_STAR_RADIUS = 6.0  # arcsec


def is_phase_mask(mode: CoronagraphMode) -> bool:
    """Return whether the mode's mask is a 4QPM, which has boundaries between quadrants."""
    return mode.exp_type == "MIR_4QPM"


def boundary_distance(
    mode: CoronagraphMode, *, shape: tuple[int, int], center: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each pixel is from the two boundaries of a 4QPM.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode, for its angle and pixel scale.
    shape : tuple of int
        (ny, nx) of the frame.
    center : tuple of float
        0-based (x, y) of the mask's centre in pixels.

    Returns
    -------
    across_row, across_column : ndarray (ny, nx), float64
        Signed distance in arcsec from the boundary that lies nearly along the rows, and from
        the one that lies nearly along the columns.
    """
    y = (np.arange(shape[0], dtype=np.float64)[:, np.newaxis] - center[1]) * mode.scale[1]
    x = (np.arange(shape[1], dtype=np.float64) - center[0]) * mode.scale[0]
    angle = np.radians(mode.v3_idl_y_angle)
    sin, cos = float(np.sin(angle)), float(np.cos(angle))
    return x * sin + y * cos, x * cos - y * sin


def near_glow_sticks(
    mode: CoronagraphMode,
    *,
    shape: tuple[int, int],
    center: tuple[float, float],
    half_width: float = _HALF_WIDTH,
) -> NDArray[np.bool_]:
    """Return the pixels within `half_width` arcsec of a boundary; none if the mode has none."""
    if not is_phase_mask(mode):
        return np.zeros(shape, np.bool_)
    row, column = boundary_distance(mode, shape=shape, center=center)
    return (np.abs(row) < half_width) | (np.abs(column) < half_width)


def near_star(
    mode: CoronagraphMode,
    *,
    shape: tuple[int, int],
    center: tuple[float, float],
    radius: float = _STAR_RADIUS,
) -> NDArray[np.bool_]:
    """Return the pixels within `radius` arcsec of a star at a 0-based (x, y)."""
    y = (np.arange(shape[0], dtype=np.float64)[:, np.newaxis] - center[1]) * mode.scale[1]
    x = (np.arange(shape[1], dtype=np.float64) - center[0]) * mode.scale[0]
    return np.hypot(x, y) < radius
