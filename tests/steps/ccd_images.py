"""CCD images with blemishes, for the steps that change, compare and show them."""

import numpy as np
from astropy.wcs import WCS

from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import set_wcs

BAD = FLAGS["DO_NOT_USE"] | FLAGS["BAD_PIXEL"]


def tan(offset=0.0):
    """Return a WCS of 1 arcsec a pixel, moved by so many pixels along x."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix = (150.0, 30.0), (50.0 + offset, 40.0)
    wcs.wcs.cdelt = -1 / 3600, 1 / 3600
    return wcs


def ccd_image(data, err=None, name="frame_cal.fits", filter_name="V", wcs=None):
    """Return an image of given data."""
    model = GroundImageModel(data=np.asarray(data, "f4"))
    if err is not None:
        model.err = np.broadcast_to(np.asarray(err, "f4"), model.data.shape).copy()
    model.meta.filename, model.meta.bunit = name, "ADU"
    model.meta.ground.filter, model.meta.ground.image_type = filter_name, "science"
    if wcs is not None:
        set_wcs(model, wcs)
    return model
