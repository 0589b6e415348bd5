"""Simulated coronagraphic scenes without a companion, subtracted by a reference star's images."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from coronx.models.writing import whole_file
from coronx.ops.common_frame import filled
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.images import Images
from coronx.ops.shift import shift_image
from coronx.ops.subtracted import Subtracted
from coronx.refdata.filters import fwhm_pixels
from coronx.simulate.detector import BadPixels, expose
from coronx.simulate.optics import Coronagraph
from coronx.simulate.plan import plan
from coronx.simulate.scene import SCENES, Scene
from coronx.simulate.wavefront import drift_opd
from tests.ops.subtracted_frames import Field, Source, matrix

__all__ = ["EACH", "simulated_fields"]

EACH = 50  # fields that share a telescope and a reference star
_SIZE = 160
_EDGE = 4  # pixels lost to shifts
_CENTER = (79.7, 80.2)
_HALF = 24  # pixels of the PSF on either side of its peak
_ROLLS = (0.0, 10.0)
_DEAD = 0.002


@dataclass(frozen=True)
class _Telescope:
    """One state of the telescope: what a reference star looked like, and then many stars.

    Attributes
    ----------
    references, stars : ndarray (24, ny, nx), (EACH, rolls, ny, nx)
        Images of a star of unit flux.
    reference_places, places : ndarray (24, 2), (EACH, rolls, 2)
        0-based (x, y) of the star.
    """

    references: np.ndarray
    reference_places: np.ndarray
    stars: np.ndarray
    places: np.ndarray


def simulated_fields(
    name: str,
    count: int,
    *,
    drift_nm: float,
    rolls: int,
    seed: int,
    cache: Path,
    core: float | None = 1.5,  # as coronx_detect has it after RDI
    modes: int = 50,
    other_roll: bool = False,
) -> Iterator[Field]:
    """Yield flux maps after RDI of a scene's star at one or two rolls; no companion is there.

    With `other_roll`, each roll of two is a reference of the other, too: ARDI.

    Every `EACH` fields the telescope's wavefront is a new one, seen by a reference star in six
    dithered exposures of four integrations. Each field's star is behind the mask at a place of its
    own, with a wavefront that has drifted since by `drift_nm`, in each roll anew: one integration
    as deep as four of the references'. Photon and read noise, bad pixels and cosmic rays
    are the simulated detector's. The filter sees the PSF through a window of `core` FWHM.
    """
    scene = replace(SCENES[name], companions=(), missed_cosmic_rays=0, drift_nm=drift_nm)
    scene = replace(scene, cosmic_rays=round(scene.cosmic_rays * (_SIZE / 320) ** 2))
    optics = _optics(scene)
    mode = scene.coronagraph
    scale = float(np.mean(mode.scale))
    x, y = (round(c) for c in _CENTER)
    free = optics.image((x, y), occulted=False)
    kernel = free[y - _HALF : y + _HALF + 1, x - _HALF : x + _HALF + 1]
    inside = slice(_EDGE, -_EDGE)
    source = Source(kernel, optics.transmission()[inside, inside])
    fwhm = fwhm_pixels(mode.instrument, scene.filter, scale)
    grid = FluxGrid(_SIZE // 2 - _EDGE, scale)
    matrices = [matrix(angle, scale)[None] for angle in _ROLLS[:rolls]]
    star = (_CENTER[0] - _EDGE, _CENTER[1] - _EDGE)
    rng = np.random.default_rng(seed)
    deep = replace(
        scene,
        integration_s=4.0 * scene.integration_s,
        read_noise_mjy_sr=0.5 * scene.read_noise_mjy_sr,
    )
    own = None if core is None else core * fwhm
    for n in range(count):
        if n % EACH == 0:
            seen = _telescope(name, scene, optics, seed + n // EACH, cache)
            references = _references(scene, seen, rng)
        targets = []
        for roll in range(rolls):
            target = _exposed(deep, seen.stars[n % EACH, roll][None], scene.star_jy, _DEAD, rng)
            targets.append(_cut(target))
        moved = seen.places[n % EACH] - _CENTER
        parts = []
        for roll, target in enumerate(targets):
            known, others = references, np.full((len(references.data), 2, 2), np.nan)
            if other_roll:
                known = _with(references, targets[1 - roll], -moved[1 - roll])
                others = np.concatenate([others, matrices[1 - roll]])
            parts.append(
                Subtracted(
                    target, known, star=star, matrices=matrices[roll], truncate=modes,
                    reference_matrices=others, shifts=moved[roll][None],
                )
            )  # fmt: skip
        # What is left of a companion, by separation, changes nothing of what is found.
        left = np.ones(1) if other_roll else None
        made = flux_map(parts, lambda _: source, grid=grid, core=own, throughput=left)
        yield Field(made, fwhm * scale)


def _optics(scene: Scene) -> Coronagraph:
    return Coronagraph(
        scene.coronagraph, scene.filter, wavelengths=3, shape=(_SIZE, _SIZE), center=_CENTER
    )


def _telescope(name: str, scene: Scene, optics: Coronagraph, seed: int, cache: Path) -> _Telescope:
    """Return images from the cache, or made now."""
    path = cache / f"{name}-{scene.drift_nm:g}nm-{seed}.npz"
    if path.is_file():
        with np.load(path) as held:
            return _Telescope(**held)
    optics_rng, pointing_rng = np.random.default_rng(seed).spawn(2)
    # The reference visit is the only one planned; the science star's come after it.
    visits = list(plan(replace(scene, rolls_deg=(0.0,)), optics.pupil, optics_rng, pointing_rng))
    exposures = [one for one in visits if one.visit.is_psf]
    away = np.array(_CENTER) - scene.mask_center
    places = np.concatenate([one.pixel + one.shift + away for one in exposures])
    paths = [path for one in exposures for path in one.path]
    images = [optics.image(place, path) for place, path in zip(places, paths, strict=True)]
    mas = pointing_rng.normal(scale=scene.pointing_error_mas, size=(EACH, len(_ROLLS), 2))
    star_places = np.array(_CENTER) + 1e-3 * mas / np.array(scene.coronagraph.scale)
    stars = [
        optics.image(place, paths[0] + drift_opd(optics.pupil, scene.drift_nm, rng=optics_rng))
        for place in star_places.reshape(-1, 2)
    ]
    stars = np.reshape(stars, (EACH, len(_ROLLS), _SIZE, _SIZE)).astype(np.float32)
    made = _Telescope(np.array(images, np.float32), places, stars, star_places)
    cache.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as new:
        np.savez(new, **vars(made))
    return made


def _references(scene: Scene, seen: _Telescope, rng: np.random.Generator) -> Images:
    """Return the reference star's integrations, its places known, aligned to the mask's centre."""
    read = _exposed(scene, seen.references, scene.reference_jy, 0.0, rng)
    moves = _CENTER - seen.reference_places
    pairs = zip(read.data, moves, strict=True)
    data = np.array([shift_image(image, move) for image, move in pairs])
    return _cut(Images(data, read.err, read.bad))


def _with(references: Images, target: Images, move: np.ndarray) -> Images:
    """Return the references and another roll's image, moved to the mask's centre.

    Its bad pixels take values of their neighbours before it is moved, and stay bad.
    """
    whole = filled(target.data.astype(np.float64), target.good)[0]
    return references.joined(Images(shift_image(whole, move)[None], target.err, target.bad))


def _exposed(
    scene: Scene, stars: np.ndarray, jansky: float, dead: float, rng: np.random.Generator
) -> Images:
    """Return what the detector makes of a star's images, in MJy/sr; without `dead` none is bad."""
    sx, sy = np.radians(np.array(scene.coronagraph.scale) / 3600.0)
    light = scene.sky_mjy_sr + stars * jansky * 1e-6 / (sx * sy)
    shape = light.shape[1:]
    flags = (rng.random(shape) < dead).astype(np.uint32)
    if not dead:
        scene = replace(scene, cosmic_rays=0)
    read = expose(light, scene, BadPixels(flags, np.zeros(shape)), rng=rng)
    err = np.sqrt(read.var_poisson + read.var_rnoise)
    # The sky is subtracted beforehand.
    data = read.data.astype(np.float64) - scene.sky_mjy_sr
    return Images(data, err, ((read.dq & 1) != 0) | ~np.isfinite(data))


def _cut(images: Images) -> Images:
    inside = np.s_[:, _EDGE:-_EDGE, _EDGE:-_EDGE]
    return Images(images.data[inside], images.err[inside], images.bad[inside])
