"""Real Fourier transforms of images, and the phase ramps that move them."""

from typing import Any, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["apply_ramp", "forward", "frequencies", "inverse", "phase", "without_nyquist"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def forward(image: NDArray[Any]) -> Complex:
    """Return the real FFT of an image, (ny, nx // 2 + 1); single precision stays single."""
    return cast("Complex", scipy.fft.rfft2(image))


def inverse(spectrum: NDArray[Any], shape: tuple[int, ...]) -> Array:
    """Return the image (ny, nx) of a real FFT, whose memory may be reused."""
    return cast("Array", scipy.fft.irfft2(spectrum, s=shape, overwrite_x=True))


def frequencies(size: int, *, half: bool = False) -> Array:
    """Return angular frequencies in radians a pixel, in FFT order (``half``: of a real FFT)."""
    freq = scipy.fft.rfftfreq(size) if half else scipy.fft.fftfreq(size)
    return 2.0 * np.pi * np.asarray(freq, dtype=np.float64)


def phase(size: int, shift: float, *, half: bool = False) -> Complex:
    """Return the phase ramp that moves a signal of ``size`` samples by ``shift`` pixels.

    The Nyquist term of an even size keeps its real part only, so that a real signal stays real.
    """
    ramp = np.exp(-1j * frequencies(size, half=half) * shift)
    if size % 2 == 0:
        ramp[size // 2] = np.cos(np.pi * shift)
    return ramp


def apply_ramp(spectrum: NDArray[Any], shift: Array, shape: tuple[int, ...]) -> Array:
    """Return the image of a real FFT, moved by ``shift`` (dx, dy), in the spectrum's precision."""
    ny, nx = shape
    moved = spectrum * phase(nx, float(shift[0]), half=True).astype(spectrum.dtype)
    moved *= phase(ny, float(shift[1])).astype(spectrum.dtype)[:, None]
    return inverse(moved, shape)


def without_nyquist(spectrum: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Drop the Nyquist terms of even sizes from a real FFT, in place.

    A real signal's cannot be moved by part of a pixel: a ramp only shrinks them. Without
    them, moves add up exactly and keep the signal's energy.
    """
    ny, nx = shape
    if nx % 2 == 0:
        spectrum[:, -1] = 0.0
    if ny % 2 == 0:
        spectrum[ny // 2] = 0.0
    return spectrum
