"""Make the registration of two images exact by all their light, where stars are faint or few."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import affine_transform, gaussian_filter, maximum_filter

__all__ = ["LightRegistration", "refine_by_light"]

_TURNS = 12
_SETTLED = 2e-3  # pixels
_SKY = 3.0  # times as wide as the stars: larger structures are left out
_FAINT = 4.0  # sigma of the smoothed light, below which it may be noise


@dataclass(frozen=True)
class LightRegistration:
    """Where the pixels of one image are in another: ``position' = matrix @ position + offset``.

    Attributes
    ----------
    matrix : ndarray (2, 2)
        Acts on (x, y), counted from the first pixel's centre.
    offset : ndarray (2,)
        In pixels.
    error : float
        1-sigma error of the shift along the worse axis, in pixels.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    error: float


def refine_by_light(
    image: NDArray[np.floating],
    to_image: NDArray[np.floating],
    matrix: NDArray[np.floating],
    offset: NDArray[np.floating],
    *,
    sigma: float = 2.0,
    good: NDArray[np.bool_] | None = None,
    to_good: NDArray[np.bool_] | None = None,
) -> LightRegistration:
    """Shift one image over another until their light agrees best.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image to be registered, in any unit.
    to_image : ndarray (my, mx)
        Image that it is registered to.
    matrix, offset : ndarray (2, 2), (2,)
        Registration to begin with, a few pixels off at most; only the offset is
        changed.
    sigma : float
        Width of the stars (standard deviation) in pixels: both images are smoothed by so much,
        and what is three times as wide is taken off, so that the sky does not matter.
    good, to_good : ndarray of bool, optional
        Pixels to use. Those that are not finite are left out, too.

    Returns
    -------
    LightRegistration

    Raises
    ------
    ValueError
        If the images do not overlap, or their light agrees nowhere within four sigma of where
        it began.

    Notes
    -----
    The summit of the images' cross-correlation, smoothed as for the detection of stars, over those
    parts alone where both together are brighter than noise: elsewhere, one image's noise times the
    other's would be all there is, and hide what faint stars tell. The error is that of
    the images' noise, taken to be independent from pixel to pixel. Pixels that are bright in one
    image only, as cosmic rays, have to be told by `good`.
    """
    mine, some, noise = _filled(image, good)
    theirs, there, their_noise = _filled(to_image, to_good)
    back = np.asarray(np.linalg.inv(matrix), np.float64)
    start = np.array(offset, np.float64)
    moved, reach = start.copy(), int(4 * max(sigma, 1.0))
    target = _band(theirs, sigma)
    for _ in range(_TURNS):
        source = _moved(_band(mine, sigma), back, moved, theirs.shape, 3)
        seen = _moved(some, back, moved, theirs.shape, 1) * there > 0.99
        lit = _lit(source, target, seen, sigma)
        # The correlation is that of both ways round: one alone would favour the start.
        surface = _correlation(lit * target, source, reach)
        surface += _correlation(target, lit * source, reach)
        grid = np.arange(-reach, reach + 1.0)
        change, bend = _summit(RectBivariateSpline(grid, grid, surface), surface, reach)
        moved += change
        if np.abs(moved - start).max() > reach:
            break
        if np.abs(change).max() < _SETTLED:
            tilts = [
                (level * np.gradient(_band(lit * light, sigma), axis=axis)) ** 2
                for axis in (1, 0)
                for level, light in ((noise, target), (their_noise, source))
            ]
            # Each of the two ways round has the whole noise: once, doubled.
            tilt = 2 * np.sqrt([np.sum(tilts[0] + tilts[1]), np.sum(tilts[2] + tilts[3])])
            error = float(np.max(np.abs(np.linalg.inv(bend)) @ tilt))
            return LightRegistration(np.array(matrix, np.float64), moved, error)
    raise ValueError(f"the images' light agrees nowhere within {reach} pixels of the start")


def _moved(
    values: NDArray[np.float64],
    back: NDArray[np.float64],
    offset: NDArray[np.float64],
    shape: tuple[int, ...],
    order: int,
) -> NDArray[np.float64]:
    """Return an image on the pixels of another, of which `back` and `offset` tell the way."""
    # scipy counts (y, x), and asks where a pixel of the result comes from.
    origin: Any = -(back @ offset)[::-1]
    return np.asarray(affine_transform(values, back[::-1, ::-1], origin, shape, order=order))


def _filled(
    image: NDArray[np.floating], good: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return an image with the sky where pixels are bad, where it has pixels, and its noise."""
    use = np.isfinite(image)
    if good is not None:
        use &= good
    if not use.any():
        raise ValueError("no good pixel in an image")
    level = float(np.median(image[use]))
    noise = 1.4826 * float(np.median(np.abs(image[use] - level)))
    seen = np.asarray(gaussian_filter(use.astype(np.float64), 2.0) > 0.5, np.float64)
    return np.where(use, image - level, 0.0), seen, noise


def _band(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return an image without structures smaller than stars, and without those much larger."""
    return np.asarray(gaussian_filter(image, sigma) - gaussian_filter(image, _SKY * sigma))


def _lit(
    source: NDArray[np.float64], target: NDArray[np.float64], seen: NDArray[np.bool_], sigma: float
) -> NDArray[np.float64]:
    """Return 1 where the images have light, 0 where only noise, and a soft edge."""
    both = np.where(seen, source + target, 0.0)
    if np.count_nonzero(seen) < (16 * sigma) ** 2:
        raise ValueError("the images do not overlap")
    limit = _FAINT * 1.4826 * float(np.median(np.abs(both[seen])))
    lit = maximum_filter((both > limit).astype(np.float64), 2 * int(2 * sigma) + 1) * seen
    if not lit.any():
        raise ValueError("the images have no light in common")
    return np.asarray(gaussian_filter(lit, sigma / 2))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return the sum of a(x + d) b(x) for shifts d up to `reach`, none in the middle."""
    shape = tuple(next_fast_len(n + reach, True) for n in a.shape)
    product = np.asarray(rfft2(a, shape)) * np.conj(np.asarray(rfft2(b, shape)))
    surface = np.roll(np.asarray(irfft2(product, shape)), (reach, reach), axis=(0, 1))
    return surface[: 2 * reach + 1, : 2 * reach + 1]


def _summit(
    surface: RectBivariateSpline, values: NDArray[np.float64], reach: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a correlation is highest, (x, y), and how it is bent there."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    place = np.array([row - reach, column - reach], np.float64)

    def along(y: int, x: int) -> float:
        return float(surface.ev(place[0], place[1], dx=y, dy=x))

    bend = -np.eye(2)
    for _ in range(_TURNS):  # Newton's, on a surface as smooth as the images
        cross = along(1, 1)
        bend = np.array([[along(2, 0), cross], [cross, along(0, 2)]])
        step = np.linalg.solve(bend, [along(1, 0), along(0, 1)])
        place = np.clip(place - np.clip(step, -0.5, 0.5), -reach, reach)
    return place[::-1].copy(), bend[::-1, ::-1]
