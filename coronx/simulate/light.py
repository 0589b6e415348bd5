"""The light of one exposure before the detector sees it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from coronx.simulate.astrometry import Pointing, offset_sky
from coronx.simulate.disk import disk_image
from coronx.simulate.glow import glow
from coronx.simulate.optics import Coronagraph
from coronx.simulate.plan import PlannedExposure
from coronx.simulate.scene import Companion, Scene

__all__ = ["PointSource", "companion_sky", "light_of"]

_REACH = 100  # pixels: half side of the PSF with which a disk is smeared


@dataclass(frozen=True)
class PointSource:
    """A companion as an exposure has it.

    Attributes
    ----------
    pixel : tuple of float
        0-based (x, y), mean of the integrations but for their jitter.
    peak_mjy_sr, total_mjy_sr : float
        Brightest pixel and sum over all pixels.
    """

    pixel: tuple[float, float]
    peak_mjy_sr: float
    total_mjy_sr: float


def companion_sky(scene: Scene, companion: Companion) -> tuple[float, float]:
    """Return a companion's (RA, Dec) in degrees."""
    pa = np.radians(companion.pa_deg)
    separation = companion.separation_arcsec
    return offset_sky(scene.ra_deg, scene.dec_deg, separation * np.sin(pa), separation * np.cos(pa))


def light_of(
    scene: Scene, optics: Coronagraph, planned: PlannedExposure, pointing: Pointing
) -> tuple[NDArray[np.float64], tuple[PointSource, ...]]:
    """Return the light that falls on the detector, and the companions in it.

    Parameters
    ----------
    scene : Scene
        The scene.
    optics : Coronagraph
        The coronagraph.
    planned : PlannedExposure
        Where the star is, and its wavefront.
    pointing : Pointing
        The true pointing.

    Returns
    -------
    light : ndarray
        Surface brightness in MJy/sr, sky included, shape (nints, ny, nx).
    sources : tuple of PointSource
        One for each companion; none for the reference star and for backgrounds.
    """
    sx, sy = np.radians(np.array(scene.coronagraph.scale) / 3600)
    star = (scene.reference_jy if planned.visit.is_psf else scene.star_jy) * 1e-6 / (sx * sy)
    sky = np.full((scene.integrations, *scene.coronagraph.shape), scene.sky_mjy_sr)
    if scene.glow_stick_mjy_sr:
        sky += scene.glow_stick_mjy_sr * glow(scene.coronagraph)
    if planned.visit.is_background:
        return sky, ()
    light = sky + star * _images(optics, planned, planned.pixel)
    if planned.visit.is_psf:
        return light, ()
    sources = []
    for companion in scene.companions:
        place = pointing.pixel(*companion_sky(scene, companion))
        images = star * companion.contrast * _images(optics, planned, np.array(place))
        light += images
        mean = images.mean(axis=0)
        sources.append(PointSource(place, float(mean.max()), float(mean.sum())))
    if scene.disk is not None:
        # Too smooth to notice jitter or drift.
        east, north = pointing.offsets((float(planned.pixel[0]), float(planned.pixel[1])))
        sharp = scene.disk.contrast * disk_image(scene.disk, east, north)
        psf = _free_psf(optics, planned.path[0])
        light += star * fftconvolve(sharp * optics.transmission(), psf, mode="same")
    return light, tuple(sources)


def _images(
    optics: Coronagraph, planned: PlannedExposure, place: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Jitter moves the whole sky behind the mask, the star and what is beside it.
    pairs = zip(planned.shift, planned.path, strict=True)
    return np.stack([optics.image(place + shift, path) for shift, path in pairs])


def _free_psf(optics: Coronagraph, path: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = (round(c) for c in optics.center)
    image = optics.image((x, y), path, occulted=False)
    reach = min(_REACH, x, y, image.shape[1] - 1 - x, image.shape[0] - 1 - y)
    return image[y - reach : y + reach + 1, x - reach : x + reach + 1]
