"""Where the stars of the exposures are, and the shifts that are found."""

import numpy as np
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import AlignFramesStep
from coronx.refdata.modes import MODES

MODE = MODES["nircam-335r"]
TOLERANCE = 0.012  # pixels: what 3 % of speckles that are not alike do to a registration
GONE = pixel["DO_NOT_USE"] | pixel["NON_SCIENCE"]
FIRST = np.array(MODE.center)
PLACES = {
    "roll1": [FIRST, np.add(FIRST, (0.3, -0.2))],
    "roll2": [np.add(FIRST, (-0.45, 0.65))],
    "psf1": [np.add(FIRST, (0.6, -0.4))],
}


def run(models, **options):
    return AlignFramesStep.call(models, **options)


def shifts_of(model):
    return np.stack([model.frame_shifts["dx"], model.frame_shifts["dy"]], axis=1)


def true_shifts(name):
    return PLACES["roll1"][0] - np.array(PLACES[name])
