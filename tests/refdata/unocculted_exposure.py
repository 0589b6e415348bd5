"""An exposure of a star beside a mask, of known truth, with blemishes."""

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel

from coronx.refdata.modes import MODES
from tests.point_sources import airy

MODE = MODES["nircam-335r"]
PLACE = (201.3, 118.6)  # of the star
TOTAL = 4.0e4  # MJy/sr
SKY = 1.5
AREA = 9.2e-14


def exposure(*, nints=4, place=PLACE, blemishes=True, factor=1.0, noise=0.5):
    """Return a CubeModel."""
    rng = np.random.default_rng(7)
    data = SKY + factor * TOTAL * airy(MODE.shape, *place) + np.zeros((nints, 1, 1))
    data += rng.normal(scale=noise, size=data.shape)
    dq = np.zeros(data.shape, np.uint32)
    x, y = (round(c) for c in place)
    if blemishes:
        data[:, y + 2, x + 1] = np.nan  # dead, on the first ring
        dq[:, y - 1, x - 6], data[:, y - 1, x - 6] = 1, 9e4  # hot
        data[1, y, x] = 8e5  # struck by a cosmic ray that nobody flagged
        data[2, y + 1, x], dq[2, y + 1, x] = np.nan, 5  # and by one that was
        data[:, 40, 40] = 3e5  # a hot pixel, brighter than the star
        data[:, 0, :50] = np.nan
    model = CubeModel(data=data.astype(np.float32), dq=dq)
    model.err = np.full(data.shape, noise, np.float32)
    meta = model.meta
    meta.filename = "beside_calints.fits"
    meta.instrument.filter, meta.instrument.coronagraph = "F356W", MODE.coronmsk
    meta.photometry.pixelarea_steradians = AREA
    return model
