"""A linear subtraction for tests: frames projected on modes of simulated references."""

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np
from scipy.ndimage import gaussian_filter

FWHM = 3.0
SCALE = 0.06  # arcsec a pixel


class GaussianPsf:
    """An off-axis PSF of unit total flux."""

    def __init__(self, fwhm=FWHM):
        self.sigma = fwhm / 2.355

    def image(self, shape, x, y):
        rows, cols = np.indices(shape)
        r2 = (cols - x) ** 2 + (rows - y) ** 2
        return np.exp(-0.5 * r2 / self.sigma**2) / (2.0 * np.pi * self.sigma**2)

    def __call__(self, x, y):
        half = 12
        row, col = round(y) - half, round(x) - half
        size = 2 * half + 1
        return SimpleNamespace(values=self.image((size, size), x - col, y - row), row=row, col=col)


def rotation(roll):
    """Return the matrix of a frame with north turned by `roll` degrees."""
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return np.array([[-cos, sin], [sin, cos]]) / SCALE


@dataclass
class LinearPart:
    """Frames less their projection on orthonormal modes, by their own good pixels."""

    frames: np.ndarray
    err: np.ndarray
    modes: np.ndarray  # (K, ny * nx)
    star: tuple[float, float]
    matrices: np.ndarray
    linear = True

    @cached_property
    def good(self):
        return np.isfinite(self.frames)

    def add(self, added):
        out = np.empty(added.shape)
        for n, image in enumerate(added):
            z = self.modes[:, self.good[n].ravel()]
            c = np.linalg.solve(z @ z.T, z @ image[self.good[n]])
            out[n] = np.where(self.good[n], image - (c @ self.modes).reshape(image.shape), np.nan)
        return out

    @cached_property
    def residual(self):
        return self.add(self.frames)

    def places(self, east, north):
        return self.star + self.matrices @ np.array([east, north])

    def _cut(self, cube, east, north, half):
        rows, cols = (np.round(v).astype(int) - half for v in self.places(east, north).T[::-1])
        size = 2 * half + 1
        out = np.full((len(cube), size, size), np.nan)
        wide = np.pad(cube, ((0, 0), (size, size), (size, size)), constant_values=np.nan)
        for n, image in enumerate(wide):
            out[n] = image[rows[n] + size : rows[n] + 2 * size, cols[n] + size : cols[n] + 2 * size]
        return out, rows, cols

    def patches(self, east, north, *, half):
        values, rows, cols = self._cut(self.residual, east, north, half)
        err = self._cut(self.err, east, north, half)[0]
        return SimpleNamespace(values=values, err=err, rows=rows, cols=cols)

    def response(self, psf, east, north, flux=1.0, *, half):
        shape = self.frames.shape[1:]
        added = np.stack([flux * psf.image(shape, x, y) for x, y in self.places(east, north)])
        values, rows, cols = self._cut(self.add(added), east, north, half)
        return SimpleNamespace(values=values, err=np.zeros(values.shape), rows=rows, cols=cols)


class SelfSubtracting(LinearPart):
    """A subtraction that takes part of the source away, the more the brighter it is."""

    linear = False
    depth = 2e-3
    truth: tuple[float, float, float]

    def response(self, psf, east, north, flux=1.0, *, half):
        found = super().response(psf, east, north, 1.0, half=half)
        true = self.truth[2]
        left = self._kept(true + flux) - self._kept(true)
        return SimpleNamespace(**{**vars(found), "values": left * found.values})

    def _kept(self, flux):
        return flux * (1.0 - self.depth * flux)

    @classmethod
    def of(cls, part, truth):
        """Return the part with its companion's light answered as `_kept` tells."""
        made = cls(part.frames.copy(), part.err, part.modes, part.star, part.matrices)
        made.truth = truth
        psf = GaussianPsf()
        for n, (x, y) in enumerate(made.places(*truth[:2])):
            lost = made._kept(truth[2]) - truth[2]
            made.frames[n] += lost * psf.image(made.frames.shape[1:], x, y)
        return made


def make_parts(
    rng,
    *,
    companion=None,
    rolls=(0.0, 25.0),
    frames=2,
    size=61,
    correlated=0.8,
    bad=0.003,
    still=0.5,
    slow=0.0,
):
    """Return parts of correlated speckles, of unit scatter at 20 pixels, and a companion.

    `companion` is (east, north, flux); `still` of the speckles' variance is common to all
    frames of a roll, and `slow` of that common to all rolls.
    """
    middle = (size // 2 + 0.3, size // 2 - 0.2)
    y, x = np.indices((size, size))
    level = (np.hypot(x - middle[0], y - middle[1]).clip(2.0) / 20.0) ** -1.0

    def field():
        image = gaussian_filter(rng.normal(size=(size, size)), 1.2, mode="wrap")
        return image / image.std()

    psf = GaussianPsf()
    scenes = np.stack([30.0 * level * field() for _ in range(4)])
    modes = np.linalg.svd(scenes.reshape(4, -1), full_matrices=False)[2]
    parts = []
    fixed = field()
    for roll in rolls:
        matrix = rotation(roll)
        common = np.sqrt(slow) * fixed + np.sqrt(1.0 - slow) * field()
        cube = np.empty((frames, size, size))
        for image in cube:
            speckles = np.sqrt(still) * common + np.sqrt(1.0 - still) * field()
            white = rng.normal(size=(size, size))
            noise = np.sqrt(correlated) * speckles + np.sqrt(1.0 - correlated) * white
            image[:] = np.tensordot(rng.normal(size=4), scenes, 1) + level * noise
            if companion is not None:
                at = middle + matrix @ np.array(companion[:2])
                image += companion[2] * psf.image((size, size), *at)
            image[rng.random((size, size)) < bad] = np.nan
        err = np.broadcast_to(level, cube.shape).copy()
        parts.append(LinearPart(cube, err, modes, middle, np.tile(matrix, (frames, 1, 1))))
    return parts, psf
