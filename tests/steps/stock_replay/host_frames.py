"""The frames of the host's own unit tests of jwst.coron (jwst 3.0.0)."""

import numpy as np
from astropy.modeling.models import Gaussian2D
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

DNU = pixel["DO_NOT_USE"]
NONSCI = pixel["NON_SCIENCE"]


def cube(instrument, data):
    shape = data.shape
    model = CubeModel(
        data=np.asarray(data, np.float32),
        err=np.full(shape, 0.1, np.float32),
        dq=np.zeros(shape, np.uint32),
    )
    model.meta.filename = f"{instrument.lower()}_calints.fits"
    model.meta.instrument.name = instrument
    model.meta.exposure.type = "NRC_CORON" if instrument == "NIRCAM" else "MIR_LYOT"
    return model


def gaussians(instrument, amplitude, offset, count=3):
    y, x = np.mgrid[:64, :60]
    source = Gaussian2D(amplitude, 30.0 + offset, 32.0 + offset, 6.0, 6.0)(x, y)
    return cube(instrument, np.repeat(source[None], count, axis=0))


def untouched(*pairs):
    for model, copy in pairs:
        assert model.meta.cal_step.instance == copy.meta.cal_step.instance
        for name in ("data", "err", "dq"):
            np.testing.assert_array_equal(getattr(model, name), getattr(copy, name))
