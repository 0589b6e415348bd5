"""Residual frames of known noise, and of known companions, for tests of what is made of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import FluxMap, flux_map
from coronx.ops.klip import kl_basis
from tests import point_sources

SCALE = 0.063


@dataclass
class Frames:
    """What `flux_map` asks of an exposure."""

    residual: np.ndarray
    err: np.ndarray
    star: tuple[float, float]
    matrices: np.ndarray
    linear: bool = True
    left: np.ndarray | None = None

    def kept(self, kernel: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        del kernel, weights
        return np.ones(self.residual.shape[1:]) if self.left is None else self.left


@dataclass
class Source:
    """A PSF behind a mask."""

    kernel: np.ndarray
    passes: np.ndarray | None = None

    def transmission(self, shape: tuple[int, int]) -> np.ndarray:
        return np.ones(shape) if self.passes is None else self.passes


def matrix(angle: float = 0.0, scale: float = SCALE) -> np.ndarray:
    """Return the matrix of a frame whose north is turned by an angle in degrees."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.array([[cos, -sin], [sin, cos]]) @ np.array([[-1.0, 0.0], [0.0, 1.0]]) / scale


def gaussian(shape, x, y, fwhm):
    """Return a Gaussian PSF of unit flux."""
    return point_sources.gaussian(shape, x, y, fwhm / 2.3548)


def gaussian_kernel(fwhm: float, half: int = 7) -> np.ndarray:
    return gaussian((2 * half + 1, 2 * half + 1), half, half, fwhm)


def fitted(targets: np.ndarray, good: np.ndarray, modes: np.ndarray) -> np.ndarray:
    """Return the least-squares fits of targets by modes over their good pixels."""
    flat = targets.reshape(len(targets), -1)
    fits = [
        np.linalg.lstsq(modes[:, use].T, row[use], rcond=None)[0] @ modes
        for row, use in zip(flat, good.reshape(flat.shape), strict=True)
    ]
    return np.reshape(fits, targets.shape)


@dataclass
class Field:
    """A flux map without any companion, and what is known of it."""

    flux_map: FluxMap
    fwhm: float


def empty_fields(
    count: int,
    *,
    rng: np.random.Generator,
    size: int = 101,
    fwhm: float = 2.3,
    modes: int = 10,
    rolls: tuple[float, ...] = (0.0,),
    each: int = 50,
    change: float = 0.0,
    blemishes: float = 0.005,
    core: float | None = None,
) -> Iterator[Field]:
    """Yield fields after RDI: speckles, photon and read noise, bad pixels, and no companion.

    The references' fields of light are a static one and others of a tenth of its amplitude; the
    target's is the static one and another of `change`, or without it what the references' modes
    make of the static one, so that nothing but noise is left. Every `each` fields they are new. A
    share `blemishes` of the pixels is bad. The filter sees the PSF through a window of `core` FWHM.
    """
    y, x = np.indices((size, size)) - size // 2
    star = (size // 2 + 0.3, size // 2 - 0.2)
    halo = 300.0 * np.exp(-np.hypot(x, y) / (size / 10.0))
    kernel = gaussian_kernel(fwhm)
    grid = FluxGrid(size // 2 - 5, SCALE)
    matrices = np.array([matrix(angle) for angle in rolls])
    smooth = partial(gaussian_filter, sigma=(0, fwhm / 1.67, fwhm / 1.67))

    def fields(number):
        parts = (smooth(rng.normal(size=(number, size, size))) for _ in range(2))
        made = next(parts) + 1j * next(parts)
        return made / np.sqrt((np.abs(made) ** 2).mean())

    static = fields(1)
    for n in range(count):
        if n % each == 0:
            static = fields(1)
            seen = np.abs(static + 0.1 * fields(30)) ** 2 * halo
            noisy = seen + rng.normal(size=seen.shape) * np.sqrt(1.0 + 0.05 * seen)
            basis = kl_basis(noisy, truncate=modes)
            bad = rng.random((len(rolls), size, size)) < blemishes
            seen = fftconvolve(
                basis.modes.reshape(-1, size, size), kernel[None, ::-1, ::-1], "same", axes=(1, 2)
            )
            left = 1.0 - (seen**2).sum(axis=0) / (kernel**2).sum()
        shape = (len(rolls), size, size)
        if change:
            light = np.abs(static + change * fields(len(rolls))) ** 2 * halo
        elif n % each == 0:
            light = np.abs(static) ** 2 * halo * np.ones(shape)
            light = fitted(light, np.ones(shape, bool), basis.modes).clip(min=0.0)
        err = np.sqrt(1.0 + 0.05 * light)
        target = light + rng.normal(size=shape) * err
        residual = target - fitted(target, ~bad, basis.modes)
        residual[bad] = np.nan
        parts = [
            Frames(residual[k : k + 1], err[k : k + 1], star, matrices[k : k + 1], left=left)
            for k in range(len(rolls))
        ]
        own = None if core is None else core * fwhm
        found = flux_map(parts, lambda _: Source(kernel), grid=grid, core=own)
        yield Field(found, fwhm * SCALE)
