"""Which exposures a scene asks for, where each puts its star, and the wavefront it sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coronx.simulate.astrometry import offset_sky
from coronx.simulate.calints import Visit
from coronx.simulate.pupil import Pupil
from coronx.simulate.scene import Scene
from coronx.simulate.wavefront import drift_opd, static_opd

__all__ = ["PlannedExposure", "plan", "plan_unocculted"]

_REFERENCE_OFFSET = 3600.0  # arcsec between the two stars: far enough not to be one field
_BACKGROUND_OFFSET = 60.0  # arcsec from a star to the empty sky beside it


@dataclass(frozen=True)
class PlannedExposure:
    """An exposure before its light is computed.

    Attributes
    ----------
    visit : Visit
        Names and numbers.
    roll_deg : float
        V3 roll angle.
    pixel : ndarray
        0-based (x, y) of the star, shape (2,).
    shift : ndarray
        Jitter about it in pixels, shape (nints, 2).
    path : tuple of ndarray
        Wavefront error in metres, one of shape (n, n) for each integration.
    wcs_error : tuple of float
        (east, north) in arcsec by which the WCS is wrong.
    """

    visit: Visit
    roll_deg: float
    pixel: NDArray[np.float64]
    shift: NDArray[np.float64]
    path: tuple[NDArray[np.float64], ...]
    wcs_error: tuple[float, float]


def plan(
    scene: Scene,
    pupil: Pupil,
    optics_rng: np.random.Generator,
    pointing_rng: np.random.Generator,
) -> Iterator[PlannedExposure]:
    """Yield the exposures of a scene: science visits, the reference's, their backgrounds.

    Parameters
    ----------
    scene : Scene
        The scene.
    pupil : Pupil
        Grid of the wavefront errors.
    optics_rng, pointing_rng : numpy.random.Generator
        Sources of the wavefront's and of the telescope's wandering.
    """
    path = static_opd(pupil, scene.wavefront_nm, rng=optics_rng)
    science = (scene.ra_deg, scene.dec_deg)
    reference = offset_sky(*science, _REFERENCE_OFFSET, 0.0)
    visits = [(roll, False) for roll in scene.rolls_deg]
    if scene.references:
        visits.append((scene.rolls_deg[0], True))
    to_pixels = 1e-3 / np.array(scene.coronagraph.scale)
    for number, (roll, is_psf) in enumerate(visits, start=1):
        if number > 1 and scene.drift_nm:
            path = path + drift_opd(pupil, scene.drift_nm, rng=optics_rng)
        creep = drift_opd(pupil, 1.0, rng=optics_rng)
        place = pointing_rng.normal(scale=scene.pointing_error_mas, size=2)
        angle = pointing_rng.uniform(0, 2 * np.pi)
        error = scene.guide_star_error_arcsec * np.array([np.sin(angle), np.cos(angle)])
        grid = _dithers(scene) if is_psf else np.zeros((1, 2))
        for exposure, dither in enumerate(grid, start=1):
            mas = place + dither + pointing_rng.normal(scale=scene.dither_error_mas, size=2)
            jitter = pointing_rng.normal(scale=scene.jitter_mas, size=(scene.integrations, 2))
            walk = np.cumsum(
                optics_rng.normal(scale=scene.integration_drift_nm, size=scene.integrations)
            )
            yield PlannedExposure(
                visit=Visit(
                    number,
                    exposure,
                    "REFERENCE STAR" if is_psf else "SCIENCE STAR",
                    reference if is_psf else science,
                    is_psf,
                ),
                roll_deg=roll,
                pixel=np.array(scene.mask_center) + mas * to_pixels,
                shift=jitter * to_pixels,
                path=tuple(path + step * creep for step in walk),
                wcs_error=(float(error[0]), float(error[1])),
            )
    yield from _backgrounds(scene, len(visits), science, reference)


def plan_unocculted(scene: Scene, planned: Sequence[PlannedExposure]) -> PlannedExposure:
    """Return one more exposure, of the science star beside the mask.

    It is displaced along x and y alike: away from bars, from the boundaries of phase masks and from
    the neutral densities. Its telescope is the first exposure's, at rest.
    """
    first = planned[0]
    away = scene.unocculted_arcsec / np.sqrt(2) / np.array(scene.coronagraph.scale)
    return replace(
        first,
        visit=replace(
            first.visit,
            observation=max(exposure.visit.observation for exposure in planned) + 1,
            is_unocculted=True,
        ),
        pixel=np.array(scene.mask_center) + away,
        shift=np.zeros((scene.integrations, 2)),
        path=first.path[:1] * scene.integrations,
        wcs_error=(0.0, 0.0),
    )


def _backgrounds(
    scene: Scene, visits: int, science: tuple[float, float], reference: tuple[float, float]
) -> Iterator[PlannedExposure]:
    """Yield the exposures of the empty sky beside the stars; there is no light to come astray."""
    fields = [(science, False)] + ([(reference, True)] if scene.references else [])
    for number, (star, is_psf) in enumerate(fields, start=visits + 1):
        for exposure in range(1, scene.backgrounds + 1):
            name = "REFERENCE STAR" if is_psf else "SCIENCE STAR"
            place = offset_sky(*star, 0.0, _BACKGROUND_OFFSET)
            yield PlannedExposure(
                visit=Visit(number, exposure, f"{name} BACKGROUND", place, is_psf, True),
                roll_deg=scene.rolls_deg[0],
                pixel=np.array(scene.mask_center),
                shift=np.zeros((scene.integrations, 2)),
                path=(),
                wcs_error=(0.0, 0.0),
            )


def _dithers(scene: Scene) -> NDArray[np.float64]:
    angles = 2 * np.pi * np.arange(scene.references - 1) / max(scene.references - 1, 1)
    circle = scene.dither_mas * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.concatenate([np.zeros((1, 2)), circle])
