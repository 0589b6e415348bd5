"""What a star's colour changes in its image behind the mask, as one more reference.

A star that is redder by a little, in the mean wavelength of its light in the filter, has speckles
that are farther from it by the same share: the image is stretched about the star. That is the
image's radial slope times the distance, which the references tell by themselves.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from coronx.ops.common_frame import filled
from coronx.ops.fourier import forward, frequencies, inverse, without_nyquist
from coronx.ops.images import Images
from coronx.ops.nans import fill_from_stack

__all__ = ["color_reference"]

Array = NDArray[np.float64]

# The slope by Fourier transform is a sum over the row with weights (-1)^k / k: of its variance
# pi^2 / 3, five sixths lie within three pixels, and a wild value should stay a local matter.
_NEAR = 1.0 / np.array([9.0, 4.0, 1.0, np.inf, 1.0, 4.0, 9.0])
_WEIGHTS = _NEAR * (np.pi**2 / 3.0 / _NEAR.sum())


def color_reference(
    references: Images,
    star: tuple[float, float],
    *,
    change: float,
    used: NDArray[np.bool_] | None = None,
) -> Images:
    """Return what the references' mean changes by when the wavelength grows.

    Parameters
    ----------
    references : Images
        (nref, ny, nx), aligned.
    star : tuple of float
        0-based (x, y) of the star in them, in pixels.
    change : float
        By how much the mean wavelength grows, relative to itself: black bodies from 10000 K to
        2800 K differ by 0.003 in F356W. It is the size of the reference: what it may mean for KL
        modes, not what is found.
    used : ndarray of bool (nref,), optional
        Which of the references are taken; all by default. Each is taken as bright as it is.

    Returns
    -------
    Images
        (1, ny, nx), in the references' type: minus `change` times the slope along the radius times
        the radius. Bad where none of them has a value.

    Raises
    ------
    ValueError
        If no reference that is used has a good pixel.
    """
    taken = slice(None) if used is None or used.all() else used
    data, good = references.data[taken], references.good[taken]
    if not good.any():
        raise ValueError("no reference has a good pixel; give a stack that has")
    covered = np.ones(data.shape[1:], bool)
    if not good.all():
        data, covered = fill_from_stack(data, ~good)
    mean = filled(data.mean(axis=0, dtype=np.float64)[None], covered[None])[0]
    ny, nx = mean.shape
    y, x = np.arange(ny)[:, None] - star[1], np.arange(nx) - star[0]
    slope_x, slope_y = _slopes(mean)
    variance = _variance_of_mean(references.err[taken], good)
    variance = x**2 * correlate1d(variance, _WEIGHTS, axis=1, mode="nearest") + (
        y**2 * correlate1d(variance, _WEIGHTS, axis=0, mode="nearest")
    )
    return Images(
        (-change * (x * slope_x + y * slope_y))[None].astype(references.data.dtype),
        (change * np.sqrt(variance))[None].astype(references.err.dtype),
        ~covered[None],
    )


def _slopes(image: Array) -> tuple[Array, Array]:
    spectrum = without_nyquist(forward(image), image.shape)
    ny, nx = image.shape
    along_x = inverse(1j * frequencies(nx, half=True) * spectrum, image.shape)
    return along_x, inverse(1j * frequencies(ny)[:, None] * spectrum, image.shape)


def _variance_of_mean(err: NDArray[np.floating], good: NDArray[np.bool_]) -> Array:
    """Return the variance of the references' mean; zero where no error is known."""
    known = good & np.isfinite(err)
    total = np.square(err, dtype=np.float64).sum(axis=0, where=known)
    return total / np.maximum(known.sum(axis=0), 1) / len(err)
