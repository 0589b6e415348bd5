"""A field of stars and nebulae through a narrow filter and a broad one."""

from dataclasses import dataclass

import numpy as np

SCALE = 0.08
NEBULAE = ((90, 100, 8.0, 6e4), (205, 215, 11.0, 1.2e5), (220, 80, 6.0, 3e4))  # y, x, sigma, flux
SHAPE = (300, 310)
GAIN, READ_NOISE = 1.5, 8.0


@dataclass
class Pair:
    """The two images, and what is in them."""

    narrow: np.ndarray
    narrow_err: np.ndarray
    broad: np.ndarray
    broad_err: np.ndarray
    line: np.ndarray
    stars: np.ndarray  # y, x, flux in the narrow image

    def arrays(self, narrow_bad=None, broad_bad=None):
        """Return the arguments of `subtract_continuum`."""
        none = np.zeros(self.line.shape, bool)
        return (
            self.narrow, self.narrow_err, none if narrow_bad is None else narrow_bad,
            self.broad, self.broad_err, none if broad_bad is None else broad_bad,
        )  # fmt: skip


def moffat(y, x, flux, fwhm, beta=3.5):
    """Return a star with the wings that seeing gives it, cut at 50 pixels."""
    a = 0.5 * fwhm / np.sqrt(2 ** (1 / beta) - 1)
    made = np.zeros(SHAPE)
    y0, x0 = max(int(y) - 50, 0), max(int(x) - 50, 0)
    part = made[y0 : int(y) + 51, x0 : int(x) + 51]
    r = (np.arange(len(part))[:, None] + y0 - y) ** 2 + (np.arange(part.shape[1]) + x0 - x) ** 2
    part[:] = flux * (beta - 1) / np.pi / a**2 * (1 + r / a**2) ** -beta
    return made


def pair(
    narrow_fwhm=2.8, broad_fwhm=3.8, *, colors=0.005, line_in_broad=0.0, noise=1.0, seed=1, count=45
):
    """Return a pair whose stars differ in colour by so much, rms."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (count, 2)) * SHAPE
    flux = 10 ** rng.uniform(4.3, 6.0, count)
    own = SCALE * (1 + colors * rng.standard_normal(count))
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    line = sum(
        f / (2 * np.pi * s**2) * np.exp(-0.5 * ((yy - y) ** 2 + (xx - x) ** 2) / s**2)
        for y, x, s, f in NEBULAE
    )
    narrow, broad = line.copy(), line_in_broad * line
    for (y, x), f, c in zip(places, flux, own, strict=True):
        narrow += moffat(y, x, f * c, narrow_fwhm)
        broad += moffat(y, x, f, broad_fwhm)
    made = []
    for image, sky in ((narrow, 40.0), (broad, 300.0)):
        err = noise * np.sqrt((image + sky) / GAIN + (READ_NOISE / GAIN) ** 2)
        made += [image + err * rng.standard_normal(SHAPE), err]
    return Pair(*made, line, np.column_stack([places, flux * own]))


def left_of_stars(image, scene, fwhm, faintest=5e3):
    """Return the net flux left of each star away from edges and nebulae, over its flux."""
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = []
    for y, x, flux in scene.stars:
        inside = min(y, x) > 20 and y < SHAPE[0] - 20 and x < SHAPE[1] - 20
        if inside and flux > faintest and scene.line[int(y), int(x)] < 0.5:
            r = np.hypot(yy - y, xx - x)
            sky = np.nanmedian(image[(r > 2.5 * fwhm) & (r < 3.5 * fwhm)])
            found.append(np.nansum((image - sky)[r < 2 * fwhm]) / flux)
    return np.array(found)


def line_fluxes(image, scene):
    """Return the flux of each nebula over the true one, in the same aperture."""
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = []
    for y, x, s, _ in NEBULAE:
        inside = np.hypot(yy - y, xx - x) < 2.5 * s
        found.append(np.nansum(image[inside]) / scene.line[inside].sum())
    return np.array(found)
