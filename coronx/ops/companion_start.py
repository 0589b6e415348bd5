"""Where the fit of a companion begins."""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter

from coronx.ops.companion_linear import equations_at, pair
from coronx.ops.companion_model import CompanionModel, View

__all__ = ["find_start"]

Array = NDArray[np.float64]

_GRID = 0.4  # resolution elements, of the grid on which the start is looked for


def find_start(
    model: CompanionModel, view: View, start: Array, element: float
) -> tuple[Array, float, float]:
    """Return the likeliest place about a guess, the flux there, and its error.

    The response at the guess is moved over a grid as far as one resolution element, and matched to
    the residual with plain weights.

    Parameters
    ----------
    model, view
        What is fitted; the view about the guess.
    start : ndarray (2,)
        The guess, (east, north) in arcsec.
    element : float
        Resolution element, arcsec.

    Returns
    -------
    place : ndarray (2,)
        Where the match is best; the guess where it is positive nowhere.
    flux, faint : float
        The flux there, and its error at the guess.

    Raises
    ------
    ValueError
        If there is no usable residual.
    """
    unit = model.response(view, pair(start), 1.0)
    splines = [[spline_filter(image)] for image in unit]
    images = model.images()
    best, place, flux, faint = 0.0, start, 0.0, 0.0
    steps = np.arange(-3, 4) * element * _GRID
    for move in sorted(product(steps, steps), key=lambda m: np.hypot(*m)):
        if np.hypot(*move) > element * (1.0 + 0.5 * _GRID):
            break
        there = start + move
        matrix, vector, _ = equations_at(
            model, view, splines, images, pair(start), pair(there), correlated=False
        )
        if not matrix[0, 0] > 0.0:
            continue
        found, sigma = float(vector[0] / matrix[0, 0]), float(matrix[0, 0] ** -0.5)
        if faint == 0.0:
            flux, faint = found, sigma
        if found / sigma > best:
            best, place, flux = found / sigma, there, found
    if faint == 0.0:
        raise ValueError(
            f"no usable residual at ({start[0]:.3f}, {start[1]:.3f}) arcsec, or the PSF is zero"
        )
    return place, flux, faint
