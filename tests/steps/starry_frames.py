"""CCD frames of one field of stars, of which it is known what is wrong with each."""

import numpy as np
from astropy.wcs import WCS

from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import set_wcs
from tests.ops.star_scenes import GAIN, moffat, star_grid, star_scene

SIZE = (220, 200)
SATURATION = 6e4


def field(seed=3):
    """Return places and light, in ADU/s, of the field's stars."""
    x, y = star_grid((260, 240), 32, seed)
    rate = 10 ** np.random.default_rng(seed).uniform(2.2, 3.3, x.size)
    x, y = x - 20.0, y - 20.0
    rate[np.argmin(np.hypot(x - 130.0, y - 150.0))] = 1e5  # saturated
    return x, y, rate


def starry_frame(
    name="light_cal.fits", *, shift=(0.0, 0.0), fwhm=3.2, clouds=1.0, sky=200.0, seed=1,
    seconds=60.0, wcs=False, profile=None, stars=True, blemished=True,
):  # fmt: skip
    """Return a calibrated frame, and places (0-based) and light of its stars."""
    x, y, rate = field()
    x, y = x + shift[0], y + shift[1]
    inside = (x > 6) & (y > 6) & (x < SIZE[1] - 7) & (y < SIZE[0] - 7)
    x, y, flux = x[inside], y[inside], rate[inside] * seconds * (1.0 if stars else 0.0)
    scene = star_scene(
        x, y, flux, profile or moffat(fwhm, 4.765), size=SIZE, seed=seed, sky=sky, clouds=clouds
    )
    model = GroundImageModel(data=np.minimum(scene.image, SATURATION).astype(np.float32))
    model.err = scene.err.astype(np.float32)
    dq = np.where(scene.image >= SATURATION, FLAGS["SATURATED"], 0).astype(np.uint32)
    if blemished:
        rng = np.random.default_rng(seed + 50)
        bad = rng.random(SIZE) < 0.003
        bad[:, 61] = True
        dq[bad] |= FLAGS["DO_NOT_USE"] | FLAGS["BAD_PIXEL"]
        model.data[bad] = np.where(rng.random(np.count_nonzero(bad)) < 0.5, np.nan, 4e4)
        model.err[np.isnan(model.data)] = np.nan
    model.dq = dq
    model.meta.filename, model.meta.bunit = name, "ADU"
    ground = model.meta.ground
    ground.image_type, ground.exposure_time, ground.filter = "science", seconds, "R"
    ground.gain, ground.telescope, ground.object = GAIN, "T05", "Field"
    ground.saturation, ground.airmass = SATURATION, 1.2
    ground.bias_subtracted = ground.dark_subtracted = ground.flat_divided = True
    if wcs:
        sky_wcs = WCS(naxis=2)
        sky_wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        sky_wcs.wcs.crval, sky_wcs.wcs.crpix = [150.0, 20.0], [100.0 + shift[0], 110.0 + shift[1]]
        sky_wcs.wcs.cd = np.array([[-3e-4, 0.0], [0.0, 3e-4]])
        set_wcs(model, sky_wcs)
    return model, (x, y, flux * clouds)
