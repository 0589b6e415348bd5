"""From a star's place behind the mask to its image on the detector.

The field is carried from the pupil through the occulter to the Lyot stop by matrix
Fourier transforms that cover only the region where the occulter acts (Soummer et al.
2007, Opt. Express 15, 15935), and from the stop to the detector's own grid. Pixels
integrate: the image is multiplied by the exact transfer function of a square pixel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from coronx.refdata.modes import CoronagraphMode
from coronx.simulate.bandpass import BANDPASSES
from coronx.simulate.occulters import occulter_of
from coronx.simulate.pupil import DIAMETER, Pupil, build_pupil

__all__ = ["Coronagraph"]

_RADIAN = np.radians(1 / 3600)
_MASK_SAMPLES = 4  # points per lambda/D in the plane of the occulter
_MIN_PUPIL = 192


@dataclass(frozen=True)
class _Path:
    """Transforms of one wavelength; ``*_y`` multiply from the left, ``*_x`` from the right."""

    wavelength: float
    mask_y: NDArray[np.complex64]
    mask_x: NDArray[np.complex64]
    blocked: NDArray
    image_y: NDArray[np.complex64]
    image_x: NDArray[np.complex64]


class Coronagraph:
    """One mode and filter, ready to image stars.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    filter_name : str
        One of the mode's filters.
    wavelengths : int
        Wavelengths that stand for the band.
    shape : tuple of int, optional
        (ny, nx) of the images; by default those of the subarray.
    center : tuple of float, optional
        0-based (x, y) of the mask's centre in the images; by default as in flight.
    """

    def __init__(
        self,
        mode: CoronagraphMode,
        filter_name: str,
        *,
        wavelengths: int = 3,
        shape: tuple[int, int] | None = None,
        center: tuple[float, float] | None = None,
    ) -> None:
        self.mode = mode
        self.shape = mode.shape if shape is None else shape
        self.center = mode.center if center is None else center
        lambdas = BANDPASSES[filter_name].wavelengths(wavelengths)
        unit = lambdas[0] / DIAMETER / _RADIAN
        field = max(n * s for n, s in zip(self.shape, reversed(mode.scale), strict=True))
        # A coarser pupil would repeat the star within the field.
        size = max(_MIN_PUPIL, int(np.ceil(1.1 * field / unit / 16)) * 16)
        self.pupil: Pupil = build_pupil(mode, size)
        self._oversample = int(np.ceil(max(mode.scale) / (unit / 2)))
        self._paths = [self._path(float(wavelength)) for wavelength in lambdas]
        ny, nx = (n * self._oversample for n in self.shape)
        self._response = np.sinc(fft.fftfreq(ny))[:, None] * np.sinc(fft.rfftfreq(nx))
        through = np.sum((self.pupil.amplitude * self.pupil.stop) ** 2)
        step = DIAMETER / size
        area = np.prod(mode.scale) * (_RADIAN / self._oversample) ** 2
        self._flux = [area * (step / p.wavelength) ** 2 / through for p in self._paths]

    def image(
        self,
        position: tuple[float, float] | NDArray,
        opd: NDArray[np.float64] | None = None,
        *,
        occulted: bool = True,
    ) -> NDArray[np.float64]:
        """Return the image of a star of unit flux.

        Parameters
        ----------
        position : array_like
            0-based (x, y) of the star in pixels.
        opd : ndarray, optional
            Wavefront error in metres on the pupil's grid, shape (n, n).
        occulted : bool
            False takes the occulter out; the Lyot stop stays.

        Returns
        -------
        ndarray
            Flux in each pixel, shape (ny, nx). A star far from the occulter sums to one
            over an infinite image, as calibrated data do.
        """
        x, y = position
        tilt_x = (x - self.center[0]) * self.mode.scale[0] * _RADIAN
        tilt_y = (y - self.center[1]) * self.mode.scale[1] * _RADIAN
        path_length = tilt_x * self.pupil.u[None, :] + tilt_y * self.pupil.v[:, None]
        if opd is not None:
            path_length = path_length + opd
        total = np.zeros([n * self._oversample for n in self.shape])
        for path, flux in zip(self._paths, self._flux, strict=True):
            phase = np.exp((2j * np.pi / path.wavelength) * path_length)
            field = (self.pupil.amplitude * phase).astype(np.complex64)
            if occulted:
                field = field - self._taken_away(field, path)
            at_detector = path.image_y @ (field * self.pupil.stop.astype(np.float32)) @ path.image_x
            total += flux * (at_detector.real**2 + at_detector.imag**2)
        return self._pixels(total / len(self._paths))

    def transmission(self) -> NDArray[np.float64]:
        """Return the occulter's intensity transmission at the middle of each pixel."""
        ny, nx = self.shape
        x = (np.arange(nx) - self.center[0]) * self.mode.scale[0]
        y = (np.arange(ny) - self.center[1]) * self.mode.scale[1]
        middle = self._paths[len(self._paths) // 2].wavelength
        blocked = occulter_of(self.mode).blocked(x[None, :], y[:, None], middle)
        return np.abs(1 - blocked) ** 2

    def _taken_away(self, field: NDArray, path: _Path) -> NDArray:
        in_mask = path.blocked * (path.mask_y @ field @ path.mask_x)
        return path.mask_y.conj().T @ in_mask @ path.mask_x.conj().T

    def _pixels(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth = fft.irfft2(fft.rfft2(density) * self._response, s=density.shape)
        ny, nx = self.shape
        return smooth.reshape(ny, self._oversample, nx, self._oversample).sum(axis=(1, 3))

    def _path(self, wavelength: float) -> _Path:
        occulter = occulter_of(self.mode)
        size = self.pupil.u.size
        unit = wavelength / DIAMETER  # lambda/D in radians
        angles, steps = [], []
        for half in occulter.half_box or (None, None):
            # The whole field is one period of the transform.
            wide = size * unit if half is None else 2 * half * _RADIAN
            # An even number of points straddles the axes of the phase mask.
            count = 2 * int(np.ceil(wide / unit * _MASK_SAMPLES / 2))
            angles.append((np.arange(count) - (count - 1) / 2) * (wide / count))
            steps.append(wide / count)
        ax, ay = angles
        # There and back again: sqrt of each axis' share of the measure of both transforms.
        there_x, there_y = (np.sqrt(s * (DIAMETER / size) / wavelength) for s in steps)
        detector = []
        for axis, count in enumerate(reversed(self.shape)):
            sub = (np.arange(count * self._oversample) + 0.5) / self._oversample - 0.5
            detector.append((sub - self.center[axis]) * self.mode.scale[axis] * _RADIAN)
        dx, dy = detector
        u, v = self.pupil.u, self.pupil.v
        return _Path(
            wavelength=wavelength,
            mask_y=_kernel(ay, v, wavelength, there_y),
            mask_x=_kernel(ax, u, wavelength, there_x).T,
            blocked=occulter.blocked(
                ax[None, :] / _RADIAN, ay[:, None] / _RADIAN, wavelength
            ).astype(np.complex64),
            image_y=_kernel(dy, v, wavelength, 1.0),
            image_x=_kernel(dx, u, wavelength, 1.0).T,
        )


def _kernel(
    angles: NDArray[np.float64], lengths: NDArray[np.float64], wavelength: float, factor: float
) -> NDArray[np.complex64]:
    phase = (-2j * np.pi / wavelength) * np.outer(angles, lengths)
    return (factor * np.exp(phase)).astype(np.complex64)
