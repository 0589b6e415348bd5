"""From a star's place behind the mask to its image, through planes given as arrays.

The field is carried from the pupil to the occulter's plane and on to the Lyot stop by matrix
Fourier transforms over the region where the occulter acts (Soummer et al. 2007, Opt. Express 15,
15935), and from the stop to the detector's own grid. Signs are those of poppy (Wyant and Creath):
a wavefront that grows along x moves the image towards -x.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

__all__ = ["Focus", "Plane", "Propagator", "binned"]


@dataclass(frozen=True)
class Focus:
    """The occulter on a grid around its centre.

    Attributes
    ----------
    x, y : ndarray
        Positions in pixels from the centre, shapes (m,) and (l,).
    field : ndarray
        Amplitude transmission, or with `within` False one minus it, shape (l, m).
    within : bool
        Whether light passes only within the grid; otherwise all passes outside.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    field: NDArray
    within: bool


@dataclass(frozen=True)
class Plane:
    """One wavelength: what the light meets. All arrays (n, n), on the propagator's grid.

    Attributes
    ----------
    wavelength, weight : float
        Metres; share of the star's photons.
    pupil : ndarray
        Complex field of a star on the mask's centre at the entrance pupil.
    stop : ndarray
        Amplitude transmission of what comes after the occulter.
    after : ndarray
        Wavefront in metres of what comes after the occulter.
    focus : Focus
        The occulter.
    """

    wavelength: float
    weight: float
    pupil: NDArray[np.complex128]
    stop: NDArray[np.float64]
    after: NDArray[np.float64]
    focus: Focus


@dataclass(frozen=True)
class _Kernels:
    mask_y: NDArray[np.complex64]
    mask_x: NDArray[np.complex64]
    image_y: NDArray[np.complex64]
    image_x: NDArray[np.complex64]
    flux: float


def binned(array: NDArray, times: int) -> NDArray:
    """Return the means of a square array over blocks of `times` by `times` points."""
    count = array.shape[0] // times
    return array.reshape(count, times, count, times).mean(axis=(1, 3))


class Propagator:
    """Images of stars through given planes.

    Parameters
    ----------
    planes : sequence of Plane
        The wavelengths.
    axis : ndarray
        Pupil coordinates in metres along x and y, shape (n,), equally spaced.
    scale : float
        Radians a pixel, such that the phase of pixel s at coordinate q is 2 pi scale s q / lambda.
    fov : int
        Pixels along a side of the images; the star's place (0, 0) is at their centre.
    oversample : int
        Points a pixel along each axis.
    blur : float
        Standard deviation in pixels of a Gaussian: jitter and diffusion of charge.
    kernel : ndarray
        What pixels share between them, for example (3, 3).
    """

    def __init__(
        self,
        planes: Sequence[Plane],
        axis: NDArray[np.float64],
        *,
        scale: float,
        fov: int,
        oversample: int,
        blur: float,
        kernel: NDArray[np.float64],
    ) -> None:
        self.planes = tuple(planes)
        self.axis = axis
        self.scale = scale
        self.fov = fov
        self.oversample = oversample
        self._blur = blur
        self._kernel = kernel
        # Pixels more on each side, which take the transforms' wrapping.
        self._edge = 2
        self._kernels = [self._kernel_of(plane) for plane in self.planes]
        size = (fov + 2 * self._edge) * oversample
        rows, columns = fft.fftfreq(size)[:, None], fft.rfftfreq(size)
        gauss = np.exp(-2 * (np.pi * blur * oversample) ** 2 * (rows**2 + columns**2))
        pixel = np.sinc(rows) * np.sinc(columns)
        self._response = gauss * pixel

    def tilt(self, shift: tuple[float, float]) -> NDArray[np.float64]:
        """Return the wavefront in metres, shape (n, n), that moves an image by pixels (x, y)."""
        x, y = shift
        return -self.scale * (x * self.axis[None, :] + y * self.axis[:, None])

    def coarser(self, times: int = 2) -> "Propagator":
        """Return a faster one: a pupil of fewer points, and every second of many wavelengths."""
        chosen = self.planes[1::2] or self.planes
        whole = sum(plane.weight for plane in chosen)
        planes = [
            replace(
                plane,
                weight=plane.weight / whole,
                pupil=binned(plane.pupil, times),
                stop=binned(plane.stop, times),
                after=binned(plane.after, times),
            )
            for plane in chosen
        ]
        return Propagator(
            planes,
            self.axis.reshape(-1, times).mean(axis=1),
            scale=self.scale,
            fov=self.fov,
            oversample=self.oversample,
            blur=self._blur,
            kernel=self._kernel,
        )

    def image(
        self,
        before: NDArray[np.float64],
        *,
        after: NDArray[np.float64] | None = None,
        occulted: bool = True,
        aberrated: bool = True,
        flat: bool = False,
        points: bool = False,
    ) -> NDArray[np.float64]:
        """Return the image, shape (fov, fov), of a star of unit flux.

        Parameters
        ----------
        before, after : ndarray
            Wavefronts in metres, shape (n, n), added before and after the occulter.
        occulted : bool
            False takes the occulter out.
        aberrated : bool
            False takes out the planes' own wavefront after the occulter.
        flat : bool
            True takes out the pupil's own wavefront.
        points : bool
            True returns the points, shape (fov * oversample,) * 2, whose sums are the pixels.
        """
        total = 0.0
        for plane, kernels in zip(self.planes, self._kernels, strict=True):
            pupil = np.abs(plane.pupil) if flat else plane.pupil
            star = pupil * _phasor(before, plane.wavelength)
            end = self._end(plane, after, aberrated=aberrated)
            field = self._to_detector(star, end, plane, kernels, occulted=occulted)
            total = total + kernels.flux * np.abs(field) ** 2
        return self._points(total) if points else self._pixels(total)

    def derivatives(
        self,
        before: NDArray[np.float64],
        modes: NDArray[np.float64],
        *,
        after: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the image's derivatives with respect to wavefronts before the occulter.

        Parameters
        ----------
        before, after : ndarray
            As in `image`.
        modes : ndarray
            Wavefronts, shape (k, n, n).

        Returns
        -------
        ndarray
            Change of the image for each metre of each mode (unit of `modes` times 1/m),
            shape (k, fov, fov).
        """
        size = (self.fov + 2 * self._edge) * self.oversample
        total = np.zeros((len(modes), size, size))
        for plane, kernels in zip(self.planes, self._kernels, strict=True):
            star = plane.pupil * _phasor(before, plane.wavelength)
            end = self._end(plane, after)
            field = self._to_detector(star, end, plane, kernels)
            for k, mode in enumerate(modes):
                change = star * (2j * np.pi / plane.wavelength * mode)
                at = self._to_detector(change, end, plane, kernels)
                total[k] += 2 * kernels.flux * (field.conj() * at).real
        return np.stack([self._pixels(density) for density in total])

    def _end(
        self, plane: Plane, after: NDArray[np.float64] | None, *, aberrated: bool = True
    ) -> NDArray[np.complex128]:
        opd = plane.after if aberrated else np.zeros_like(plane.after)
        if after is not None:
            opd = opd + after
        return plane.stop * _phasor(opd, plane.wavelength)

    def _to_detector(
        self,
        field: NDArray,
        end: NDArray,
        plane: Plane,
        kernels: _Kernels,
        *,
        occulted: bool = True,
    ) -> NDArray[np.complex64]:
        field = field.astype(np.complex64)
        if occulted:
            at_mask = plane.focus.field * (kernels.mask_y @ field @ kernels.mask_x)
            back = kernels.mask_y.conj().T @ at_mask @ kernels.mask_x.conj().T
            field = back if plane.focus.within else field - back
        return kernels.image_y @ (field * end).astype(np.complex64) @ kernels.image_x

    def _kernel_of(self, plane: Plane) -> _Kernels:
        step = self.axis[1] - self.axis[0]
        size = self.fov + 2 * self._edge
        sub = (np.arange(size * self.oversample) + 0.5) / self.oversample - size / 2
        rate = self.scale / plane.wavelength  # cycles a pixel and metre
        there = [np.sqrt((p[1] - p[0]) * step * rate) for p in (plane.focus.x, plane.focus.y)]
        image = _waves(sub, self.axis, rate)
        through = np.sum(np.abs(plane.pupil * plane.stop) ** 2)
        return _Kernels(
            mask_y=(there[1] * _waves(plane.focus.y, self.axis, rate)).astype(np.complex64),
            mask_x=(there[0] * _waves(plane.focus.x, self.axis, rate)).T.astype(np.complex64),
            image_y=image.astype(np.complex64),
            image_x=image.T.astype(np.complex64),
            flux=float(plane.weight * (rate * step / self.oversample) ** 2 / through),
        )

    def _pixels(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth = fft.irfft2(fft.rfft2(density) * self._response, s=density.shape)
        size = self.fov + 2 * self._edge
        image = smooth.reshape(size, self.oversample, size, self.oversample).sum(axis=(1, 3))
        image = ndimage.convolve(image, self._kernel, mode="nearest")
        return image[self._edge : -self._edge, self._edge : -self._edge]

    def _points(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth = fft.irfft2(fft.rfft2(density) * self._response, s=density.shape)
        # What pixels share comes from points a whole pixel away.
        times = self.oversample
        spread = np.zeros([times * (n - 1) + 1 for n in self._kernel.shape])
        spread[::times, ::times] = self._kernel
        smooth = ndimage.convolve(smooth, spread, mode="nearest")
        edge = self._edge * times
        return smooth[edge:-edge, edge:-edge]


def _phasor(opd: NDArray[np.float64], wavelength: float) -> NDArray[np.complex128]:
    return np.exp((2j * np.pi / wavelength) * opd)


def _waves(
    pixels: NDArray[np.float64], axis: NDArray[np.float64], rate: float
) -> NDArray[np.complex128]:
    return np.exp(2j * np.pi * rate * np.outer(pixels, axis))
