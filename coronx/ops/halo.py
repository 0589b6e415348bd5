"""The smooth halo of a star: how bright it is far out, and where it ends in the noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Halo", "fit_halo"]

_ROUNDS = 6
_FARTHEST = 0.5  # part of the pixels, the farthest ones, that the first round takes
_FAINT = 0.5  # later ones take those where the halo is fainter than this many sigma
_CLIP = 4.0  # sigma: companions, other stars and cosmic rays are not the halo
_FLOOR = 1e-30
# By what part of its mean a real halo differs from the two powers: of simulated ones, a quarter.
_UNLIKE = 0.25
# Radius of which powers are taken, so that the terms are of one size.
_UNIT = 100.0


@dataclass(frozen=True)
class Halo:
    """The halo of a star on a level.

    Attributes
    ----------
    model : ndarray (ny, nx)
        The halo alone; 0 everywhere where none was found.
    outside : ndarray of bool (ny, nx)
        Pixels to measure a level on: of those given, the ones beyond the halo.
    radius : int
        Distance from the star in pixels at which they begin.
    sigma : float
        Uncertainty of the halo's mean over them: what a level measured there inherits.
    """

    model: NDArray[np.float64]
    outside: NDArray[np.bool_]
    radius: int
    sigma: float


def fit_halo(
    image: NDArray[np.floating],
    use: NDArray[np.bool_],
    star: tuple[float, float],
    *,
    noise: float | None = None,
    faint: float = 0.1,
    least: float = 0.2,
) -> Halo:
    """Fit a level and a star's halo that falls with the distance.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image; pixels that are not finite are left out.
    use : ndarray of bool (ny, nx)
        Pixels that see the sky.
    star : tuple of float
        0-based (x, y) of the star.
    noise : float, optional
        Noise of a pixel, in units of the image, by which `faint` is meant; that of the image
        by default.
    faint : float
        Outside is where the halo is fainter than this many sigma of a pixel's noise.
    least : float
        Part of the pixels, the farthest ones, that counts as outside however bright the star.

    Returns
    -------
    Halo

    Notes
    -----
    Edges of an aperture diffract a mean brightness of r ** -3 (Born & Wolf 1999, section 8.5);
    behind a coronagraph it falls faster nearer in, for which there is a term of r ** -5. Least
    squares on the pixels where the halo is fainter than half their noise, outliers clipped,
    repeated until both agree. Distances are taken in rings of a pixel.
    """
    y = np.arange(image.shape[0], dtype=np.float32)[:, np.newaxis] - np.float32(star[1])
    x = np.arange(image.shape[1], dtype=np.float32) - np.float32(star[0])
    rings = np.sqrt(x**2 + y**2).astype(np.intp)
    good = use & np.isfinite(image)
    ring, values = rings[good], image[good].astype(np.float64)
    if values.size < 10:
        return Halo(np.zeros(image.shape), good, 0, 0.0)
    count = np.bincount(ring)
    terms = _terms(count.size)
    inside = np.cumsum(count) / values.size
    limit = int(np.searchsorted(inside, 1.0 - _FARTHEST))
    farthest = int(np.searchsorted(inside, 1.0 - least))
    far = values[ring >= limit]
    level = float(np.median(far))
    spread = max(1.4826 * float(np.median(np.abs(far - level))), _FLOOR)
    strength, covariance = np.zeros(2), np.zeros((2, 2))
    for _ in range(_ROUNDS):
        rest = values - (level + strength @ terms)[ring]
        kept = (ring >= limit) & (np.abs(rest) <= _CLIP * spread)
        level, strength, covariance = _fit(ring[kept], values[kept], terms)
        before, limit = limit, min(_reach(strength @ terms, _FAINT * spread), farthest)
        if limit == before:
            break
    faintest = faint * (spread if noise is None else noise)
    edge = min(_reach(strength @ terms, faintest), farthest)
    mean = terms[:, edge:] @ count[edge:] / max(int(count[edge:].sum()), 1)
    model = (strength @ _terms(int(rings.max()) + 1))[rings]
    sigma = float(np.hypot(np.sqrt(mean @ covariance @ mean), _UNLIKE * (strength @ mean)))
    return Halo(model, good & (rings >= edge), edge, sigma)


def _terms(count: int) -> NDArray[np.float64]:
    """Return the two powers of the distance at the middle of each ring, (2, count)."""
    inverse = _UNIT / (np.arange(count, dtype=np.float64) + 0.5)
    return np.stack([inverse**3, inverse**5])


def _fit(
    ring: NDArray[np.intp], values: NDArray[np.float64], terms: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the level, the strength of each term, and the covariance of the strengths.

    A term that is negative or lost in the noise is 0.
    """
    count = np.bincount(ring, minlength=terms.shape[1])
    middle = terms @ count / ring.size
    away = terms - middle[:, np.newaxis]
    level = float(values.mean())
    excess = values - level
    normal, right = (away * count) @ away.T, away @ np.bincount(ring, excess, terms.shape[1])
    for number in (2, 1):  # both terms, else the first alone
        inverse = np.linalg.pinv(normal[:number, :number], hermitian=True)
        strength = inverse @ right[:number]
        square = float(excess @ excess - strength @ right[:number]) / max(ring.size - number - 1, 1)
        covariance = np.zeros((2, 2))
        covariance[:number, :number] = inverse * max(square, 0.0)
        error = np.sqrt(np.diag(covariance)[:number])
        if np.all(strength > 0.0) and np.any(strength > 3.0 * error):
            both = np.zeros(2)
            both[:number] = strength
            return level - float(both @ middle), both, covariance
    return level, np.zeros(2), np.zeros((2, 2))


def _reach(halo: NDArray[np.float64], value: float) -> int:
    """Return the first ring where a halo, which falls outward, is not above a value."""
    return int(np.count_nonzero(halo > value))
