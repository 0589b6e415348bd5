"""Scenes of the simulator with bad pixels of known places."""

from dataclasses import dataclass

import numpy as np

from coronx.refdata.filters import fwhm_pixels
from coronx.refdata.modes import MODES
from coronx.simulate.optics import Coronagraph
from coronx.simulate.wavefront import drift_opd, static_opd

ARCSEC = np.radians(1 / 3600)
CLUSTERS = (
    ((0, 0), (0, 1), (1, 0), (1, 1)),
    ((0, 0), (0, 1), (0, 2)),
    ((0, 0), (1, 0), (2, 0)),
    ((0, 0), (1, 1)),
)


@dataclass(frozen=True)
class Field:
    """Integrations of a star without noise, what noise they get, and the PSF at 16 phases."""

    truth: np.ndarray
    err: np.ndarray
    psf: np.ndarray
    fwhm: float
    sky: float
    gain: float

    def observed(self, seed):
        return self.truth + np.random.default_rng(seed).normal(size=self.truth.shape) * self.err


def make_field(mode, name, *, star_jy, sky, read_noise, gain, nints=3, size=None):
    """Image a star that drifts by 0.2 nm and 1 mas; `gain` is electrons for one MJy/sr."""
    mode = MODES[mode]
    rng = np.random.default_rng(3)
    shape, center = mode.shape, mode.center
    if size is not None:
        shape, center = (size, size), ((size - 1) / 2 + 0.3, (size - 1) / 2 - 0.2)
    optics = Coronagraph(mode, name, wavelengths=2, shape=shape, center=center)
    path, drift = static_opd(optics.pupil, 65.0, rng=rng), drift_opd(optics.pupil, 1.0, rng=rng)
    scale = np.array(mode.scale)
    light = star_jy * 1e-6 / np.prod(scale * ARCSEC)
    truth = np.empty((nints, *shape))
    for n in range(nints):
        place = np.array(center) + 0.004 / scale + rng.normal(scale=1e-3, size=2) / scale
        truth[n] = sky + light * optics.image(place, path + 0.2 * n * drift)
    small = Coronagraph(mode, name, wavelengths=2, shape=(33, 33), center=(16, 16))
    phases = np.arange(4) / 4
    psf = np.stack([small.image((16 + x, 16 + y), occulted=False) for x in phases for y in phases])
    return Field(
        truth,
        np.sqrt(np.maximum(truth, 0) / gain + read_noise**2),
        psf / psf.max(axis=(1, 2), keepdims=True),
        fwhm_pixels(mode.instrument, name, float(scale.mean())),
        sky,
        gain,
    )


def spoil(field, seed, fraction=0.01):
    """Return observed integrations, and the kind of each pixel: 1 hot, 2 dead, 3 in a cluster.

    Hot pixels and clusters (equal or of their own heights) are 5 to 500 sigma high.
    """
    rng = np.random.default_rng(seed)
    err, data = field.err[0], field.observed(seed + 1)
    ny, nx = err.shape
    height, kind = np.zeros((2, ny, nx))
    count = int(fraction * err.size)

    def draw():
        return np.exp(rng.uniform(np.log(5), np.log(500)))

    for _ in range(int(0.45 * count)):
        at = rng.integers(ny), rng.integers(nx)
        height[at], kind[at] = draw(), 1
    for _ in range(int(0.2 * count)):
        kind[rng.integers(ny), rng.integers(nx)] = 2
    left = int(0.35 * count)
    while left > 0:
        shape = CLUSTERS[rng.integers(len(CLUSTERS))]
        y, x, high, even = rng.integers(ny - 2), rng.integers(nx - 2), draw(), rng.random() < 0.5
        for dy, dx in shape:
            height[y + dy, x + dx] = max(5.0, high * (1.0 if even else rng.uniform(0.3, 1.5)))
            kind[y + dy, x + dx] = 3
        left -= len(shape)
    data = data + np.where(kind == 2, 0.0, height) * err
    dead = rng.normal(size=data.shape) * field.err.min()
    return np.where(kind == 2, dead, data), kind.astype(int), height


def above_five_sigma(field, kind, height):
    """Return which bad pixels are off by 5 sigma of their own error."""
    dead = (kind == 2) & (field.truth > 5 * field.err)
    return dead | ((kind != 2) & (height >= 5) & np.ones(field.truth.shape, bool))


def with_companions(field, peak, seed):
    """Return an empty sky with point sources of a peak S/N at many phases, error and cores."""
    image = np.full(field.truth.shape[1:], field.sky)
    sigma = float(np.median(field.err))
    core = np.zeros(image.shape, bool)
    number = 0
    for y in range(18, image.shape[0] - 18, 17):
        for x in range(18, image.shape[1] - 18, 17):
            psf = field.psf[number % len(field.psf)]
            image[y - 16 : y + 17, x - 16 : x + 17] += peak * sigma * psf
            core[y - 1 : y + 2, x - 1 : x + 2] = True
            number += 1
    err = np.sqrt(sigma**2 + (image - field.sky) / field.gain)
    noise = np.random.default_rng(seed).normal(size=image.shape)
    return (image + noise * err)[None], err[None], core[None], number
