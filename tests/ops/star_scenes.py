"""CCD images of stars of known place, light and shape."""

from typing import NamedTuple

import numpy as np

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
GAIN, READ_NOISE, SKY = 1.5, 8.0, 200.0


class Scene(NamedTuple):
    image: np.ndarray
    err: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray


def sampled(profile, x, y, size, *, reach, fine=3):
    """Return a profile of unit light summed over pixels, and where it goes."""
    rows = np.arange(max(int(y) - reach, 0), min(int(y) + reach + 1, size[0]))
    cols = np.arange(max(int(x) - reach, 0), min(int(x) + reach + 1, size[1]))
    inside = (np.arange(fine) + 0.5) / fine - 0.5
    dy = (rows[:, None] + inside - y).ravel()
    dx = (cols[:, None] + inside - x).ravel()
    light = profile(dx[None], dy[:, None]) / fine**2
    shape = (rows.size, fine, cols.size, fine)
    return light.reshape(shape).sum(axis=(1, 3)), (slice(rows[0], rows[-1] + 1),
                                                   slice(cols[0], cols[-1] + 1))  # fmt: skip


def gaussian(fwhm, *, ratio=1.0, angle=0.0):
    turn, major, minor = np.radians(angle), fwhm / FWHM, ratio * fwhm / FWHM

    def profile(dx, dy):
        u = dx * np.cos(turn) + dy * np.sin(turn)
        v = dy * np.cos(turn) - dx * np.sin(turn)
        return np.exp(-0.5 * ((u / major) ** 2 + (v / minor) ** 2)) / (2 * np.pi * major * minor)

    return profile


def moffat(fwhm, beta):
    alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))

    def profile(dx, dy):
        return (beta - 1) / (np.pi * alpha**2) * (1 + (dx**2 + dy**2) / alpha**2) ** -beta

    return profile


def star_grid(size, step, seed=1, *, margin=15):
    """Return places of stars that stand alone, not in the middle of pixels."""
    rng = np.random.default_rng(seed)
    rows, cols = (np.arange(margin, side - margin + 1, step) for side in size)
    y, x = (a.ravel().astype(float) for a in np.meshgrid(rows, cols, indexing="ij"))
    return x + rng.uniform(-0.5, 0.5, x.size), y + rng.uniform(-0.5, 0.5, y.size)


def star_scene(
    x, y, flux, profile, *, size=(256, 256), reach=30, seed=2, sky=SKY, clouds=1.0, noisy=True
):
    """Return an image with photon and read noise, in ADU."""
    image = np.zeros(size)
    for column, row, light in zip(x, y, flux, strict=True):
        stamp, where = sampled(profile, column, row, size, reach=reach)
        image[where] += light * clouds * stamp
    mean = (image + sky) * GAIN
    rng = np.random.default_rng(seed)
    noise = rng.poisson(mean) + rng.normal(0.0, READ_NOISE, size) if noisy else mean
    err = np.sqrt(mean + READ_NOISE**2) / GAIN
    return Scene(noise / GAIN, err, np.asarray(x), np.asarray(y), np.asarray(flux) * clouds)


def blemishes(image, seed=5, share=0.004):
    """Return an image with NaNs, spikes and a dead column, and which pixels those are."""
    rng = np.random.default_rng(seed)
    bad = rng.random(image.shape) < share
    bad[:, image.shape[1] // 3] = True
    image = image.copy()
    image[bad] = np.where(rng.random(np.count_nonzero(bad)) < 0.5, np.nan, 3e4)
    return image, bad
