"""What surrounds the occulter and blocks light too: neutral densities, holders, field stops.

The figures describe the PSFMASK reference files in use, as distances from the occulter: squares
and stops sit on the same substrate, or in the same focal plane, and move with it.

NIRCam (Krist et al. 2010, SPIE 7731, 77313J): neighbouring masks share 5 arcsec neutral-density
squares for target acquisition below them (y from -10 to -5 arcsec), half of each in either field,
and 2 arcsec holders above (y from 8 to 10 arcsec); at the substrate's two ends the square is whole
and nearer the mask. Both pass a thousandth of the light. MIRI: the field stop, opaque.
"""

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.modes import CoronagraphMode

__all__ = ["field_edges"]

_NEUTRAL_DENSITY = 1e-3
_SQUARE_Y, _HOLDER_Y = (-10.0, -5.0), (8.0, 10.0)
# |x| of a square shared with the neighbouring mask, and of one at the substrate's end, in arcsec.
_SQUARE_X = {"shared": (7.5, 12.5), "end": (5.0, 10.0)}
_HOLDER_X = {"shared": (9.0, 11.0), "end": (8.0, 10.0)}
# (left, right) in the science frame.
_SIDES = {
    "nircam-210r": ("end", "shared"),
    "nircam-swb": ("shared", "shared"),
    "nircam-335r": ("shared", "shared"),
    "nircam-430r": ("shared", "shared"),
    "nircam-lwb": ("shared", "end"),
}
# ((left, right), (bottom, top)) of the illuminated field from the occulter, in pixels.
_STOPS = {
    "miri-1065": ((-107.5, 106.5), (-106.5, 106.5)),
    "miri-1140": ((-107.5, 107.5), (-105.5, 104.5)),
    "miri-1550": ((-107.5, 106.5), (-105.5, 102.5)),
    "miri-lyot": ((-135.5, 133.5), (-132.5, 135.5)),
}


def field_edges(
    mode: CoronagraphMode,
    *,
    shape: tuple[int, int] | None = None,
    center: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Return the transmission of everything but the occulter.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode; its pixel scale (arcsec) is used along both axes.
    shape : tuple of int, optional
        (ny, nx) of the result; the mode's own by default.
    center : tuple of float, optional
        0-based (x, y) of the occulter's centre in pixels, from which the edges are measured; the
        mode's, in flight, by default.

    Returns
    -------
    ndarray
        Intensity transmission, float64 (ny, nx), 1 = all light passes; a pixel that an edge
        crosses has the mean over its area.
    """
    ny, nx = mode.shape if shape is None else shape
    x0, y0 = mode.center if center is None else center
    x = np.arange(nx, dtype=np.float64) - x0
    y = np.arange(ny, dtype=np.float64) - y0
    if mode.name in _STOPS:
        along_x, along_y = _STOPS[mode.name]
        return _covered(y, along_y)[:, np.newaxis] * _covered(x, along_x)
    blocked = np.zeros((ny, nx))
    for side, sign in zip(_SIDES[mode.name], (-1.0, 1.0), strict=True):
        for along_y, along_x in ((_SQUARE_Y, _SQUARE_X[side]), (_HOLDER_Y, _HOLDER_X[side])):
            rows = _covered(y, _to_pixels(along_y, mode.scale[1]))
            # Mirrored for the left side: the distance is then positive on both.
            columns = _covered(sign * x, _to_pixels(along_x, mode.scale[0]))
            blocked += rows[:, np.newaxis] * columns
    return 1.0 - (1.0 - _NEUTRAL_DENSITY) * blocked


def _to_pixels(limits: tuple[float, float], scale: float) -> tuple[float, float]:
    return limits[0] / scale, limits[1] / scale


def _covered(position: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    """Return which fraction of each pixel (1 wide, about its position) lies between the limits."""
    low = np.maximum(position - 0.5, limits[0])
    high = np.minimum(position + 0.5, limits[1])
    return np.clip(high - low, 0.0, 1.0)
