"""What crosses a frame: cosmic rays and satellites."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["cosmic_rays", "satellite"]

_ELECTRONS_PIXEL = 1200.0  # that a cosmic ray frees, on average, along one pixel of its track
_LENGTH = 4.0  # pixels, mean
_STEPS = 10  # parts of a pixel


def cosmic_rays(size: int, count: float, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the electrons of cosmic rays: straight tracks, most of them short.

    Parameters
    ----------
    size : int
        Pixels along each side.
    count : float
        How many are expected.
    rng : numpy.random.Generator
        Source of the tracks.

    Returns
    -------
    ndarray
        Electrons, whole numbers, shape (size, size).
    """
    charge = np.zeros((size, size))
    for _ in range(rng.poisson(count)):
        x, y = rng.uniform(-0.5, size - 0.5, size=2)
        angle, length = rng.uniform(0, 2 * np.pi), 1.0 + rng.exponential(_LENGTH)
        steps = np.arange(0, length, 1 / _STEPS)
        columns = np.rint(x + steps * np.cos(angle)).astype(int)
        rows = np.rint(y + steps * np.sin(angle)).astype(int)
        inside = (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
        energy = _ELECTRONS_PIXEL / _STEPS * rng.gamma(4.0, 0.25)
        np.add.at(charge, (rows[inside], columns[inside]), rng.poisson(energy, size=inside.sum()))
    return charge


def satellite(
    size: int, fwhm: float, electrons: float, *, rng: np.random.Generator
) -> tuple[NDArray[np.float64], list[list[float]]]:
    """Return a satellite's trail from the left edge to the right one, and its ends.

    Parameters
    ----------
    size : int
        Pixels along each side.
    fwhm : float
        Width of the trail in pixels.
    electrons : float
        Charge in one pixel of its middle.
    rng : numpy.random.Generator
        Source of the place.

    Returns
    -------
    trail : ndarray
        Electrons, shape (size, size).
    ends : list
        0-based [x, y] of both ends.
    """
    left, right = rng.uniform(0.1, 0.9, size=2) * size
    y, x = np.indices((size, size))
    slope = (right - left) / (size - 1)
    distance = (y - left - slope * x) / np.hypot(1, slope)
    trail = electrons * np.exp(-4 * np.log(2) * (distance / fwhm) ** 2)
    return trail, [[0.0, float(left)], [float(size - 1), float(right)]]
