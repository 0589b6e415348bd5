"""Measure the shift between images and a template, to the limit that the noise sets."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import binary_dilation

from coronx.ops.inpainting import fill_smoothly
from coronx.ops.shift import apply_ramp, frequencies

__all__ = ["Registration", "Template"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Mask = NDArray[np.bool_]

_TOLERANCE = 1e-7  # pixels: a smaller Newton step ends the search
_REFILL_TOLERANCE = 1e-5  # pixels: the same for the rounds that re-estimate missing pixels
_MAX_NEWTON = 25
_MAX_REFILL = 8
_FLAT = 1e-20  # power of a template's structure relative to its mean's: less is rounding
_GRID_STEP = 0.25  # pixels between the samples of the template's energy
_DIFFERENCE_STEP = 1 / 16  # pixels
_DIFFERENCES = np.array(
    [
        [0.0, 0.0, 1.0, 0.0, 0.0],
        np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / (12 * _DIFFERENCE_STEP),
        np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / (12 * _DIFFERENCE_STEP**2),
    ]
)


@dataclass(frozen=True)
class Registration:
    """Where images lie relative to a template.

    Attributes
    ----------
    shift : ndarray (n, 2)
        (dx, dy) in pixels by which each image must be moved to lie on the template.
    scale : ndarray (n,)
        Brightness of each image relative to the template.
    sigma : ndarray (n, 2)
        Formal 1-sigma uncertainties of `shift` in pixels, scaled by the scatter of the residuals.
    residual : ndarray (n,)
        Root of the weighted mean square of image - scale * template, in image units.
    converged : ndarray of bool (n,)
        Whether the search ended at a maximum within the range allowed.
    """

    shift: Array
    scale: Array
    sigma: Array
    residual: Array
    converged: Mask


class Template:
    """A template ready to have images registered to it.

    The model of an image p is p(x) = scale * s(x - d): the template s moved by a Fourier
    shift. d minimises sum w (p - scale S_d s)^2. The scale is linear and drops out (variable
    projection, Golub & Pereyra 1973), which leaves C(d)^2 / G(d) to be maximised, with
    C(d) = sum w p S_d s and G(d) = sum w (S_d s)^2. Both are trigonometric polynomials in d.
    C needs one FFT an image; after it, value, gradient and Hessian are contractions of one
    spectrum with phase ramps, so that Newton's steps need no transform. G is the
    template's own: it is computed once on a grid, and interpolated.

    Missing pixels of an image are filled with the fitted model and the fit repeated until
    it rests, which is the same as giving them no weight (Dempster, Laird & Rubin 1977).

    Parameters
    ----------
    image : ndarray (ny, nx)
        Template, finite everywhere (fill bad pixels first).
    weight : ndarray (ny, nx)
        Weight of each pixel of the images, not negative; best the inverse variance.
    bad : ndarray of bool (ny, nx), optional
        Filled pixels of the template: the pixels of an image that they would explain
        are treated as missing.
    max_shift : float
        Largest shift searched along each axis, in pixels.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite, or the template is flat, or zero
        wherever the weight is not.
    """

    def __init__(
        self,
        image: Array,
        weight: Array,
        *,
        bad: Mask | None = None,
        max_shift: float = 20.0,
    ) -> None:
        image = np.asarray(image, dtype=np.float64)
        weight = np.asarray(weight, dtype=np.float64)
        if image.shape != weight.shape or image.ndim != 2:
            raise ValueError(f"template {image.shape} and weight {weight.shape} differ in shape")
        if not (np.isfinite(image).all() and np.isfinite(weight).all()):
            raise ValueError("template and weight must be finite")
        ny, nx = image.shape
        self._shape = (ny, nx)
        self._weight = weight
        self._bad = None
        if bad is not None and bad.any():
            image = fill_smoothly(image, bad)
            self._bad = binary_dilation(bad, np.ones((3, 3)))
        self._limit = float(min(max_shift, min(ny, nx) / 2 - 1))
        self._spectrum = _without_nyquist(scipy.fft.rfft2(image), self._shape)
        power = np.abs(self._spectrum) ** 2
        if power.sum() - power[0, 0] <= _FLAT * power[0, 0]:
            raise ValueError("the template is flat: it has nothing to register to")
        self._energy = _energy(self._spectrum, weight, self._shape, self._limit + 1.0)
        # A real FFT holds half of the plane: every column but the first stands for two
        # (the Nyquist column is empty).
        norm = np.full(nx // 2 + 1, 2.0 / (ny * nx))
        norm[0] /= 2.0
        self._conjugate_norm = norm * self._spectrum
        self._ky = frequencies(ny)
        self._kx = frequencies(nx, half=True)
        self._coarse = _CoarseGrid(self._shape, self._limit, self._energy)

    def register(self, images: Iterable[Array], bad: Iterable[Mask | None]) -> Registration:
        """Register images to the template.

        Parameters
        ----------
        images : iterable of ndarray (ny, nx)
            Images of any float type, finite everywhere (fill bad pixels first).
        bad : iterable of ndarray of bool (ny, nx) or None
            Filled pixels of each image, or None.

        Returns
        -------
        Registration
        """
        rows = [self._register_one(i, b) for i, b in zip(images, bad, strict=True)]
        shift, scale, sigma, residual, converged = zip(*rows, strict=True)
        return Registration(
            np.array(shift),
            np.array(scale),
            np.array(sigma),
            np.array(residual),
            np.array(converged),
        )

    def _register_one(
        self, image: Array, bad: Mask | None
    ) -> tuple[Array, float, Array, float, bool]:
        image = np.asarray(image, dtype=np.float64)
        cross = self._cross_spectrum(image)
        if not cross.any():
            return np.zeros(2), 0.0, np.full(2, np.nan), np.nan, False
        place, converged = self._climb(cross, self._coarse.start(cross))
        missing = self._missing(bad, place)
        if missing is not None:
            image = image.copy()
            for _ in range(_MAX_REFILL):
                scale = self._scale(cross, place)
                image[missing] = scale * apply_ramp(self._spectrum, place, self._shape)[missing]
                cross = self._cross_spectrum(image)
                before = place
                place, converged = self._climb(cross, place)
                if np.abs(place - before).max() < _REFILL_TOLERANCE:
                    break
        return self._report(image, missing, cross, place, converged)

    def _cross_spectrum(self, image: Array) -> Complex:
        cross = scipy.fft.rfft2(self._weight * image)
        np.conjugate(cross, out=cross)
        cross *= self._conjugate_norm
        return cross

    def _missing(self, bad: Mask | None, place: Array) -> Mask | None:
        missing = None if bad is None or not bad.any() else bad
        if self._bad is not None:
            step = np.rint(place).astype(int)
            moved = np.roll(self._bad, (step[1], step[0]), axis=(0, 1))
            missing = moved if missing is None else missing | moved
        return missing

    def _correlation(self, cross: Complex, place: Array) -> Array:
        """Return the derivatives [a, b] = d^a/dy^a d^b/dx^b of C at `place`, a, b <= 2."""
        ex = np.exp(-1j * self._kx * place[0])
        ey = np.exp(-1j * self._ky * place[1])
        right = np.stack([ex, -1j * self._kx * ex, -(self._kx**2) * ex], axis=1)
        left = np.stack([ey, -1j * self._ky * ey, -(self._ky**2) * ey], axis=0)
        return (left @ (cross @ right)).real

    def _energy_derivatives(self, place: Array) -> Array:
        """Return the same of G, by five-point differences of the spline (one call)."""
        offsets = _DIFFERENCE_STEP * np.arange(-2, 3)
        values = self._energy(place[1] + offsets, place[0] + offsets)
        return _DIFFERENCES @ values @ _DIFFERENCES.T

    def _log_derivatives(self, cross: Complex, place: Array) -> tuple[Array, Array]:
        """Return gradient and Hessian, order (x, y), of log(C^2 / G)."""
        c = self._correlation(cross, place)
        g = self._energy_derivatives(place)
        gradient = np.zeros(2)
        hessian = np.zeros((2, 2))
        for table, factor in ((c, 2.0), (g, -1.0)):
            first = np.array([table[0, 1], table[1, 0]]) / table[0, 0]
            second = (
                np.array([[table[0, 2], table[1, 1]], [table[1, 1], table[2, 0]]]) / table[0, 0]
            )
            gradient += factor * first
            hessian += factor * (second - np.outer(first, first))
        return gradient, hessian

    def _climb(self, cross: Complex, place: Array) -> tuple[Array, bool]:
        for _ in range(_MAX_NEWTON):
            gradient, hessian = self._log_derivatives(cross, place)
            values, vectors = np.linalg.eigh(hessian)
            # Uphill everywhere: away from a maximum the curvature's sign is turned.
            step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-12))
            length = np.abs(step).max()
            if length > 0.5:
                step *= 0.5 / length
            place = place + step
            if np.abs(place).max() > self._limit:
                return np.clip(place, -self._limit, self._limit), False
            if length < _TOLERANCE:
                return place, bool(values.max() < 0.0)
        return place, False

    def _scale(self, cross: Complex, place: Array) -> float:
        return float(self._correlation(cross, place)[0, 0]) / self._energy_derivatives(place)[0, 0]

    def _report(
        self, image: Array, missing: Mask | None, cross: Complex, place: Array, converged: bool
    ) -> tuple[Array, float, Array, float, bool]:
        weight = self._weight if missing is None else np.where(missing, 0.0, self._weight)
        scale = self._scale(cross, place)
        explained = scale * float(self._correlation(cross, place)[0, 0])
        # Missing pixels equal the model, and add the same to both sides.
        excess = max(float(np.vdot(self._weight * image, image)) - explained, 0.0)
        used = int(np.count_nonzero(weight))
        _, hessian = self._log_derivatives(cross, place)
        curvature = -0.5 * explained * hessian * used / max(np.count_nonzero(self._weight), 1)
        variance = np.full(2, np.nan)
        if converged and used > 3:
            variance = np.diag(np.linalg.inv(curvature)) * excess / (used - 3)
        residual = np.sqrt(excess / weight.sum()) if used else np.nan
        return -place, scale, np.sqrt(variance), float(residual), converged


class _CoarseGrid:
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
        self._y, self._x = self._iy * step[0], self._ix * step[1]
        self._energy = energy(self._y, self._x)
        self._half = np.full(self._cols, 0.5)
        self._half[0] = 1.0

    def start(self, cross: Complex) -> Array:
        """Return the (x, y) of the highest sample of C^2 / G, C being positive there."""
        low = cross[self._rows, : self._cols] * self._half
        # The correlation's phases turn the other way round than a transform's.
        plane = scipy.fft.irfft2(np.conjugate(low), s=self._size)
        c = plane[np.ix_(self._iy, self._ix)]
        row, col = np.unravel_index(np.argmax(c * np.abs(c) / self._energy), c.shape)
        return np.array([self._x[col], self._y[row]])


def _without_nyquist(spectrum: Complex, shape: tuple[int, int]) -> Complex:
    """Drop the Nyquist terms of even sizes: a real signal's cannot be moved."""
    ny, nx = shape
    if nx % 2 == 0:
        spectrum[:, -1] = 0.0
    if ny % 2 == 0:
        spectrum[ny // 2] = 0.0
    return spectrum


def _energy(
    spectrum: Complex, weight: Array, shape: tuple[int, int], reach: float
) -> RectBivariateSpline:
    """Return G(dy, dx) = sum w (S_d s)^2 as a spline; it is exact at the samples.

    The square of the moved template holds twice its frequencies, so it is formed on a
    grid of twice the density, where it is not aliased.
    """
    ny, nx = shape
    fine = np.zeros((2 * ny, nx + 1), complex)
    rows = np.r_[0 : (ny + 1) // 2, -(ny // 2) : 0]
    fine[rows, : nx // 2 + 1] = spectrum
    dense = 4.0 * scipy.fft.irfft2(fine, s=(2 * ny, 2 * nx))
    square = scipy.fft.rfft2(dense**2)
    transform = scipy.fft.fft2(weight)
    ky = np.rint(scipy.fft.fftfreq(2 * ny) * 2 * ny).astype(int)
    kx = np.arange(nx + 1)
    cross = square * np.conjugate(transform[np.ix_(ky % ny, kx % nx)])
    twice = np.full(nx + 1, 2.0)
    twice[0] = 1.0
    cross *= twice / (4.0 * ny * nx)
    count = int(np.ceil(reach / _GRID_STEP))
    grid = np.arange(-count, count + 1) * _GRID_STEP
    left = np.exp(-2j * np.pi / ny * np.outer(grid, ky))
    right = np.exp(-2j * np.pi / nx * np.outer(kx, grid))
    energy = ((left @ cross) @ right).real
    if not energy.min() > 0.0:
        raise ValueError("the template is zero wherever the weight is not")
    return RectBivariateSpline(grid, grid, energy, kx=5, ky=5)
