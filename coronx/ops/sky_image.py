"""An image of what is around a star, as a telescope shows it in a frame."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from coronx.ops.fourier import forward, inverse, without_nyquist

__all__ = ["SkyImage", "seen_through"]

Array = NDArray[np.float64]

_FINE = 3  # points a pixel of the grid on which light is put
_COARSE = 1.5  # pixels of the frame: larger ones of the image are split


@dataclass(frozen=True)
class SkyImage:
    """An image of the sky around a star, on pixels of its own.

    Attributes
    ----------
    values : ndarray (h, w)
        Flux in each pixel; finite.
    star : tuple of float
        0-based (x, y) of the star.
    to_sky : ndarray (2, 2)
        Arcsec (east, north) of a step of one pixel along (x, y).
    """

    values: Array
    star: tuple[float, float]
    to_sky: Array

    def scaled(self, factor: float) -> "SkyImage":
        """Return the same image, `factor` times as bright."""
        return SkyImage(self.values * factor, self.star, self.to_sky)

    def points(self, matrix: Array) -> tuple[Array, Array, Array]:
        """Return the image as points: pixels (dx, dy) from the star in a frame, and their flux.

        Parameters
        ----------
        matrix : ndarray (2, 2)
            Pixels (x, y) of the frame per arcsec (east, north).
        """
        whole = matrix @ self.to_sky
        rows, cols = np.nonzero(self.values)
        flux = np.asarray(self.values[rows, cols], dtype=np.float64)
        place = np.stack([cols - self.star[0], rows - self.star[1]])
        size = float(np.abs(whole).sum(axis=1).max())
        parts = 1 if size <= _COARSE else int(np.ceil(size))
        inside = (np.arange(parts) + 0.5) / parts - 0.5
        steps = np.stack(np.meshgrid(inside, inside)).reshape(2, 1, -1)
        at = whole @ (place[:, :, None] + steps).reshape(2, -1)
        return at[0], at[1], np.repeat(flux / parts**2, parts**2)


def seen_through(
    image: SkyImage,
    *,
    star: tuple[float, float],
    matrix: Array,
    shape: tuple[int, int],
    kernel: NDArray[np.floating],
    transmission: NDArray[np.floating] | None = None,
) -> Array:
    """Return a sky image as it appears in a frame behind a mask.

    The flux of each of its pixels is that of a point in the pixel's middle, wherever in the frame
    that is, which is exact for an image that is sampled as finely as the PSF needs; pixels larger
    than one and a half of the frame's are split evenly. Each point is lessened by the mask at its
    place, then all are convolved with the PSF. No place is rounded: points between pixels are put
    on a grid three times as fine by the weights of a cubic B-spline, whose transform is divided out
    (gridding, as in non-uniform Fourier transforms: Dutt & Rokhlin 1993, SIAM J. Sci. Comput. 14,
    1368).

    Parameters
    ----------
    image : SkyImage
        The image.
    star : tuple of float
        0-based (x, y) of the star in the frame.
    matrix : ndarray (2, 2)
        Pixels (x, y) per arcsec (east, north).
    shape : tuple of int
        (ny, nx) of the frame. What of the image lies beyond it is seen as far as the PSF reaches.
    kernel : ndarray (odd, odd)
        The PSF, on its middle pixel, sampled finely enough to be moved.
    transmission : ndarray (ny, nx), optional
        What the mask lets through of a source on each pixel; between pixels it is interpolated
        linearly, beyond the frame it is that at the edge. 1 by default.

    Returns
    -------
    ndarray (ny, nx)
        Flux in each pixel of the frame.

    Raises
    ------
    ValueError
        If the kernel is not an odd square.
    """
    half = len(kernel) // 2
    if kernel.shape != (2 * half + 1,) * 2:
        raise ValueError(f"a kernel is an odd square, not {kernel.shape}")
    dx, dy, flux = image.points(matrix)
    x, y = star[0] + dx, star[1] + dy
    if transmission is not None:
        flux = flux * map_coordinates(
            np.asarray(transmission, np.float64), [y, x], order=1, mode="nearest"
        )
    before = half + 1  # pixels of the grid before the frame's first
    ny, nx = (cast("int", scipy.fft.next_fast_len(n + 2 * half + 4)) for n in shape)
    fine = _put(flux, (x + before) * _FINE, (y + before) * _FINE, (ny * _FINE, nx * _FINE))
    spectrum = _low(forward(fine), ny, nx)
    spectrum /= _spread(ny, np.fft.fftfreq)[:, None] * _spread(nx, np.fft.rfftfreq)
    padded = np.zeros((ny, nx))
    padded[: 2 * half + 1, : 2 * half + 1] = kernel
    spectrum *= forward(np.roll(padded, (-half, -half), (0, 1)))
    made = inverse(without_nyquist(spectrum, (ny, nx)), (ny, nx))
    return np.ascontiguousarray(made[before : before + shape[0], before : before + shape[1]])


def _put(flux: Array, x: Array, y: Array, shape: tuple[int, int]) -> Array:
    """Return points on a grid (ny, nx), each on sixteen of it; those beyond it are lost."""
    ny, nx = shape
    col, row = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    inside = (col >= 1) & (row >= 1) & (col < nx - 2) & (row < ny - 2)
    col, row, flux = col[inside], row[inside], flux[inside]
    first = (row - 1) * nx + col - 1
    along, across = _spline(x[inside] - col), _spline(y[inside] - row)
    total = np.zeros(ny * nx)
    for j, up in enumerate(across):
        some = flux * up
        for i, right in enumerate(along):
            total += np.bincount(first + (j * nx + i), some * right, minlength=total.size)
    return total.reshape(shape)


def _spline(part: Array) -> tuple[Array, Array, Array, Array]:
    """Return the cubic B-spline's weights of the four points about a part of a step."""
    rest = 1 - part
    return (
        rest**3 / 6,
        (3 * part**3 - 6 * part**2 + 4) / 6,
        (3 * rest**3 - 6 * rest**2 + 4) / 6,
        part**3 / 6,
    )


def _low(spectrum: NDArray[Any], ny: int, nx: int) -> NDArray[Any]:
    """Return the frequencies that a grid of (ny, nx) has of the real FFT of a finer one."""
    upper = (ny + 1) // 2
    rows = np.r_[0:upper, len(spectrum) - (ny - upper) : len(spectrum)]
    return spectrum[rows, : nx // 2 + 1]


def _spread(size: int, frequencies: Any) -> Array:
    """Return the transform of the spline at a grid's frequencies."""
    return np.asarray(np.sinc(frequencies(size) / _FINE) ** 4, dtype=np.float64)
