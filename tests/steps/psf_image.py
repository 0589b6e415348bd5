"""A PSF and a disk, written to files for the steps that ask for them."""

import numpy as np
from astropy.io import fits

from tests.point_sources import gaussian

SIGMA = 1.2


def write_psf(path):
    fits.PrimaryHDU(gaussian((31, 31), 15, 15, SIGMA)).writeto(path)
    return str(path)


def ring(step=0.05, half=50):
    """An inclined ring of unit flux around the middle."""
    axis = (np.arange(2 * half + 1) - half) * step
    east, north = -axis[None, :], axis[:, None]
    bright = np.exp(-0.5 * ((np.hypot(east + 0.5 * north, 2.0 * north) - 1.5) / 0.15) ** 2)
    return bright / bright.sum()


def write_model(path, values, *, step=0.05, **header):
    hdu = fits.PrimaryHDU(values)
    if step:
        hdu.header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
                           "CDELT1": -step / 3600, "CDELT2": step / 3600})  # fmt: skip
    hdu.header.update(header)
    hdu.writeto(path)
    return str(path)
