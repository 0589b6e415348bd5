"""Raw frames of a small CCD, with an overscan, and its masters, of known truth."""

import numpy as np
from astropy.io import fits

from coronx.models.ground_image import GroundImageModel

SHAPE = (160, 176)
GAIN, NOISE, BIAS, CURRENT, LIGHT = 1.6, 8.0, 1000.0, 0.5, 700.0
FULL = 60000.0
_y, _x = np.indices(SHAPE)
PATTERN = 3.0 * np.sin(_x / 7.0)
FIELD = 1.0 - 0.3 * (((_x - 88) / 176) ** 2 + ((_y - 80) / 160) ** 2)
FIELD = (FIELD / np.median(FIELD)).astype("f4")


def raw(path, seconds=60.0, *, light=LIGHT, seed=1, overscan=False, blemish=None, **cards):
    """Write a raw frame as a camera does, 16-bit whole numbers; `light` is in ADU."""
    rng = np.random.default_rng(seed)
    charge = rng.poisson((np.broadcast_to(light, SHAPE) * FIELD + CURRENT * seconds) * GAIN)
    image = BIAS + PATTERN + charge / GAIN + rng.normal(0, NOISE / GAIN, SHAPE)
    if blemish is not None:
        blemish(image)
    header = fits.Header()
    if overscan:
        strip = BIAS + 25.0 + rng.normal(0, NOISE / GAIN, (SHAPE[0], 24))
        image = np.hstack([image + 25.0, strip])
        header["BIASSEC"], header["TRIMSEC"] = "[179:198,1:160]", "[1:176,1:160]"
    told = {
        "EXPTIME": seconds, "EGAIN": GAIN, "RDNOISE": NOISE, "CCD-TEMP": -15.0, "XBINNING": 1,
        "YBINNING": 1, "FILTER": "Ha", "IMAGETYP": "Light Frame", "DATAMAX": FULL,
    } | cards  # fmt: skip
    for key, value in told.items():
        if value is not None:
            header[key] = value
    whole = np.clip(np.round(image), 0, 65535).astype(np.uint16)
    fits.writeto(path, whole, header, overwrite=True)
    return str(path)


def master(path, kind, data, err, **ground):
    """Write a master as our steps do."""
    model = GroundImageModel(data=np.asarray(data, "f4"), err=np.asarray(err, "f4"))
    model.meta.filename = path.name
    model.meta.bunit = "ADU"
    own = model.meta.ground
    own.image_type, own.master = kind, True
    own.binning_x = own.binning_y = 1
    for key, value in ground.items():
        setattr(own, key, value)
    dq = ground.pop("dq", None)
    if dq is not None:
        model.dq = dq
    model.save(str(path))
    return str(path)


def masters(folder, *, overscan=False, seed=5):
    """Write a master bias, dark of 100 s and flat of filter Ha."""
    rng = np.random.default_rng(seed)
    floor = 0.0 if overscan else BIAS
    one = NOISE / GAIN
    bias = floor + PATTERN + rng.normal(0, one / 3, SHAPE)
    width = np.sqrt(CURRENT * 100 / GAIN + one**2) / 2
    dark = CURRENT * 100 + rng.normal(0, width, SHAPE)
    flat = FIELD * rng.normal(1, 0.003, SHAPE)
    return {
        "bias": master(
            folder / "bias.fits", "bias", bias, np.full(SHAPE, one / 3), read_noise=NOISE,
            overscan_level=BIAS + 25.0 if overscan else None,
        ),
        "dark": master(
            folder / "dark.fits", "dark", dark, np.full(SHAPE, width), exposure_time=100.0,
            ccd_temperature=-15.2, bias_subtracted=True,
        ),
        "flat": master(
            folder / "flat.fits", "flat", flat, 0.003 * FIELD, filter="ha", bias_subtracted=True,
            normalization=20000.0,
        ),
    }  # fmt: skip
