"""Images of point sources of unit flux."""

import numpy as np
from scipy.special import j1


def gaussian(shape, x, y, sigma):
    """Return a Gaussian at a 0-based place."""
    rows, cols = np.indices(shape)
    return np.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / sigma**2) / (2 * np.pi * sigma**2)


def airy(shape, x, y, width=2.25):
    """Return an Airy disk of unit sum over an infinite image; `width` is lambda/D in pixels."""
    rows, cols = np.indices(shape)
    z = np.pi * np.hypot(cols - x, rows - y) / width + 1e-9
    return (2 * j1(z) / z) ** 2 * np.pi / (4 * width**2)
