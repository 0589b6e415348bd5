import numpy as np
import pytest
from astropy.io import fits

from coronx import RecenterFramesStep
from coronx.refdata.psf_file import StarImage
from coronx.simulate.optics import Coronagraph
from coronx.simulate.wavefront import static_opd
from tests.steps.recenter_frames.star_offsets import MODE, OFFSETS, SCALE


@pytest.fixture(scope="session")
def optics():
    star = Coronagraph(MODE, "F356W")
    return star, static_opd(star.pupil, 65.0, rng=np.random.default_rng(4))


@pytest.fixture(scope="session")
def observe(make_exposure, optics):
    """Return a maker of exposures of a simulated star, with the blemishes of the others."""
    star, opd = optics
    known = {}

    def image(offset):
        if offset not in known:
            known[offset] = star.image(np.array(MODE.center) + np.array(offset) / SCALE, opd)
        return known[offset]

    def make(offsets=OFFSETS, *, seed=1, flux=4e8, name="star_00001_nrcalong_calints.fits", **more):
        model = make_exposure(name, seed=seed, nints=len(offsets), **more)
        light = flux * np.stack([image(tuple(offset)) for offset in offsets])
        variance = 1.0 + 0.01 * light
        rng = np.random.default_rng(seed)
        data = light + rng.normal(size=light.shape) * np.sqrt(variance)
        blemished = ~np.isfinite(model.data) | (model.dq != 0)
        model.data = np.where(blemished, model.data, data).astype("f4")
        model.err = np.where(np.isfinite(model.err), np.sqrt(variance), np.nan).astype("f4")
        model.var_poisson = (variance - 1.0).astype("f4")
        return model

    return make


@pytest.fixture(scope="session")
def exposure(observe):
    return observe()


@pytest.fixture(scope="session")
def model_psf(optics, tmp_path_factory):
    """Return a file with the image of the star 20, -30 mas off the mask, moved back by that."""
    star, opd = optics
    place = np.array(MODE.center) + np.array(OFFSETS[0]) / SCALE
    x, y = np.rint(place).astype(int)
    image = star.image(place, opd)[y - 32 : y + 33, x - 32 : x + 33]
    image = StarImage(MODE, image).image((np.rint(place) - place) * SCALE)
    path = tmp_path_factory.mktemp("psf") / "star.fits"
    fits.PrimaryHDU(image).writeto(path)
    return path


@pytest.fixture(scope="session")
def measured(exposure):
    return RecenterFramesStep.call(exposure)


@pytest.fixture(scope="session")
def centred(exposure):
    return RecenterFramesStep.call(exposure, measure_only=False)
