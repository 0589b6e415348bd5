"""Point sources at any place of a frame: the PSF, moved by parts of a pixel."""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coronx.ops.fourier import apply_ramp, forward, phase

__all__ = ["MaskedPsf", "OffAxisPsf", "PsfImage", "Stamp", "check_fits"]

Array = NDArray[np.float64]

_TAPER = 8  # pixels around an image over which its edge falls to zero


@dataclass(frozen=True)
class Stamp:
    """A small image and its place in a frame, beyond whose edges it may hang.

    Attributes
    ----------
    values : ndarray (h, w), float64
        The image.
    row, col : int
        Row and column of ``values[0, 0]`` in the frame; may be negative.
    """

    values: Array
    row: int
    col: int

    @property
    def peak(self) -> float:
        """The largest value."""
        return float(self.values.max())

    def add_to(self, image: NDArray[Any], factor: float = 1.0) -> None:
        """Add `factor` times the stamp to an image (ny, nx), in place; what hangs over is lost."""
        frame, own = self._overlap(image.shape)
        image[frame] += factor * self.values[own]

    def cut(self, image: NDArray[Any]) -> Array:
        """Return what an image (ny, nx) has under the stamp, shape (h, w); NaN beyond its edge."""
        out = np.full(self.values.shape, np.nan)
        frame, own = self._overlap(image.shape)
        out[own] = image[frame]
        return out

    def _overlap(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        # A stamp wholly outside leaves empty slices.
        frame: list[slice] = []
        own: list[slice] = []
        for start, size, length in zip(
            (self.row, self.col), self.values.shape, shape[-2:], strict=True
        ):
            low, high = max(start, 0), min(start + size, length)
            high = max(low, high)
            frame.append(slice(low, high))
            own.append(slice(low - start, high - start))
        return (frame[0], frame[1]), (own[0], own[1])


class OffAxisPsf(Protocol):
    """The image that a source makes beside the mask.

    Called with 0-based (x, y) it returns the stamp of a source there whose flux far from the mask
    is one: what the mask takes away at that place is taken away.
    """

    @property
    def kernel(self) -> Array:
        """The PSF far from the mask, centred on the middle pixel of an odd square."""
        ...

    def __call__(self, x: float, y: float) -> Stamp:
        """Return the source's image."""
        ...

    def transmission(self, shape: tuple[int, int]) -> Array:
        """Return by how much the mask scales the PSF at each pixel of a frame (ny, nx)."""
        ...


class PsfImage:
    """A PSF given as one image, the same at all places.

    It is moved by a Fourier shift, exact for a PSF that is sampled finely enough: at least two
    points (of `image`) for each lambda/D of the whole pupil. A PSF that has not faded at its edges
    is continued there by its outermost values, which fall to zero over 8 pixels: nothing wraps
    round, and the stamp keeps the values it was given.

    Parameters
    ----------
    image : ndarray
        Flux in each point; finite, two-dimensional.
    center : tuple of float, optional
        0-based (x, y) of the star in points of `image`; by default its middle.
    oversample : int
        Points a pixel along each axis; a pixel's flux is the sum of its points'.
    half : int, optional
        Stamps have ``2 half + 1`` pixels a side; by default, and at most, all that fit into `image`
        around the star.

    Attributes
    ----------
    half : int

    Raises
    ------
    ValueError
        If the image is not such, or the star is not inside it.
    """

    def __init__(
        self,
        image: NDArray[Any],
        center: tuple[float, float] | None = None,
        *,
        oversample: int = 1,
        half: int | None = None,
    ) -> None:
        image = np.asarray(image, dtype=np.float64)
        if image.ndim != 2 or not np.all(np.isfinite(image)):
            raise ValueError(f"a PSF is a finite image, not {image.ndim}-dimensional or with NaN")
        if oversample < 1:
            raise ValueError(f"oversample is at least 1, not {oversample}")
        ny, nx = image.shape
        x, y = ((nx - 1) / 2, (ny - 1) / 2) if center is None else center
        # Points around the star, the outer half of the outermost pixel included.
        room = min(x, y, nx - 1 - x, ny - 1 - y) + 0.5
        most = int(np.floor((room / oversample - 0.5) + 1e-9))
        if most < 0:
            raise ValueError(f"the star at ({x:g}, {y:g}) is not inside the PSF's {nx} x {ny}")
        self.half = most if half is None else half
        if not 0 <= self.half <= most:
            raise ValueError(f"half = {half}: the PSF's image has {most} pixels around its star")
        self._oversample = oversample
        self._place = (x, y)
        self._spectrum, self._shape = _spectrum(image, oversample)

    @cached_property
    def kernel(self) -> Array:
        """The PSF centred on the middle pixel of an odd square."""
        return self(0.0, 0.0).values

    def __call__(self, x: float, y: float) -> Stamp:
        """Return the stamp of a star on 0-based pixel place (x, y); always of the same size."""
        col, row = round(x), round(y)
        # The stamp's first pixel lies `half` pixels before the one that the star is nearest to.
        at = [
            (self.half + rest) * self._oversample + (self._oversample - 1) / 2
            for rest in (x - col, y - row)
        ]
        shift = np.subtract(at, self._place) - _TAPER * self._oversample
        side = 2 * self.half + 1
        values = self._moved(shift)[:side, :side]
        return Stamp(np.ascontiguousarray(values), row - self.half, col - self.half)

    def scaled(self, factor: float) -> "PsfImage":
        """Return the same PSF, `factor` times as bright."""
        other = copy(self)
        other._spectrum = self._spectrum * factor
        other.__dict__.pop("kernel", None)
        return other

    def transmission(self, shape: tuple[int, int]) -> Array:
        """Return ones (ny, nx): no mask."""
        return np.ones(shape)

    def _moved(self, shift: Array) -> Array:
        times = self._oversample
        if times == 1:
            return apply_ramp(self._spectrum, shift, self._shape)
        # Every `times`-th point, from pixel middle to pixel middle, is kept: spectra fold. The
        # sum over a pixel is in the spectrum, centred `(times - 1) / 2` points after its first.
        ny, nx = self._shape
        rest = shift - (times - 1) / 2
        turned = self._spectrum * phase(nx, float(rest[0]))
        folded = turned.reshape(ny, times, nx // times).sum(axis=1)
        folded *= phase(ny, float(rest[1]))[:, None]
        folded = folded.reshape(times, ny // times, nx // times).sum(axis=0)
        image = cast("NDArray[np.complex128]", scipy.fft.ifft2(folded, overwrite_x=True))
        return image.real / times**2


class MaskedPsf:
    """A PSF scaled by what a mask lets through at its place.

    Parameters
    ----------
    psf : OffAxisPsf
        The PSF far from the mask.
    transmission : ndarray (ny, nx)
        Factor at the middle of each pixel of the frame; between them it is interpolated linearly,
        beyond the frame it is that at the edge.

    Raises
    ------
    ValueError
        If the transmission is not a finite image.
    """

    def __init__(self, psf: OffAxisPsf, transmission: NDArray[np.floating]) -> None:
        self._psf = psf
        self._map = np.array(transmission, dtype=np.float64)
        if self._map.ndim != 2 or not np.all(np.isfinite(self._map)):
            raise ValueError("a transmission is a finite image (ny, nx)")

    @property
    def kernel(self) -> Array:
        """The PSF far from the mask."""
        return self._psf.kernel

    def at(self, x: float, y: float) -> float:
        """Return the transmission at 0-based (x, y)."""
        ny, nx = self._map.shape
        x, y = min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0)
        col, row = min(int(x), max(nx - 2, 0)), min(int(y), max(ny - 2, 0))
        corner = self._map[row : row + 2, col : col + 2]
        along = corner[:, 0] + (x - col) * (corner[:, -1] - corner[:, 0])
        return float(along[0] + (y - row) * (along[-1] - along[0]))

    def __call__(self, x: float, y: float) -> Stamp:
        """Return the stamp of a source at 0-based (x, y)."""
        stamp = self._psf(x, y)
        return Stamp(stamp.values * self.at(x, y), stamp.row, stamp.col)

    def transmission(self, shape: tuple[int, int]) -> Array:
        """Return the transmission of a frame (ny, nx), which has to be that of the map."""
        if shape != self._map.shape:
            raise ValueError(f"the transmission has shape {self._map.shape}, not {shape}")
        return self._map.copy()


def check_fits(psf: OffAxisPsf, shape: tuple[int, int]) -> None:
    """Raise a ValueError if a PSF is larger than a frame (ny, nx)."""
    side = psf.kernel.shape[0]
    if side > min(shape):
        raise ValueError(
            f"the PSF of {side} x {side} pixels is larger than the frame of {shape[1]} x "
            f"{shape[0]}; give a smaller one, of at most {min(shape) - (min(shape) % 2 == 0)}"
        )


def _spectrum(image: Array, oversample: int) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return the transform of the padded image, summed over pixels, and its shape in points."""
    padded = _padded(image, oversample)
    shape = (padded.shape[0], padded.shape[1])
    if oversample == 1:
        return forward(padded), shape
    sums: list[NDArray[np.complex128]] = []
    for size in shape:
        # The sum of a pixel's points, counted from its middle.
        steps = np.arange(oversample) - (oversample - 1) / 2
        sums.append(np.sum([phase(size, float(step)) for step in steps], axis=0))
    spectrum = cast("NDArray[np.complex128]", scipy.fft.fft2(padded))
    return spectrum * sums[0][:, None] * sums[1], shape


def _padded(image: Array, oversample: int) -> Array:
    before = _TAPER * oversample
    widths: list[tuple[int, int]] = []
    for size in image.shape:
        least = -(-size // oversample) + 2 * _TAPER
        pixels = cast("int", scipy.fft.next_fast_len(least))
        widths.append((before, pixels * oversample - size - before))
    out = np.pad(image, widths, mode="edge")
    fall = 0.5 * (1 - np.cos(np.pi * (np.arange(before) + 0.5) / before))
    for axis, (_, after) in enumerate(widths):
        ramp = np.concatenate(
            [fall, np.ones(image.shape[axis]), fall[::-1], np.zeros(after - before)]
        )
        out *= ramp[:, None] if axis == 0 else ramp
    return out
