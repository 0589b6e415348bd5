"""Noise of an image in rings about a star."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NoiseCurve", "noise_curve"]


@dataclass(frozen=True)
class NoiseCurve:
    """Scatter in rings about a centre.

    Attributes
    ----------
    radius : ndarray (n,)
        Mean radius of each ring's pixels, in pixels; the ring's middle where it has none.
    sigma : ndarray (n,)
        Standard deviation of the finite pixels in each ring; NaN where there are fewer than two.
    count : ndarray of int (n,)
        Number of finite pixels in each ring.
    """

    radius: NDArray[np.float64]
    sigma: NDArray[np.float64]
    count: NDArray[np.int_]


def noise_curve(
    image: NDArray[np.floating], center: tuple[float, float], *, width: float = 2.0
) -> NoiseCurve:
    """Measure the standard deviation in rings about a star.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image; pixels that are not finite are left out.
    center : tuple of float
        0-based (x, y) of the star; it need not be inside the frame.
    width : float
        Width of a ring in pixels.

    Returns
    -------
    NoiseCurve
        Ring k holds the pixels whose centres lie at k * width <= r < (k + 1) * width, out to
        the farthest finite pixel.

    Raises
    ------
    ValueError
        If `width` is not positive.
    """
    if not width > 0.0:
        raise ValueError(f"width of the rings must be positive, not {width}")
    y, x = np.indices(image.shape)
    finite = np.isfinite(image)
    radius = np.hypot(x - center[0], y - center[1])[finite]
    values = image[finite].astype(np.float64)
    ring = (radius / width).astype(int)
    rings = int(ring.max()) + 1 if ring.size else 0
    count = np.bincount(ring, minlength=rings)
    some = np.maximum(count, 1)
    mean = np.bincount(ring, values, rings) / some
    square = np.bincount(ring, (values - mean[ring]) ** 2, rings) / some
    sigma = np.where(count > 1, np.sqrt(square), np.nan)
    middle = (np.arange(rings) + 0.5) * width
    return NoiseCurve(
        np.where(count > 0, np.bincount(ring, radius, rings) / some, middle), sigma, count
    )
