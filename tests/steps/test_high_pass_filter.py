import numpy as np
import pytest
from jwst.datamodels import ModelContainer

from coronx import HighPassFilterStep
from coronx.ops.high_pass import high_pass


@pytest.fixture(scope="module")
def exposure(make_exposure):
    model = make_exposure("a_calints.fits", seed=1, nints=2, companion=(500.0, 4.0, 3.0))
    model.data += np.linspace(0.0, 300.0, 320, dtype="f4")
    return model


@pytest.fixture(scope="module")
def filtered(exposure):
    return HighPassFilterStep.call(exposure)


def test_what_is_smooth_goes_and_what_is_sharp_stays(exposure, filtered):
    assert filtered.meta.coronx.high_pass_filter == "COMPLETE"
    assert filtered.meta.coronx.high_pass_size == 10.0
    corner = np.s_[:, 20:80, 230:300]
    good = exposure.dq[corner] == 0
    assert np.median(exposure.data[corner][good]) > 200.0
    assert abs(np.median(filtered.data[corner][good])) < 1.0
    y, x = np.unravel_index(
        np.nanargmax(np.where(exposure.dq[0] == 0, filtered.data[0], 0.0)), (320, 320)
    )
    assert filtered.data[0].shape == (320, 320)
    assert filtered.data[0, y, x] > 100.0


def test_it_is_the_op_and_leaves_bad_pixels_out(exposure, filtered):
    bad = exposure.dq[0] & 1 != 0
    data, variance = high_pass(exposure.data[0], exposure.err[0] ** 2, bad, size=10.0)
    np.testing.assert_array_equal(filtered.data[0], data)
    np.testing.assert_allclose(filtered.err[0], np.sqrt(variance))
    np.testing.assert_array_equal(np.isnan(filtered.data), np.isnan(exposure.data))
    np.testing.assert_array_equal(filtered.dq, exposure.dq)
    # A spike of 1e4 in the mean would leave a hole of tens about it.
    row, col = np.argwhere(bad & (exposure.data[0] > 9e3) & (np.indices(bad.shape)[0] > 250))[0]
    around = filtered.data[0, row - 2 : row + 3, col - 2 : col + 3]
    assert np.median(around) > -15.0


def test_errors_and_variances_agree(exposure, filtered):
    total = filtered.var_poisson + filtered.var_rnoise + filtered.var_flat
    good = np.isfinite(filtered.err)
    np.testing.assert_allclose(total[good], filtered.err[good] ** 2, rtol=1e-4)
    ratio = filtered.err[good] / exposure.err[good]
    assert 0.98 < np.median(ratio) < 1.0


def test_options(exposure):
    fine = HighPassFilterStep.call(exposure, size=2.0, bad_bits=[])
    assert fine.meta.coronx.high_pass_size == 2.0
    good = exposure.dq == 0
    assert np.nanstd(fine.data[good]) < np.nanstd(exposure.data[good])


def test_once_is_enough(filtered, caplog):
    again = HighPassFilterStep.call([filtered])
    assert isinstance(again, ModelContainer)
    np.testing.assert_array_equal(again[0].data, filtered.data)
    assert any("done before" in r.getMessage() for r in caplog.records)
