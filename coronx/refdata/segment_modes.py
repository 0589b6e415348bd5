"""Shapes in which the primary's eighteen segments move and bend."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["segment_modes"]

# Metres: flat to flat of a segment and the gap between two (Lightsey et al. 2012, Opt. Eng. 51).
_PITCH = 1.32 + 0.007
_RADIUS = 0.76  # from a segment's middle to its corners


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
    centers = _centers(turn)
    nearest = np.argmin(np.hypot(x[..., None] - centers[:, 0], y[..., None] - centers[:, 1]), -1)
    modes: list[NDArray[np.float64]] = []
    for number, (cx, cy) in enumerate(centers):
        here = nearest == number
        u, v = (x - cx) / _RADIUS, (y - cy) / _RADIUS
        for shape in (np.ones_like(u), u, v, 2 * (u**2 + v**2) - 1, u**2 - v**2, 2 * u * v):
            mode = np.where(here, shape, 0.0)
            mode = (mode - np.tensordot(solve @ mode[inside], flat, 1)) * (amplitude > 0.0)
            modes.append(mode / mode[inside].std())
    return np.stack(modes)


def _centers(turn: float) -> NDArray[np.float64]:
    axial = [
        (q, r)
        for q in range(-2, 3)
        for r in range(-2, 3)
        if 0 < max(abs(q), abs(r), abs(q + r)) <= 2
    ]
    q, r = np.array(axial, dtype=np.float64).T
    x, y = _PITCH * np.sqrt(0.75) * q, _PITCH * (r + q / 2)
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
