"""Shapes in which the primary's eighteen segments move and bend."""

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.segments import nearest_segment, segment_centers

__all__ = ["segment_modes"]

_RADIUS = 0.76  # metres from a segment's middle to its corners


def segment_modes(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    *,
    turn: float = 0.0,
) -> NDArray[np.float64]:
    """Return the low-order shapes of each segment over a pupil.

    Parameters
    ----------
    x, y : ndarray
        Coordinates in metres, shape (n, n).
    amplitude : ndarray
        Transmission of the pupil, shape (n, n).
    turn : float
        Degrees by which the telescope's V3 is turned from y.

    Returns
    -------
    ndarray
        Piston, tip, tilt, focus and two astigmatisms of each segment, in its own coordinates;
        piston, tip and tilt of the whole pupil, which moves the star, are taken out; each of rms
        one over the pupil; shape (108, n, n).
    """
    inside = amplitude > 0.5
    flat = np.stack([np.ones_like(x), x, y])
    solve = np.linalg.pinv(flat[:, inside].T)
    centers = segment_centers(turn)
    nearest = nearest_segment(x, y, centers)
    modes: list[NDArray[np.float64]] = []
    for number, (cx, cy) in enumerate(centers):
        here = nearest == number
        u, v = (x - cx) / _RADIUS, (y - cy) / _RADIUS
        for shape in (np.ones_like(u), u, v, 2 * (u**2 + v**2) - 1, u**2 - v**2, 2 * u * v):
            mode = np.where(here, shape, 0.0)
            mode = (mode - np.tensordot(solve @ mode[inside], flat, 1)) * (amplitude > 0.0)
            modes.append(mode / mode[inside].std())
    return np.stack(modes)
