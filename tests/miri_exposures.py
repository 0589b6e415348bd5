"""Exposures of MIRI's 4QPM_1140, with times and all metadata."""

from dataclasses import replace
from functools import cache

import numpy as np

from coronx.simulate.astrometry import point_at
from coronx.simulate.calints import Visit, calints_model
from coronx.simulate.detector import bad_pixels, expose
from coronx.simulate.scene import SCENES
from tests.speckled_exposures import STAR

SCENE = replace(SCENES["miri-4qpm"], bad_pixel_fraction=0.002)
MODE = SCENE.coronagraph


@cache
def _made(number, nints, is_psf, roll):
    y, x = np.indices(MODE.shape)
    light = 800.0 * np.exp(-0.5 * ((x - MODE.center[0]) ** 2 + (y - MODE.center[1]) ** 2) / 4.0**2)
    readout = expose(
        np.broadcast_to(light, (nints, *MODE.shape)),
        replace(SCENE, integrations=nints),
        bad_pixels(SCENE, rng=np.random.default_rng(5)),
        rng=np.random.default_rng(number),
    )
    visit = Visit(number, 1, "A STAR", STAR, is_psf)
    pointing = point_at(MODE, roll, STAR, np.array(MODE.center))
    return calints_model(replace(SCENE, integrations=nints), visit, pointing, readout)


def miri_exposure(number=1, *, nints=3, is_psf=False, roll=0.0):
    return _made(number, nints, is_psf, roll).copy()
