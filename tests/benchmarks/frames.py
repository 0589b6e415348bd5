"""Coronagraph-like speckle frames whose shifts are known."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

__all__ = ["Frames", "make_frames"]

_MARGIN = 32  # pixels cut off, so that frames are not periodic as their transforms are
_RESOLUTION = 2.3  # pixels a resolution element
_BRIGHTEST = 5e4  # photons in the brightest pixel; read noise is one
_STATIC, _DRIFT = 0.5, 0.01  # wavefront error and its drift, radians rms: 300 and 6 nm at 3.6 um
_REFERENCE_STAR = 1.4  # its brightness in that of the science star


@dataclass(frozen=True)
class Frames:
    """Science and reference images with their errors and flags, and the truth.

    Flags are all zero. Shifts are (dx, dy) of the star from one common place.
    """

    science: np.ndarray
    science_err: np.ndarray
    science_dq: np.ndarray
    references: np.ndarray
    reference_err: np.ndarray
    reference_dq: np.ndarray
    science_shift: np.ndarray
    reference_shift: np.ndarray

    @property
    def size(self) -> int:
        return self.science.shape[-1]

    @property
    def mask(self) -> np.ndarray:
        """A round coronagraph's transmission: none in the middle."""
        y, x = np.indices((self.size, self.size)) - (self.size - 1) / 2
        return 1.0 - np.exp(-(np.hypot(x, y) ** 2) / (2 * 4.0**2))

    def cut(self, nsci: int, nref: int, size: int | None = None) -> "Frames":
        """Return a smaller set: views of the first frames, of their lower left corner."""
        part = (slice(None), slice(size), slice(size))
        return Frames(
            self.science[:nsci][part],
            self.science_err[:nsci][part],
            self.science_dq[:nsci][part],
            self.references[:nref][part],
            self.reference_err[:nref][part],
            self.reference_dq[:nref][part],
            self.science_shift[:nsci],
            self.reference_shift[:nref],
        )

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))
        return folder

    @classmethod
    def load(cls, folder: Path) -> "Frames":
        return cls(*(np.load(folder / f"{field.name}.npy") for field in fields(cls)))


def make_frames(
    nsci: int, nref: int, *, size: int = 320, jitter: float = 0.05, dither: float = 1.0
) -> Frames:
    """Make a science sequence and its references.

    Parameters
    ----------
    nsci, nref : int
        Number of frames.
    size : int
        Side of a frame in pixels.
    jitter : float
        rms along each axis of the star's place in the science frames, pixels.
    dither : float
        References are anywhere within this many pixels along each axis.
    """
    rng = np.random.default_rng(7)
    optics = _Optics(size + _MARGIN, rng)
    shifts = (
        np.array([0.3, -0.2]) + rng.normal(0.0, jitter, (nsci, 2)),
        rng.uniform(-dither, dither, (nref, 2)),
    )
    stacks = []
    for places, brightness in zip(shifts, (1.0, _REFERENCE_STAR), strict=True):
        data = np.empty((len(places), size, size), np.float32)
        err = np.empty_like(data)
        for n, place in enumerate(places):
            inner = slice(_MARGIN // 2, _MARGIN // 2 + size)
            light = brightness * optics.image(place, rng)[inner, inner]
            err[n] = np.sqrt(1.0 + light)
            data[n] = rng.normal(light, err[n])
        stacks += [data, err, np.zeros(data.shape, np.uint32)]
    return Frames(*stacks, *shifts)


class _Optics:
    """A pupil with a static wavefront error, one that drifts, and an imperfect coronagraph."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        y, x = np.indices((size, size)) - size // 2
        self._x, self._y = (2 * np.pi / size * a for a in (x, y))
        # An image's intensity has twice the pupil's extent, which must fit the grid.
        self._inside = np.hypot(x, y) < size / (2 * _RESOLUTION)
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
        frequency[0, 0] = np.inf

        inside = np.ones(np.count_nonzero(self._inside))

        def screen() -> np.ndarray:
            noise = np.fft.fft2(rng.normal(size=(size, size))) / frequency**1.2
            values = np.where(self._inside, np.fft.ifft2(noise).real, 0.0)
            # Without piston and tilt, which would move the star from its known place.
            flat = np.stack([inside, x[self._inside], y[self._inside]], axis=1)
            fit = np.linalg.lstsq(flat, values[self._inside], rcond=None)[0]
            values[self._inside] -= flat @ fit
            return values / values[self._inside].std()

        self._static = _STATIC * screen()
        self._drifts = _DRIFT / np.sqrt(10) * np.array([screen() for _ in range(10)])
        self._scale = 1.0
        self._scale = _BRIGHTEST / self.image(np.zeros(2), None).max()

    def image(self, shift: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        phase = self._static
        if rng is not None:
            phase = phase + np.tensordot(rng.normal(size=len(self._drifts)), self._drifts, 1)
        field = np.where(self._inside, np.exp(1j * phase), 0.0)
        field[self._inside] -= 0.97 * field[self._inside].mean()
        field *= np.exp(1j * (self._x * shift[0] + self._y * shift[1]))
        image = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(field)))
        return self._scale * np.abs(image) ** 2
