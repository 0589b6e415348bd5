"""Measure the shift between images and a template, to the limit that the noise sets."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from coronx.ops.fourier import apply_ramp, forward, frequencies, inverse, without_nyquist
from coronx.ops.inpainting import fill_smoothly
from coronx.ops.registration_grid import CoarseGrid, energy_spline

__all__ = ["Registration", "Template"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

# Pixels. The step after a Newton step this small would be its square; that of the rounds
# that re-estimate missing pixels, a hundredth of it.
_TOLERANCE = 1e-4
_REFILL_TOLERANCE = 3e-5
_MAX_NEWTON = 25
_MAX_REFILL = 8
_FLAT = 1e-20  # power of a template's structure relative to its mean's: less is rounding
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
        Formal 1-sigma uncertainties of `shift` in pixels, for noise of the variance's shape and
        of the strength that the residuals have.
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
        Weight of each pixel of the images, not negative.
    variance : ndarray (ny, nx), optional
        Variance of the noise to within a factor, for the formal uncertainties; by default the
        inverse of the weight.
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
        variance: Array | None = None,
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
        self._used: Mask = weight > 0.0
        # Weight times variance: what a pixel adds to the sum of squares.
        self._share = (weight > 0.0) * 1.0 if variance is None else weight * variance
        self._totals = float(weight.sum()), float(self._share.sum())
        self._bad: Mask | None = None
        if bad is not None and bad.any():
            image = fill_smoothly(image, bad)
            self._bad = np.asarray(binary_dilation(bad), bool)
        self._limit = float(min(max_shift, min(ny, nx) / 2 - 1))
        self._spectrum = without_nyquist(forward(image), self._shape)
        power = np.abs(self._spectrum) ** 2
        if power.sum() - power[0, 0] <= _FLAT * power[0, 0]:
            raise ValueError("the template is flat: it has nothing to register to")
        self._energy = energy_spline(self._spectrum, weight, self._limit + 1.0)
        # A real FFT holds half of the plane: every column but the first stands for two
        # (the Nyquist column is empty).
        norm = np.full(nx // 2 + 1, 2.0 / (ny * nx))
        norm[0] /= 2.0
        self._conjugate_norm = norm * self._spectrum
        self._ky = frequencies(ny)
        self._kx = frequencies(nx, half=True)
        self._coarse = CoarseGrid(self._shape, self._limit, self._energy)
        self._single = self._spectrum.astype(np.complex64)
        self._covariance = self._unit_covariance()

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
        weighted = self._weight * image
        power = float(np.vdot(weighted, image))
        if not power > 0.0:
            return np.zeros(2), 0.0, np.full(2, np.nan), np.nan, False
        cross = forward(weighted)
        np.conjugate(cross, out=cross)
        cross *= self._conjugate_norm
        place, converged = self._climb(cross, self._coarse.start(cross))
        missing = self._missing(bad, place)
        if missing is not None:
            weight, values = self._weight.ravel()[missing], image.ravel()[missing]
            for _ in range(_MAX_REFILL):
                # Single precision serves for what is only a correction at few pixels.
                model = apply_ramp(self._single, place, self._shape).ravel()[missing]
                before, values = values, self._scale(cross, place) * model.astype(np.float64)
                power += float(weight @ (values**2 - before**2))
                change = np.zeros(self._weight.size, np.float32)
                change[missing] = weight * (values - before)
                cross += np.conjugate(forward(change.reshape(self._shape))) * self._conjugate_norm
                start = place
                place, converged = self._climb(cross, place)
                if np.abs(place - start).max() < _REFILL_TOLERANCE:
                    break
        return self._report(power, missing, cross, place, converged)

    def _missing(self, bad: Mask | None, place: Array) -> Index | None:
        """Return the flat indices of pixels of any weight missing in an image or its model."""
        missing: Mask | None = None if bad is None or not bad.any() else bad
        if self._bad is not None:
            step = np.rint(place).astype(int)
            moved: Mask = np.roll(self._bad, (step[1], step[0]), axis=(0, 1))
            missing = moved if missing is None else missing | moved
        if missing is None:
            return None
        found = np.flatnonzero(missing & self._used)
        return found if found.size else None

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

    def _climb(self, cross: Complex, place: Array) -> tuple[Array, bool]:
        for _ in range(_MAX_NEWTON):
            gradient, hessian = _log_derivatives(
                self._correlation(cross, place), self._energy_derivatives(place)
            )
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
        self, power: float, missing: Index | None, cross: Complex, place: Array, converged: bool
    ) -> tuple[Array, float, Array, float, bool]:
        weight, total = self._totals
        if missing is not None:
            weight -= float(self._weight.ravel()[missing].sum())
            total -= float(self._share.ravel()[missing].sum())
        peak = float(self._correlation(cross, place)[0, 0])
        scale = peak / self._energy_derivatives(place)[0, 0]
        # Missing pixels equal the model, and add the same to both sides.
        excess = max(power - scale * peak, 0.0)
        sigma = np.full(2, np.nan)
        if converged and total > 0.0:
            # What is missing tells nothing; the rest has the residuals' strength.
            strength = excess / total * self._totals[1] / total
            sigma = np.sqrt(self._covariance * strength) / abs(scale)
        residual = np.sqrt(excess / weight) if total > 0.0 else np.nan
        return -place, scale, sigma, float(residual), converged

    def _unit_covariance(self) -> Array:
        """Return the variance of (dx, dy) for an image as bright as the template.

        With A = J^T W J and B = J^T W V W J, J holding the derivatives by dx, dy and
        brightness, the covariance of a fit with weights W to noise of variance V is A^-1 B A^-1.
        """
        columns = np.stack(
            [
                inverse(1j * self._kx * self._spectrum, self._shape),
                inverse(1j * self._ky[:, None] * self._spectrum, self._shape),
                inverse(self._spectrum.copy(), self._shape),
            ]
        ).reshape(3, -1)
        weighted = columns * self._weight.ravel()
        bread = np.linalg.pinv(weighted @ columns.T)
        meat = (columns * (self._weight * self._share).ravel()) @ columns.T
        return np.diag(bread @ meat @ bread)[:2]


def _log_derivatives(c: Array, g: Array) -> tuple[Array, Array]:
    """Return gradient and Hessian, order (x, y), of log(C^2 / G), from the derivatives of both."""
    gradient = np.zeros(2)
    hessian = np.zeros((2, 2))
    for table, factor in ((c, 2.0), (g, -1.0)):
        first = np.array([table[0, 1], table[1, 0]]) / table[0, 0]
        second = np.array([[table[0, 2], table[1, 1]], [table[1, 1], table[2, 0]]]) / table[0, 0]
        gradient += factor * first
        hessian += factor * (second - np.outer(first, first))
    return gradient, hessian
