import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.arrays import good_samples
from coronx.models.field import halo_of, mask_of, mean_of, open_field
from coronx.refdata.field_edges import field_edges
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import transmission

MIRI = MODES["miri-1140"]


def miri(shape=MIRI.shape):
    model = CubeModel(data=np.zeros((2, *shape), "f4"))
    model.err, model.dq = np.ones_like(model.data), np.zeros(model.data.shape, "u4")
    meta = model.meta
    meta.instrument.name, meta.instrument.detector = "MIRI", MIRI.detector
    meta.instrument.coronagraph, meta.subarray.name = MIRI.coronmsk, MIRI.subarray
    meta.subarray.xstart, meta.subarray.ystart = MIRI.start
    meta.subarray.ysize, meta.subarray.xsize = MIRI.shape
    meta.wcsinfo.crpix1, meta.wcsinfo.crpix2 = MIRI.center[0] + 1, MIRI.center[1] + 1
    return model


def test_the_field_is_what_the_coronagraph_lets_through(make_exposure):
    field = open_field(make_exposure())
    through = transmission(MODES["nircam-335r"])
    assert np.array_equal(field, through > 0.99)
    assert not field[174, 150]  # the occulter
    assert not field[60, 20]  # a neutral-density square


def test_pixels_that_see_no_sky_in_any_integration_are_not_in_it():
    model = miri()
    model.dq[:, :, :20] = pixel["NON_SCIENCE"]
    model.dq[0, 100:110] |= pixel["NON_SCIENCE"]
    field = open_field(model)
    assert not field[:, :20].any()
    assert field[100:110, 30:80].any()
    assert not field[field_edges(MIRI) < 0.5].any()


def test_a_frame_cut_by_hand_is_known_by_its_wcs():
    """The peer's masks are of cut frames, and lie 13 pixels off on whole ones."""
    whole, cut = miri(), miri((210, 215))
    cut.meta.wcsinfo.crpix1 -= 13
    cut.meta.wcsinfo.crpix2 -= 7
    assert mask_of(whole)[1] == pytest.approx(MIRI.center)
    assert mask_of(cut)[1] == pytest.approx(np.subtract(MIRI.center, (13, 7)))
    assert np.array_equal(open_field(cut), open_field(whole)[7:217, 13:228])


def test_no_coronagraph_no_mask():
    model = CubeModel(data=np.zeros((1, 8, 9), "f4"))
    model.dq = np.zeros((1, 8, 9), "u4")
    assert mask_of(model) is None
    assert open_field(model).all()


def test_good_samples_and_their_mean():
    model = miri((4, 5))
    model.data[0], model.data[1] = 1.0, 3.0
    model.data[0, 0, 0] = np.nan
    model.dq[1, 1, 1] = pixel["DO_NOT_USE"]
    model.dq[1, 2, 2] = pixel["JUMP_DET"]
    model.dq[:, 3, 3] = pixel["DO_NOT_USE"]
    good = good_samples(model)
    assert good.sum() == 40 - 4
    mean = mean_of(model.data, good)
    assert (mean[0, 0], mean[1, 1], mean[2, 2]) == (3.0, 1.0, 2.0)
    assert np.isnan(mean[3, 3])


def test_the_halo_is_about_the_mask(make_exposure):
    exposure = make_exposure(brightness=3.0)
    mean = mean_of(exposure.data, good_samples(exposure))
    halo = halo_of(exposure, mean, open_field(exposure))
    y, x = np.nonzero(halo.outside)
    assert np.hypot(x - 149.2, y - 173.6).min() >= halo.radius - 1
    exposure.err[:] = np.nan
    assert np.isfinite(halo_of(exposure, mean, open_field(exposure)).radius)
