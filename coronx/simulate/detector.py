"""What the detector adds to a scene: noise, bad pixels, cosmic rays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import dqflags

from coronx.simulate.bandpass import BANDPASSES
from coronx.simulate.scene import Scene

__all__ = ["BadPixels", "Readout", "bad_pixels", "expose", "photmjsr"]

_DNU = dqflags.pixel["DO_NOT_USE"]
_JUMP = dqflags.pixel["JUMP_DET"]
_DEAD = dqflags.pixel["DEAD"]
_HOT = dqflags.pixel["HOT"]
_GAIN = {"NIRCAM": 1.82, "MIRI": 5.5}  # electrons a DN
# MJy/sr of one DN/s behind the mask in a real exposure, and that filter's width in micrometres.
_PHOTMJSR = {"NIRCAM": (2.60, 0.787), "MIRI": (2.86, 0.80)}


@dataclass(frozen=True)
class BadPixels:
    """Pixels that are bad in every exposure; all of shape (ny, nx).

    Attributes
    ----------
    flags : ndarray of uint32
        DQ flags.
    garbage : ndarray
        What to add to the data, in MJy/sr; NaN where there are no data.
    """

    flags: NDArray[np.uint32]
    garbage: NDArray[np.float64]


@dataclass(frozen=True)
class Readout:
    """Integrations as the pipeline hands them over; all of shape (nints, ny, nx), in MJy/sr."""

    data: NDArray[np.float32]
    dq: NDArray[np.uint32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]


def photmjsr(scene: Scene) -> float:
    """Return MJy/sr for one DN/s: the real figure of one filter, scaled by the band's width."""
    value, width = _PHOTMJSR[scene.coronagraph.instrument]
    return value * width / BANDPASSES[scene.filter].width


def bad_pixels(scene: Scene, *, rng: np.random.Generator) -> BadPixels:
    """Draw the detector's bad pixels: half dead, half hot, and unflagged NaN at the edge."""
    shape = scene.coronagraph.shape
    flags = np.zeros(shape, np.uint32)
    garbage = np.zeros(shape)
    count = round(scene.bad_pixel_fraction * flags.size)
    bad = rng.choice(flags.size, count, replace=False)
    dead, hot = bad[: count // 2], bad[count // 2 :]
    flags.flat[dead] = _DNU | _DEAD
    flags.flat[hot] = _DNU | _HOT
    # Recent pipelines write NaN where DO_NOT_USE is set, older ones whatever was read.
    garbage.flat[dead] = np.where(rng.uniform(size=dead.size) < 0.5, np.nan, -50.0)
    garbage.flat[hot] = np.where(
        rng.uniform(size=hot.size) < 0.5, np.nan, rng.uniform(100, 5000, size=hot.size)
    )
    edge = np.ones(shape, bool)
    edge[1:-1, 1:-1] = False
    places = np.flatnonzero(edge & (flags == 0))
    garbage.flat[rng.choice(places, min(scene.nan_edge_pixels, places.size), replace=False)] = (
        np.nan
    )
    return BadPixels(flags, garbage)


def expose(
    light: NDArray[np.float64], scene: Scene, bad: BadPixels, *, rng: np.random.Generator
) -> Readout:
    """Return integrations of what falls on the detector.

    Parameters
    ----------
    light : ndarray
        Surface brightness without noise in MJy/sr, sky included, shape (nints, ny, nx).
    scene : Scene
        Decides noise and cosmic rays.
    bad : BadPixels
        The detector's bad pixels.
    rng : numpy.random.Generator
        Source of the noise.
    """
    # One MJy/sr lasting for one integration, in electrons.
    electrons = scene.integration_s * _GAIN[scene.coronagraph.instrument] / photmjsr(scene)
    light = np.maximum(light, 0)
    var_poisson = light / electrons
    var_rnoise = np.full_like(light, scene.read_noise_mjy_sr**2)
    data = rng.poisson(light * electrons) / electrons
    data += rng.normal(scale=scene.read_noise_mjy_sr, size=light.shape)
    dq = np.broadcast_to(bad.flags, light.shape).copy()
    noise = np.sqrt(var_poisson + var_rnoise)
    for image, flags, sigma in zip(data, dq, noise, strict=True):
        _strike(image, flags, sigma, scene, rng)
    data += bad.garbage
    return Readout(
        data.astype(np.float32),
        dq,
        var_poisson.astype(np.float32),
        var_rnoise.astype(np.float32),
    )


def _strike(
    image: NDArray, flags: NDArray, sigma: NDArray, scene: Scene, rng: np.random.Generator
) -> None:
    hit, missed = scene.cosmic_rays, scene.missed_cosmic_rays
    places = rng.choice(image.size, min(hit + missed, image.size), replace=False)
    flagged, unflagged = places[:hit], places[hit:]
    image.flat[unflagged] += rng.uniform(20, 200, size=unflagged.size) * sigma.flat[unflagged]
    flags.flat[flagged] |= np.uint32(_JUMP)
    # A hit in the first groups leaves no slope at all; after a later one the rest is good.
    lost = flagged[::2]
    image.flat[lost] = np.nan
    flags.flat[lost] |= np.uint32(_DNU)
