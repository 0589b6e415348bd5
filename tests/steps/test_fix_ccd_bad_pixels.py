import numpy as np
import pytest

from coronx import FixCcdBadPixelsStep
from coronx.errors import InputError
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel

DNU, REPAIRED = FLAGS["DO_NOT_USE"], FLAGS["REPAIRED"]
SHAPE = (60, 70)


def image():
    """Return a noisy slope with a hot pixel, bad column and block, NaN and a saturated star."""
    rng = np.random.default_rng(7)
    x = np.indices(SHAPE)[1]
    truth = 100.0 + 0.2 * x
    data = truth + rng.normal(0, 2.0, SHAPE)
    dq = np.zeros(SHAPE, np.uint32)
    dq[10, 10] = FLAGS["BAD_PIXEL"] | DNU
    dq[:, 30] = FLAGS["BAD_COLUMN"] | DNU
    dq[40:49, 50:59] = FLAGS["USER_BAD"] | DNU
    dq[5, 60] = FLAGS["COSMIC_RAY"] | DNU
    dq[20:25, 5:10] = FLAGS["SATURATED"]
    dq[55:, :3] = FLAGS["NO_DATA"] | DNU
    data[dq != 0] = 5e4
    data[50, 20] = np.nan
    data[55:, :3] = np.nan
    model = GroundImageModel(data=data.astype("f4"), err=np.full(SHAPE, 2.0, "f4"), dq=dq)
    model.meta.filename = "light.fits"
    return model, truth


def test_bad_pixels_become_the_median_of_good_ones():
    model, truth = image()
    done = FixCcdBadPixelsStep.call(model)
    reasons = sum(FLAGS[n] for n in ("BAD_PIXEL", "BAD_COLUMN", "USER_BAD", "COSMIC_RAY"))
    bad = ((model.dq & reasons) != 0) | np.isnan(model.data)
    bad[55:, :3] = False
    mended = (done.dq & REPAIRED) != 0
    left = bad & ~mended
    # Of the block of 9 x 9 the middle 5 x 5 see no good pixel.
    assert left[42:47, 42 + 10 : 47 + 10].all()
    assert left.sum() == 25
    assert ((done.dq[left] & DNU) != 0).all()
    assert ((done.dq[mended] & DNU) == 0).all()
    assert ((done.dq & reasons) == (model.dq & reasons)).all()  # why it was bad stays
    off = (done.data - truth)[mended]
    assert np.abs(off).max() < 5.0
    assert 0.3 < (off / done.err[mended]).std() < 1.1
    assert (done.err[mended] >= 1.9).all()
    np.testing.assert_array_equal(done.data[~bad], model.data[~bad])
    np.testing.assert_array_equal(done.err[~mended], model.err[~mended])
    assert (done.data[20:25, 5:10] == 5e4).all()  # a star is no bad pixel
    assert (done.meta.ground.repaired, done.meta.ground.unrepaired) == (mended.sum(), 25)
    assert done.meta.ground_steps.fix_ccd_bad_pixels == "COMPLETE"
    assert np.isnan(model.data[50, 20])


def test_a_second_time_changes_nothing():
    once = FixCcdBadPixelsStep.call(image()[0])
    twice = FixCcdBadPixelsStep.call(once)
    np.testing.assert_array_equal(twice.data, once.data)
    np.testing.assert_array_equal(twice.dq, once.dq)
    assert twice.meta.ground.repaired == once.meta.ground.repaired


def test_box_and_number_of_pixels_and_flags():
    model, _ = image()

    def left(**options):
        return FixCcdBadPixelsStep.call(model, **options).meta.ground.unrepaired

    assert left(distance=4) < left() < left(distance=1)
    assert left(fewest=6) > left(fewest=1)
    only = FixCcdBadPixelsStep.call(model, bad_bits=["BAD_COLUMN"])
    assert only.data[10, 10] == 5e4
    assert only.data[10, 30] < 200
    with pytest.raises(InputError, match=r"bad_bits 'HOT': no such flag; known are DO_NOT_USE"):
        FixCcdBadPixelsStep.call(model, bad_bits=["HOT"])


def test_an_image_without_errors_gets_none():
    model, _ = image()
    bare = GroundImageModel(data=model.data, dq=model.dq)
    done = FixCcdBadPixelsStep.call(bare, suffix="mended")
    assert done.data[10, 10] < 200
    assert done.getarray_noinit("data") is not None
    assert "err" not in done.instance


def test_a_repaired_pixel_teaches_nothing():
    model, _ = image()
    model.dq[9:12, 9] = REPAIRED
    model.data[9:12, 9] = 9e4
    model.dq[8:13, 8:13] |= REPAIRED
    model.dq[10, 10] = FLAGS["BAD_PIXEL"] | DNU
    assert FixCcdBadPixelsStep.call(model).data[10, 10] == 5e4
