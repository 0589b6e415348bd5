"""Which references the field has turned away from far enough to hold no companion's own light."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["moved_enough"]


def moved_enough(
    target: NDArray[np.float64], references: NDArray[np.float64], radius: float, *, least: float
) -> NDArray[np.bool_]:
    """Return the references in which a companion has moved far enough from its place.

    Between two frames of one star a companion moves on a circle about it. It has moved by the
    chord 2 r sin(a / 2), a being the angle by which the field has turned (the least motion for a
    reference in angular differential imaging: Marois et al. 2006, ApJ 641, 556; Lafreniere
    et al. 2007, ApJ 660, 770).

    Parameters
    ----------
    target : ndarray (2, 2)
        Matrix that takes an offset on the sky (east, north) to one in the target's pixels.
    references : ndarray (nref, 2, 2)
        The same of each reference; NaN for one of another star.
    radius : float
        Distance from the star in pixels.
    least : float
        Smallest motion in pixels.

    Returns
    -------
    ndarray of bool (nref,)
        True, too, for every reference of another star.

    Raises
    ------
    ValueError
        If the target's matrix cannot be inverted, a reference is its mirror image, or `radius` or
        `least` is negative or not finite.

    Notes
    -----
    The rotation is that of the orthogonal matrix nearest to ``reference @ inv(target)``: a
    difference in scale is no motion.
    """
    for name, value in (("radius", radius), ("least motion", least)):
        if not 0.0 <= value < np.inf:
            raise ValueError(f"{name} of {value} pixels; give a finite value, 0 or more")
    if not (np.isfinite(target).all() and np.linalg.det(target) != 0.0):
        raise ValueError(
            f"the target's matrix {target.tolist()} cannot be inverted; give pixels per arcsec"
        )
    own: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(references), axis=(1, 2))
    turned = np.where(own[:, None, None], references, target) @ np.linalg.inv(target)
    mirrored = np.flatnonzero(~(np.linalg.det(turned) > 0.0))
    if mirrored.size:
        raise ValueError(
            f"references {mirrored.tolist()} are mirror images of the target, or have no area; "
            "give matrices of one parity"
        )
    angle = np.arctan2(turned[:, 1, 0] - turned[:, 0, 1], turned[:, 0, 0] + turned[:, 1, 1])
    return ~own | (2.0 * radius * np.abs(np.sin(0.5 * angle)) >= least)
