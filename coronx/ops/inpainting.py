"""Refine filled pixels of an image that is going to be moved."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.fourier import forward, frequencies, inverse

__all__ = ["fill_smoothly"]

_ROUNDS = 30  # single pixels rest after ten; wide gaps keep part of what they were filled with
_TOLERANCE = 1e-8  # of the squared gradient, relative to the first


def fill_smoothly(image: NDArray[np.floating], bad: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give bad pixels the values that make the image smoothest.

    The integral of the squared Laplacian is minimised over the bad pixels by conjugate
    gradients. In a scene that is sampled finely enough to be moved by a fraction of a pixel,
    this comes several times closer than a local median, whose error at a bright place the
    move would spread over its neighbours.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image, finite everywhere; the values at bad pixels are the first guess.
    bad : ndarray of bool (ny, nx)
        Pixels to fill.

    Returns
    -------
    ndarray (ny, nx), float64
        A new array; good pixels keep their values. Opposite edges count as neighbours, as
        they do when the image is moved.
    """
    out = np.array(image, dtype=np.float64)
    ny, nx = out.shape
    square = frequencies(ny)[:, None] ** 2 + frequencies(nx, half=True) ** 2
    roughness = square**2

    def gradient(values: NDArray[np.float64]) -> NDArray[np.float64]:
        rough = inverse(forward(values) * roughness, (ny, nx))
        return np.where(bad, rough, 0.0)

    left = -gradient(out)
    direction = left.copy()
    size = first = float(np.vdot(left, left))
    for _ in range(_ROUNDS):
        if size <= _TOLERANCE * first:
            break
        ahead = gradient(direction)
        step = size / float(np.vdot(direction, ahead))
        out += step * direction
        left -= step * ahead
        size, before = float(np.vdot(left, left)), size
        direction = left + size / before * direction
    return out
