"""Low-order shapes of the whole mirror, which the segments' modes are compared with.

The secondary mirror moves (focus, coma), the primary's backplane bends (astigmatism, trefoil,
spherical aberration), and its two folded wings tilt about their hinges with the sunshield's
temperature (Perrin et al. 2018, SPIE 10698; McElwain et al. 2023, PASP 135).
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["mirror_modes"]

_HINGE = 1.72  # metres from the middle: each wing is the outermost column of three segments


def mirror_modes(
    x: NDArray[np.float64], y: NDArray[np.float64], amplitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return drift modes over a pupil.

    Parameters
    ----------
    x, y : ndarray
        Coordinates in metres, shape (n, n).
    amplitude : ndarray
        Transmission of the pupil, shape (n, n).

    Returns
    -------
    ndarray
        Shapes without piston, tip or tilt, each of rms one over the pupil: two astigmatisms, focus,
        two comas, two trefoils, spherical aberration, two wings; shape (10, n, n).
    """
    radius = np.hypot(x, y)[amplitude > 0.5].max()
    u, v = x / radius, y / radius
    r2 = u**2 + v**2
    shapes = (
        u**2 - v**2,
        2 * u * v,
        2 * r2 - 1,
        (3 * r2 - 2) * u,
        (3 * r2 - 2) * v,
        u**3 - 3 * u * v**2,
        3 * u**2 * v - v**3,
        6 * r2**2 - 6 * r2 + 1,
        np.clip(x - _HINGE, 0.0, None),
        np.clip(-x - _HINGE, 0.0, None),
    )
    inside = amplitude > 0.5
    flat = np.stack([np.ones_like(x), x, y])
    modes = []
    for shape in shapes:
        # A tilt of the whole moves the star, which is not a drift of the wavefront.
        c, *_ = np.linalg.lstsq(flat[:, inside].T, shape[inside], rcond=None)
        left = (shape - np.tensordot(c, flat, 1)) * (amplitude > 0)
        modes.append(left / left[inside].std())
    return np.stack(modes)
