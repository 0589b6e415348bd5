import numpy as np
import pytest

from coronx import RemoveCosmicRaysStep
from coronx.errors import InputError
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel

GAIN, NOISE = 1.5, 9.0
COSMIC, DNU, REPAIRED = FLAGS["COSMIC_RAY"], FLAGS["DO_NOT_USE"], FLAGS["REPAIRED"]


def image(err=True):
    """Return an image of stars and hits, and which pixels were hit."""
    rng = np.random.default_rng(11)
    y, x = np.indices((128, 140))
    light = np.full(y.shape, 150.0)
    for cy, cx, peak in ((30, 40, 3000), (90, 100, 900), (60, 20, 20000), (100, 30, 4e5)):
        light += peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 2 / 1.6**2)
    hit = np.zeros(y.shape, bool)
    for cy, cx in rng.integers(5, 120, (30, 2)):
        hit[cy, cx : cx + 3] = True
    hit &= light < 160
    data = rng.poisson((light + 900.0 * hit) * GAIN) / GAIN + rng.normal(0, NOISE / GAIN, y.shape)
    model = GroundImageModel(data=np.minimum(data, 30000).astype("f4"))
    if err:
        model.err = np.sqrt(np.maximum(data, 0) / GAIN + (NOISE / GAIN) ** 2).astype("f4")
    model.dq = np.where(data >= 30000, FLAGS["SATURATED"], 0).astype("u4")
    model.meta.filename = "light.fits"
    model.meta.ground.gain, model.meta.ground.read_noise = GAIN, NOISE
    return model, hit, light


def test_hits_are_flagged_and_repaired():
    model, hit, light = image()
    done = RemoveCosmicRaysStep.call(model)
    found = (done.dq & COSMIC) != 0
    assert (found & hit).sum() >= 0.95 * hit.sum()
    assert (found & ~hit).sum() <= 0.2 * hit.sum()
    assert not found[light > 300].any()
    mended = (done.dq & REPAIRED) != 0
    np.testing.assert_array_equal(mended, found)
    assert not (done.dq[mended] & DNU).any()
    off = (done.data - light)[found]
    assert np.abs(np.median(off)) < 5
    assert 0.2 < (off / done.err[found]).std() < 1.2
    np.testing.assert_array_equal(done.data[~found], model.data[~found])
    np.testing.assert_array_equal(done.err[~found], model.err[~found])
    assert done.meta.ground.cosmic_rays == found.sum()
    assert done.meta.ground.repaired == mended.sum()
    assert done.meta.ground_steps.remove_cosmic_rays == "COMPLETE"


def test_flagged_only():
    model, hit, _ = image()
    done = RemoveCosmicRaysStep.call(model, repair=False)
    found = (done.dq & COSMIC) != 0
    assert (found & hit).sum() >= 0.95 * hit.sum()
    assert (done.dq[found] & DNU).all()
    np.testing.assert_array_equal(done.data, model.data)


def test_bad_and_empty_pixels_are_no_hits():
    model, _, _ = image()
    model.dq[70:80, 60:62] = FLAGS["BAD_COLUMN"] | DNU
    model.data[70:80, 60:62] = 20000
    model.data[100:110, 60:70] = np.nan
    done = RemoveCosmicRaysStep.call(model)
    assert not (done.dq[70:80, 60:62] & COSMIC).any()
    assert not (done.dq[98:112, 58:72] & COSMIC & ~(model.dq[98:112, 58:72])).sum() > 12
    assert np.isnan(done.data[100:110, 60:70]).all()


def test_without_errors_gain_and_read_noise_are_asked():
    model, hit, _ = image(err=False)
    usual = RemoveCosmicRaysStep.call(model)
    assert ((usual.dq & COSMIC)[hit] != 0).mean() >= 0.95
    loud = RemoveCosmicRaysStep.call(model, gain=0.02, read_noise=10.0)
    assert ((loud.dq & COSMIC)[hit] != 0).mean() < 0.5
    model.meta.ground.read_noise = None
    default = RemoveCosmicRaysStep.call(model)
    told = RemoveCosmicRaysStep.call(model, read_noise=12.0)
    np.testing.assert_array_equal(default.dq, told.dq)
    model.meta.ground.gain = None
    with pytest.raises(InputError, match=r"light.fits: neither ERR nor a gain; run coronx_apply"):
        RemoveCosmicRaysStep.call(model)


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"sigclip": 60.0, "sigfrac": 1.0}, False),
        ({"objlim": 500.0}, False),
        ({"psf_fwhm": 1.0}, False),
        ({"fine_structure": "median"}, None),
        ({"niter": 1}, None),
    ],
)
def test_options_change_what_is_found(options, more):
    model, _, _ = image()
    usual, other = (
        ((RemoveCosmicRaysStep.call(model, **o).dq & COSMIC) != 0).sum() for o in ({}, options)
    )
    assert other > 0 or more is False
    if more is False:
        assert other < 0.9 * usual


def test_boxes_of_the_repair():
    model, _, _ = image()
    model.dq[:] |= np.uint32(0)
    few = RemoveCosmicRaysStep.call(model, distance=1, fewest=8)
    many = RemoveCosmicRaysStep.call(model, distance=3, fewest=8)
    assert few.meta.ground.repaired < many.meta.ground.repaired
    left = ((few.dq & COSMIC) != 0) & ((few.dq & REPAIRED) == 0)
    assert (few.dq[left] & DNU).all()


def test_an_image_that_is_all_bad_is_refused():
    model, _, _ = image()
    model.dq[:] = DNU
    with pytest.raises(InputError, match=r"light.fits: no good pixel .*; leave it out"):
        RemoveCosmicRaysStep.call(model, suffix="x")
