"""The light that falls in each frame of a night, and the charge it leaves."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.simulate.night_ccd import FULL, Ccd, read_out
from coronx.simulate.night_plan import BANDS, Night, PlannedFrame
from coronx.simulate.night_psf import Seeing
from coronx.simulate.night_sky import Field, field_wcs
from coronx.simulate.night_tracks import cosmic_rays, satellite

__all__ = ["Exposed", "expose", "seeing_of"]

_SATELLITE = 400.0  # electrons in a pixel of its trail


@dataclass(frozen=True)
class Exposed:
    """A frame and what is known of it.

    Attributes
    ----------
    adu : ndarray of uint16
        What the camera writes, shape (ny, nx + overscan).
    drift : float
        ADU of the bias level above the usual one.
    cosmic_rays : ndarray
        Electrons of cosmic rays, shape (ny, nx).
    stars : list of dict
        For a light, each star in the frame: ``star``, ``x``, ``y`` (0-based), ``electrons``
        before the flat field, and ``saturated``.
    satellite : list or None
        Ends of a satellite's trail.
    """

    adu: NDArray[np.uint16]
    drift: float
    cosmic_rays: NDArray[np.float64]
    stars: list[dict[str, Any]] = field(default_factory=list)
    satellite: list[list[float]] | None = None


def seeing_of(night: Night, planned: PlannedFrame) -> Seeing:
    """Return how stars look in a light."""
    trail = 2.0 if "trailed" in planned.faults else 1.0
    return Seeing(night.size, planned.fwhm, night.aberration, trail)


def expose(
    ccd: Ccd,
    sky: Field,
    flat: NDArray[np.float64] | None,
    planned: PlannedFrame,
    *,
    rng: np.random.Generator,
) -> Exposed:
    """Return one exposure.

    Parameters
    ----------
    ccd : Ccd
        The CCD.
    sky : Field
        What is in its field.
    flat : ndarray or None
        Flat field of the frame's filter, shape (ny, nx); None for a bias or a dark.
    planned : PlannedFrame
        The exposure.
    rng : numpy.random.Generator
        Source of its noise.
    """
    night = ccd.night
    mean, stars, ends = ccd.dark * planned.exposure, [], None
    if planned.kind == "flat":
        mean = mean + planned.sky * flat
    elif planned.kind == "light":
        light, stars = _light(night, sky, planned)
        if "satellite" in planned.faults:
            trail, ends = satellite(night.size, planned.fwhm, _SATELLITE, rng=rng)
            light += trail
        mean = mean + light * flat
        for star in stars:
            x, y = (min(max(round(star[axis]), 0), night.size - 1) for axis in "xy")
            level = ccd.bias[y, x] + night.pedestal + mean[y, x] / night.gain
            star["saturated"] = bool(level > FULL)
    rays = cosmic_rays(night.size, night.cosmic_rays * planned.exposure / 3600, rng=rng)
    adu, drift = read_out(ccd, rng.poisson(mean) + rays, rng=rng)
    return Exposed(adu, drift, rays, stars, ends)


def _light(
    night: Night, sky: Field, planned: PlannedFrame
) -> tuple[NDArray[np.float64], list[dict[str, Any]]]:
    """Return the electrons of a light before the flat field, and the stars among them."""
    seeing, band = seeing_of(night, planned), BANDS[planned.filter]
    clear = planned.transparency * planned.exposure
    image = clear * sky.extended(night.size, seeing, planned.offset, planned.filter)
    x, y = field_wcs(night, planned.offset).wcs_world2pix(sky.stars["ra"], sky.stars["dec"], 0)
    electrons = np.asarray(sky.stars[f"flux_{planned.filter}"]) * clear
    inside = []
    for number, place in enumerate(zip(x.tolist(), y.tolist(), electrons.tolist(), strict=True)):
        seeing.add_star(image, *place)
        if all(-0.5 <= part < night.size - 0.5 for part in place[:2]):
            inside.append(
                {"star": number, **dict(zip(("x", "y", "electrons"), place, strict=True))}
            )
    image += planned.sky * band.sky * planned.exposure * sky.background(night.size)
    return image, inside
