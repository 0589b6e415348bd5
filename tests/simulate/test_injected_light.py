"""Light injected by the PSF far from the mask, against light that went through the simulator."""

from dataclasses import replace

import numpy as np
import pytest

from coronx.ops.injection import image_light, point_light
from coronx.ops.sky_image import SkyImage
from coronx.ops.stamp import MaskedPsf, PsfImage
from coronx.refdata.transmission import transmission
from coronx.simulate.astrometry import point_at
from coronx.simulate.disk import disk_image
from coronx.simulate.light import light_of
from coronx.simulate.optics import Coronagraph
from coronx.simulate.plan import plan
from coronx.simulate.scene import SCENES, Companion, Disk

SHAPE = (320, 320)


@pytest.fixture(scope="module")
def telescope():
    """A scene without anything beside the star, its optics, first exposure and PSF."""
    scene = replace(
        SCENES["nircam-round"], companions=(), disk=None, integrations=1, jitter_mas=0.0,
        wavelengths=2,
    )  # fmt: skip
    optics = Coronagraph(scene.coronagraph, scene.filter, wavelengths=2, center=scene.mask_center)
    planned = next(plan(scene, optics.pupil, np.random.default_rng(1), np.random.default_rng(2)))
    sky = (scene.ra_deg, scene.dec_deg)
    pointing = point_at(scene.coronagraph, planned.roll_deg, sky, planned.pixel)
    x, y = (round(float(c)) for c in optics.center)
    free = optics.image((x, y), planned.path[0], occulted=False)
    kernel = free[y - 60 : y + 61, x - 60 : x + 61]
    through = transmission(scene.coronagraph, shape=SHAPE, center=scene.mask_center)
    return scene, optics, planned, pointing, MaskedPsf(PsfImage(kernel), through)


def added(telescope, **what):
    """What a source adds to the light of the scene, of the star's flux."""
    scene, optics, planned, pointing, _ = telescope
    with_it, without = (
        light_of(some, optics, planned, pointing)[0][0] for some in (replace(scene, **what), scene)
    )
    sx, sy = np.radians(np.array(scene.coronagraph.scale) / 3600)
    return (with_it - without) / (scene.star_jy * 1e-6 / (sx * sy))


@pytest.mark.parametrize(("separation", "angle"), [(2.3, 40.0), (3.1, 200.0)])
def test_a_companion(telescope, separation, angle):
    *_, planned, pointing, psf = telescope
    wanted = added(telescope, companions=(Companion(separation, angle, 1.0),))
    matrix = np.linalg.inv(pointing.matrix)
    offset = separation * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    (made,) = point_light(psf, (planned.pixel + matrix @ offset)[None], 1.0, SHAPE)
    # Beyond its footprint the mask still changes the PSF by a little.
    assert np.abs(made - wanted).max() < 0.02 * wanted.max()
    bright = wanted > 0.05 * wanted.max()
    assert made[bright].sum() == pytest.approx(wanted[bright].sum(), rel=0.01)


def test_a_disk(telescope):
    *_, planned, pointing, psf = telescope
    disk = Disk(120.0, 1.0, inclination_deg=60.0, height_arcsec=0.2)
    wanted = added(telescope, disk=disk)
    step = 0.04  # finer than a pixel
    axis = step * (np.arange(401) - 200)
    east, north = np.meshgrid(-axis, axis)
    values = disk_image(disk, east, north)
    rows, cols = np.indices(SHAPE)
    seen = disk_image(disk, *pointing.offsets(tuple(planned.pixel)))
    # The simulator's disk has unit flux in the frame, that of the model in its image.
    inside = seen[np.hypot(cols - planned.pixel[0], rows - planned.pixel[1]) < 110].sum()
    own = values[np.hypot(east, north) < 110 * 0.063].sum()
    image = SkyImage(values * inside / own, (200.0, 200.0), np.diag([-step, step]))
    matrix = np.linalg.inv(pointing.matrix)[None]
    (made,) = image_light(image, psf, planned.pixel[None], matrix, SHAPE)
    assert np.abs(made - wanted).max() < 0.02 * wanted.max()
    # The simulator's PSF has wings that reach farther.
    bright = wanted > 0.05 * wanted.max()
    assert made[bright].sum() == pytest.approx(wanted[bright].sum(), rel=0.015)
