"""The place of a star by its centroid under a Gaussian window."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["windowed_centroid"]

_ROUNDS = 50
_DONE = 1e-5  # pixels


def windowed_centroid(
    image: NDArray[Any], start: tuple[float, float], *, sigma: float
) -> tuple[float, float]:
    """Return the place of a star.

    The centroid weighted with a Gaussian about the last one, each step doubled, as the window pulls
    it back by half for a star as wide as itself (the windowed centroid of Bertin & Arnouts 1996,
    A&AS 117, 393, as their program now has it).

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image, finite, its background removed.
    start : tuple of float
        0-based (x, y) to start from.
    sigma : float
        Standard deviation of the window in pixels: about that of the star.

    Returns
    -------
    tuple of float
        0-based (x, y).

    Raises
    ------
    ValueError
        If no star is there: the window's light is not positive, or the centroid leaves the image.
    """
    y, x = np.indices(image.shape)
    place = np.array(start, dtype=np.float64)
    for _ in range(_ROUNDS):
        dx, dy = x - place[0], y - place[1]
        square = dx**2 + dy**2
        weight = image * np.where(square < (4 * sigma) ** 2, np.exp(-square / (2 * sigma**2)), 0.0)
        total = float(weight.sum())
        if not total > 0.0:
            raise ValueError(f"no star at ({place[0]:.1f}, {place[1]:.1f})")
        step = 2.0 * np.array([np.vdot(weight, dx), np.vdot(weight, dy)]) / total
        place += step
        if not (0 <= place[0] < image.shape[1] and 0 <= place[1] < image.shape[0]):
            raise ValueError(f"no star near ({start[0]:.1f}, {start[1]:.1f})")
        if np.abs(step).max() < _DONE:
            break
    return float(place[0]), float(place[1])
