"""Raw CCD frames of known truth: bias, dark current, flat field, overscan."""

import numpy as np
from astropy.io import fits

NY, NX, GAIN, READ_NOISE = 120, 160, 2.0, 8.0  # READ_NOISE in electrons
OVERSCAN, TRIM = f"[{NX + 1}:{NX + 32},1:{NY}]", f"[1:{NX},1:{NY}]"


class Ccd:
    """A CCD whose bias, dark current [ADU/s] and response are known."""

    def __init__(self, seed=0):
        rng = self.rng = np.random.default_rng(seed)
        y, x = np.mgrid[:NY, :NX]
        self.bias = np.round(20.0 * np.sin(x / 7.0) + 3.0 * np.cos(y / 9.0))
        self.dark = rng.uniform(0.05, 0.15, (NY, NX))
        self.hot = rng.random((NY, NX)) < 0.004
        self.hot[:, 50] = False
        self.dark[self.hot] = rng.uniform(2.0, 40.0, self.hot.sum())
        self.flat = 1.0 - 0.3 * ((x - 80) ** 2 + (y - 60) ** 2) / 100**2
        self.flat *= rng.normal(1.0, 0.01, (NY, NX))
        self.flat /= np.median(self.flat)
        self.dead = rng.random((NY, NX)) < 0.001
        self.dead &= ~self.hot
        self.flat[self.dead] = 0.1

    def expose(self, seconds, light=0.0, *, level=1000.0, hits=0.0, overscan=True):
        """Return a raw frame in ADU."""
        rng = self.rng
        signal = self.dark * seconds + light * self.flat
        image = rng.poisson(GAIN * signal) / GAIN + self.bias
        hit = rng.random(image.shape) < hits
        image[hit] += rng.uniform(500.0, 5000.0, hit.sum())
        if overscan:
            image = np.concatenate([image, np.zeros((NY, 32))], axis=1)
        image = image + level + rng.normal(0.0, READ_NOISE / GAIN, image.shape)
        return np.clip(np.round(image), 0, 65535).astype(np.uint16)

    def write(self, path, kind, seconds=0.0, light=0.0, *, overscan=True, cards=(), **options):
        """Write a raw frame, and return its path."""
        header = fits.Header()
        header["IMAGETYP"] = kind
        header["EXPTIME"] = seconds
        header["EGAIN"] = GAIN
        header["CCD-TEMP"], header["SET-TEMP"] = -20.1, -20.0
        header["FILTER"], header["TELESCOP"] = "R", "T05"
        header["XBINNING"] = header["YBINNING"] = 1
        if overscan:
            header["BIASSEC"], header["TRIMSEC"] = OVERSCAN, TRIM
        for key, value in dict(cards).items():
            if value is None:
                del header[key]
            else:
                header[key] = value
        data = self.expose(seconds, light, overscan=overscan, **options)
        fits.PrimaryHDU(data, header).writeto(path)
        return str(path)


def pull_of(model, truth, *, good=None):
    """Return the difference from the truth in errors, of good pixels."""
    use = np.isfinite(model.data) & (model.dq & 1 == 0)
    return ((model.data - truth) / model.err)[use if good is None else use & good]


def saved(model, folder, name):
    """Save a model, and return its path."""
    path = folder / f"{name}.fits"
    model.save(str(path))
    return str(path)
