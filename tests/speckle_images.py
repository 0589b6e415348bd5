"""Images of a star behind a mask: speckles, and the weights that go with them."""

from functools import cache

import numpy as np
from numpy.fft import fft2, fftfreq, ifft2


@cache
def _wide_scene(size: int, seed: int) -> np.ndarray:
    """Return the spectrum of speckles under an envelope, on a grid wider than the frame."""
    rng = np.random.default_rng(seed)
    freq = np.hypot(*np.meshgrid(fftfreq(size), fftfreq(size)))
    inside = freq < 0.18  # of the field; its square, the intensity, reaches twice as far
    field = ifft2(
        np.where(inside, rng.normal(size=freq.shape) + 1j * rng.normal(size=freq.shape), 0)
    )
    y, x = np.indices((size, size)) - size // 2
    envelope = np.exp(-(x**2 + y**2) / (2.0 * (size / 16) ** 2))
    image = np.abs(field) ** 2 * envelope
    return fft2(image / image.max())


def speckles(size: int = 64, shift: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> np.ndarray:
    """Return a coronagraphic star: speckles of peak 1, sampled after an exact shift.

    The frame is cut from one twice as wide, so that nothing wraps around its edges.
    """
    wide = 2 * size
    ramp = np.exp(-2j * np.pi * fftfreq(wide) * shift[0])[None, :]
    ramp = ramp * np.exp(-2j * np.pi * fftfreq(wide) * shift[1])[:, None]
    image = ifft2(_wide_scene(wide, seed) * ramp).real
    low = wide // 2 - size // 2
    return image[low : low + size, low : low + size]


def hole(size: int = 64, radius: float = 5.0) -> np.ndarray:
    """Return weights with a smooth hole in the middle, as a PSFMASK has."""
    y, x = np.indices((size, size)) - size // 2
    return np.clip(np.hypot(x, y) - radius, 0.0, 1.0)
