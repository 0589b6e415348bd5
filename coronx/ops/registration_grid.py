"""The grids on which a registration is prepared: the template's energy, the coarse search."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from coronx.ops.fourier import forward, inverse
from coronx.ops.peak import vertex

__all__ = ["CoarseGrid", "energy_spline"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

_STEP = 0.25  # pixels between the samples of the energy


class CoarseGrid:
    """Search for the peak on a grid of two pixels, from the low half of the spectrum."""

    def __init__(self, shape: tuple[int, int], limit: float, energy: RectBivariateSpline) -> None:
        ny, nx = shape
        half = (max(ny // 4, 1), max(nx // 4, 1))
        self._rows = np.r_[0 : half[0], -half[0] : 0]
        self._cols = half[1] + 1
        self._size = (2 * half[0], 2 * half[1])
        step = (ny / self._size[0], nx / self._size[1])
        count = (int(limit // step[0]), int(limit // step[1]))
        self._iy = np.arange(-count[0], count[0] + 1)
        self._ix = np.arange(-count[1], count[1] + 1)
        self._step = step
        self._y, self._x = self._iy * step[0], self._ix * step[1]
        self._energy = energy(self._y, self._x)
        self._half = np.full(self._cols, 0.5)
        self._half[0] = 1.0

    def start(self, cross: Complex) -> Array:
        """Return the (x, y) of the peak of C^2 / G, C being positive there.

        A parabola through the highest sample and its neighbours tells where between samples.
        """
        low = cross[self._rows, : self._cols] * self._half
        # The correlation's phases turn the other way round than a transform's.
        plane = inverse(np.conjugate(low), self._size)
        c = plane[np.ix_(self._iy, self._ix)]
        score = c * np.abs(c) / self._energy
        row, col = np.unravel_index(np.argmax(score), score.shape)
        x = self._x[col] + self._step[1] * vertex(score[row], int(col))
        y = self._y[row] + self._step[0] * vertex(score[:, col], int(row))
        return np.array([x, y])


def energy_spline(spectrum: Complex, weight: Array, reach: float) -> RectBivariateSpline:
    """Return the energy of a moved template, G(dy, dx) = sum w (S_d s)^2, as a spline.

    It is exact at the samples. The square of the moved template holds twice its frequencies,
    so it is formed on a grid of twice the density, where it is not aliased.

    Parameters
    ----------
    spectrum : ndarray (ny, nx // 2 + 1)
        Real FFT of the template, without Nyquist terms.
    weight : ndarray (ny, nx)
        Weight of each pixel.
    reach : float
        Largest shift along each axis, in pixels.

    Raises
    ------
    ValueError
        If the energy is not positive everywhere.
    """
    ny, nx = weight.shape
    fine = np.zeros((2 * ny, nx + 1), complex)
    rows = np.r_[0 : (ny + 1) // 2, -(ny // 2) : 0]
    fine[rows, : nx // 2 + 1] = spectrum
    dense = 4.0 * inverse(fine, (2 * ny, 2 * nx))
    square = forward(dense**2)
    transform = np.asarray(scipy.fft.fft2(weight))
    ky = np.rint(np.asarray(scipy.fft.fftfreq(2 * ny)) * 2 * ny).astype(int)
    kx = np.arange(nx + 1)
    cross = square * np.conjugate(transform[np.ix_(ky % ny, kx % nx)])
    twice = np.full(nx + 1, 2.0)
    twice[0] = 1.0
    cross *= twice / (4.0 * ny * nx)
    count = int(np.ceil(reach / _STEP))
    grid = np.arange(-count, count + 1) * _STEP
    left = np.exp(-2j * np.pi / ny * np.outer(grid, ky))
    right = np.exp(-2j * np.pi / nx * np.outer(kx, grid))
    energy = ((left @ cross) @ right).real
    if not energy.min() > 0.0:
        raise ValueError("the template is zero wherever the weight is not")
    return RectBivariateSpline(grid, grid, energy, kx=5, ky=5)
