"""Simulated lights of one field of stars, of known truth."""

import numpy as np
from astropy.wcs import WCS
from scipy.special import erf

from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import set_wcs

SIZE = 160
GAIN, NOISE, SKY = 1.5, 9.0, 120.0


def _apart(count, least, seed=20):
    """Return places at least so far apart, and from the edges."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        place = rng.uniform(18, SIZE - 18, 2)
        if all(np.hypot(*(place - other)) > least for other in found):
            found.append(place)
    return np.array(found)


STARS = _apart(22, 17.0)
FLUX = np.linspace(8e3, 4e4, len(STARS))


def sky_wcs(angle=0.0, shift=(0.0, 0.0), scale=1.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 2.0], [SIZE / 2 + shift[0], SIZE / 2 + shift[1]]
    c, s = np.cos(angle) * scale / 3600, np.sin(angle) * scale / 3600
    wcs.wcs.cd = [[-c, s], [s, c]]
    return wcs


def light(
    name, seed, *, angle=0.0, shift=(0.0, 0.0), sigma=1.4, factor=1.0, solved=True, blemish=()
):
    """Return a calibrated light, in whose star table are its stars."""
    rng = np.random.default_rng(seed)
    wcs = sky_wcs(angle, shift)
    x, y = wcs.all_world2pix(*sky_wcs().all_pix2world(*STARS.T, 0), 0)
    pixels = np.arange(SIZE)

    def profile(center):
        low, high = pixels - 0.5 - center, pixels + 0.5 - center
        return 0.5 * (erf(high / sigma / 2**0.5) - erf(low / sigma / 2**0.5))

    truth = np.full((SIZE, SIZE), SKY)
    for a, b, f in zip(x, y, FLUX, strict=True):
        truth += factor * f * np.outer(profile(b), profile(a))
    variance = truth / GAIN + (NOISE / GAIN) ** 2
    model = GroundImageModel(data=rng.normal(truth, np.sqrt(variance)).astype("f4"))
    model.err = np.sqrt(variance).astype("f4")
    model.dq = np.zeros((SIZE, SIZE), "u4")
    for row, column in blemish:
        model.data[row, column] = 5e4
        model.dq[row, column] = FLAGS["BAD_PIXEL"] | FLAGS["DO_NOT_USE"]
    model.meta.filename = f"{name}.fits"
    ground = model.meta.ground
    ground.image_type, ground.filter, ground.exposure_time = "science", "R", 60.0
    ground.gain, ground.read_noise = GAIN, NOISE
    if solved:
        set_wcs(model, wcs)
    table = np.zeros(len(x), model.get_dtype("stars"))
    table["x"], table["y"] = (
        x + 1 + rng.normal(0, 0.02, x.size),
        y + 1 + rng.normal(0, 0.02, x.size),
    )
    table["flux"], table["flux_sigma"] = factor * FLUX, 0.01 * factor * FLUX
    table["x_sigma"] = table["y_sigma"] = 0.02
    table["fwhm"] = 2.35 * sigma
    model.stars = table
    ground.fwhm = 2.35 * sigma
    return model


def fluxes(image, x, y, sky, radius=9.0):
    """Return sums about 0-based places, less the sky, of those that are whole."""
    rows, columns = np.indices(image.shape)
    sums = [
        (image - sky)[np.hypot(columns - a, rows - b) < radius].sum()
        for a, b in zip(x, y, strict=True)
    ]
    return np.array(sums)
