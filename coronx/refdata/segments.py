"""The primary's eighteen segments: where they are."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest_segment", "segment_centers"]

# Metres: flat to flat of a segment and the gap between two (Lightsey et al. 2012, Opt. Eng. 51).
_PITCH = 1.32 + 0.007


def segment_centers(turn: float = 0.0) -> NDArray[np.float64]:
    """Return the centres of the segments.

    Parameters
    ----------
    turn : float
        Degrees by which the telescope's V3 is turned from y.

    Returns
    -------
    ndarray (18, 2)
        (x, y) in metres; without a turn in the telescope's axes.
    """
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


def nearest_segment(
    x: NDArray[np.float64], y: NDArray[np.float64], centers: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the number 0-17 of the segment nearest to each point."""
    nearest, closest = np.zeros(x.shape, dtype=np.int64), np.full(x.shape, np.inf)
    for number, (cx, cy) in enumerate(centers):
        distance = (x - cx) ** 2 + (y - cy) ** 2
        nearest[distance < closest] = number
        closest = np.minimum(closest, distance)
    return nearest
