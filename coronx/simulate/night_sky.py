"""The field of a CCD night: stars, a galaxy, a nebula, and the telescope's WCS."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from coronx.simulate.night_plan import BANDS, Night
from coronx.simulate.night_psf import Seeing

__all__ = ["Blob", "Field", "field_wcs", "make_field"]

_BRIGHT = (6e4, 4e4, 2.5e4)  # electrons/s in R: these saturate
_GALAXY, _LINE = 4000.0, 1500.0  # electrons/s: continuum in R, and H-alpha, of the whole
_REACH = 6.0  # sigmas to which a blob is drawn


@dataclass(frozen=True)
class Blob:
    """A round Gaussian piece of an extended source.

    Attributes
    ----------
    x, y : float
        0-based place in a frame without offset.
    sigma : float
        Pixels.
    continuum, line : float
        Electrons/s: of its continuum in R, and of its H-alpha.
    """

    x: float
    y: float
    sigma: float
    continuum: float
    line: float


@dataclass(frozen=True)
class Field:
    """What is on the sky.

    Attributes
    ----------
    stars : astropy.table.Table
        ``star`` (number), ``ra``, ``dec`` in degrees, ``x``, ``y`` (0-based, in a frame without
        offset), and ``flux_<filter>`` in electrons/s.
    blobs : tuple of Blob
        The galaxy and the nebula.
    gradient : tuple of float
        Change of the sky's brightness across the frame, as a share, along (x, y).
    """

    stars: Table
    blobs: tuple[Blob, ...]
    gradient: tuple[float, float]

    def line_flux(self) -> float:
        """Return electrons/s of all H-alpha."""
        return sum(blob.line for blob in self.blobs)

    def extended(
        self, size: int, seeing: Seeing, offset: tuple[float, float], band: str
    ) -> NDArray[np.float64]:
        """Return electrons/s/pixel of galaxy and nebula, shape (size, size)."""
        image = np.zeros((size, size))
        for blob in self.blobs:
            flux = blob.continuum * BANDS[band].throughput + blob.line * BANDS[band].line
            reach = int(_REACH * blob.sigma) + 1
            x, y = blob.x + offset[0], blob.y + offset[1]
            low_x, low_y = max(int(x) - reach, 0), max(int(y) - reach, 0)
            dx = np.arange(low_x, min(int(x) + reach, size)) - x
            dy = np.arange(low_y, min(int(y) + reach, size)) - y
            if dx.size and dy.size:
                spot = np.outer(_gaussian(dy, blob.sigma), _gaussian(dx, blob.sigma))
                image[low_y : low_y + dy.size, low_x : low_x + dx.size] += flux * spot
        return fftconvolve(image, seeing.kernel(), mode="same").clip(0)

    def background(self, size: int) -> NDArray[np.float64]:
        """Return the sky over its brightness in the middle, shape (size, size)."""
        across = np.linspace(-0.5, 0.5, size)
        return 1 + self.gradient[0] * across + self.gradient[1] * across[:, np.newaxis]


def field_wcs(night: Night, offset: tuple[float, float] = (0.0, 0.0)) -> WCS:
    """Return the true WCS of a frame whose field is displaced by `offset` pixels (x, y)."""
    angle, step = np.radians(night.rotation_deg), night.scale_arcsec / 3600
    cos, sin = np.cos(angle), np.sin(angle)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = [night.ra_deg, night.dec_deg]
    wcs.wcs.crpix = np.add(offset, (night.size + 1) / 2)
    wcs.wcs.cd = step * np.array([[-cos, sin], [sin, cos]])
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def make_field(night: Night, *, rng: np.random.Generator) -> Field:
    """Draw a field: stars of many brightnesses, three of them saturated, a galaxy, a nebula."""
    margin = night.dither + 20
    x, y = rng.uniform(-margin, night.size - 1 + margin, size=(2, night.stars))
    # As many again for each magnitude fainter, roughly as in the Milky Way.
    flux = np.minimum(100.0 * (1 - rng.uniform(size=night.stars)) ** -1.1, 8000.0)
    flux[: len(_BRIGHT)] = _BRIGHT[: night.stars]
    x[: len(_BRIGHT)] = (np.array([0.2, 0.85, 0.6]) * night.size)[: night.stars]
    y[: len(_BRIGHT)] = (np.array([0.8, 0.3, 0.92]) * night.size)[: night.stars]
    redder = rng.normal(0.0, 0.4, size=night.stars)  # magnitudes
    ra, dec = field_wcs(night).wcs_pix2world(x, y, 0)
    stars = Table({"star": np.arange(night.stars), "ra": ra, "dec": dec, "x": x, "y": y})
    for name, band in BANDS.items():
        stars[f"flux_{name}"] = flux * band.throughput * 10 ** (-0.4 * band.color * redder)
    gradient = (float(rng.uniform(0.05, 0.1)), float(rng.uniform(-0.1, -0.05)))
    return Field(stars, _blobs(night.size, rng), gradient)


def _blobs(size: int, rng: np.random.Generator) -> tuple[Blob, ...]:
    x0, y0, unit = 0.38 * size, 0.4 * size, size / 64
    # The galaxy: a bulge in a disk; knots of star formation on a ring, in a diffuse glow.
    blobs = [
        Blob(x0, y0, max(0.5 * unit, 1.0), 0.3 * _GALAXY, 0.0),
        Blob(x0, y0, 2.0 * unit, 0.7 * _GALAXY, 0.4 * _LINE),
    ]
    for number, share in enumerate(rng.dirichlet(np.full(7, 5.0))):
        angle = 2 * np.pi * number / 7
        x, y = x0 + 3 * unit * np.cos(angle), y0 + 2 * unit * np.sin(angle)
        blobs.append(Blob(x, y, max(0.25 * unit, 1.0), 0.0, 0.6 * _LINE * float(share)))
    return tuple(blobs)


def _gaussian(offset: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    return np.exp(-0.5 * (offset / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
