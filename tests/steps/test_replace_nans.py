import logging

import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import ReplaceNansStep
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.ops.shift import shift_image, shift_variance

BAD = pixel["DO_NOT_USE"]
FLOATS = ("data", "err", "var_poisson", "var_rnoise", "var_flat")


@pytest.fixture
def exposure(make_exposure):
    """Return an exposure whose edge and single pixels are NaN, some with DQ = 0."""
    model = make_exposure(seed=1)
    model.var_flat = 0.1 * model.var_poisson
    model.err = np.sqrt(model.var_poisson + model.var_rnoise + model.var_flat)
    for name in FLOATS:
        values = getattr(model, name).copy()
        values[:, :2, :] = np.nan  # with DQ = 0, as in real frames
        setattr(model, name, values)
    model.err[0, 160, 20] = np.nan  # an error alone
    model.var_flat[1, 40, 40] = np.nan  # a variance alone
    model.dq[0, 100, 90] |= pixel["SATURATED"]
    return model


def test_what_is_not_finite_becomes_the_constant(exposure):
    before = exposure.copy()
    result = ReplaceNansStep.call(exposure, cval=1.5)
    lost = ~np.isfinite(before.data)
    assert lost.sum() > 2000
    assert (result.data[lost] == 1.5).all()
    for name in FLOATS:
        old, new = getattr(before, name), getattr(result, name)
        assert np.isfinite(new).all()
        assert new.dtype == np.float32
        same = np.isfinite(old) & ~lost & (name != "err")
        if name.startswith("var"):
            same &= np.isfinite(before.err) & np.isfinite(before.var_flat)
        np.testing.assert_array_equal(new[same], old[same], err_msg=name)
    assert result.meta.coronx.replace_nans == "COMPLETE"


def test_weights_rest_on_dq(exposure):
    result = ReplaceNansStep.call(exposure)
    nothing = ~np.isfinite(exposure.data) | ~np.isfinite(exposure.err)
    assert ((result.dq[nothing] & BAD) > 0).all()
    np.testing.assert_array_equal(result.dq[~nothing], exposure.dq[~nothing])
    assert result.dq[0, 100, 90] == BAD | pixel["SATURATED"]
    ratio = result.err[0, 160, 20] / np.median(result.err[0, 158:163, 18:23])
    assert ratio == pytest.approx(1.0, abs=0.1)


def test_error_and_variances_tell_the_same(exposure):
    result = ReplaceNansStep.call(exposure)
    total = result.var_poisson + result.var_rnoise + result.var_flat
    np.testing.assert_allclose(total, result.err**2, rtol=1e-4)


def test_a_later_shift_is_finite(exposure):
    result = ReplaceNansStep.call(exposure)
    move = np.array([0.4, -1.3])
    far = np.s_[20:300, 20:300]
    for n in range(2):
        assert np.isfinite(shift_image(result.data[n], move)).all()
        error = np.sqrt(shift_variance(result.err[n] ** 2, move))
        assert np.isfinite(error).all()
        assert error[far].max() < 1.1 * np.nanmax(exposure.err[n])
        assert error[far].min() > 0.9 * np.nanmin(exposure.err[n])


def test_input_is_left_alone_and_run_twice_is_run_once(exposure):
    before = exposure.copy()
    once = ReplaceNansStep.call(exposure)
    for name, values in arrays_of(before).items():
        np.testing.assert_array_equal(getattr(exposure, name), values, err_msg=name)
    twice = ReplaceNansStep.call(once)
    for name, values in arrays_of(once).items():
        np.testing.assert_array_equal(getattr(twice, name), values, err_msg=name)
        assert not np.may_share_memory(getattr(twice, name), values)


def test_a_clean_exposure_stays_as_it_is(make_exposure, caplog):
    model = make_exposure(seed=1, blemishes=False)
    with caplog.at_level(logging.INFO, "coronx"):
        result = ReplaceNansStep.call(model)
    for name, values in arrays_of(model).items():
        np.testing.assert_array_equal(getattr(result, name), values, err_msg=name)
    assert "0 pixels of SCI and 0 of ERR replaced" in caplog.text


def test_without_variances_none_are_made(exposure):
    for name in FLOATS[2:]:
        delattr(exposure, name)
    result = ReplaceNansStep.call(exposure)
    assert set(arrays_of(result)) == {"data", "err", "dq"}


def test_a_constant_that_is_not_finite_is_refused(exposure):
    with pytest.raises(InputError, match="cval = nan: not a finite number"):
        ReplaceNansStep.call(exposure, cval=np.nan)


def test_an_exposure_without_errors_is_refused(exposure):
    exposure.err[:] = np.nan
    with pytest.raises(InputError, match=r"star_00001.*no finite error.*leave it out"):
        ReplaceNansStep.call(exposure)


@pytest.mark.realdata
def test_real_frames_become_finite(realdata, tmp_path):
    path = min((realdata / "aumic_f356w").glob("*_calints.fits"))
    ReplaceNansStep.call(str(path), save_results=True, output_dir=str(tmp_path))
    (made,) = tmp_path.glob("*_nonan.fits")
    with fits.open(path) as old, fits.open(made) as new:
        lost = ~np.isfinite(old["SCI"].data)
        assert lost.sum() >= 320
        assert (new["SCI"].data[lost] == 0.0).all()
        np.testing.assert_array_equal(new["SCI"].data[~lost], old["SCI"].data[~lost])
        assert np.isfinite(new["ERR"].data).all()
        assert (new["ERR"].data > 0.0).all()
        assert ((new["DQ"].data[lost] & BAD) > 0).all()
        assert new[0].header["S_CXNAN"] == "COMPLETE"
