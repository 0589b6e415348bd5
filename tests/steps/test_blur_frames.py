import numpy as np
import pytest
from jwst.datamodels import ModelContainer
from scipy.ndimage import gaussian_filter
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import BlurFramesStep
from coronx.errors import InputError

AUTO = np.sqrt(3.45**2 - 2.243**2) / 2.355  # F356W behind 5.2 m: 2.24 pixels of 0.063"


@pytest.fixture(scope="module")
def exposure(make_exposure):
    model = make_exposure("a_calints.fits", seed=1, nints=2)
    model.data[1, 200:203, 200:203] = np.nan
    model.data[1, 60:75, 60:75] = np.nan
    model.dq[1, 60:75, 60:75] = pixel["DO_NOT_USE"]
    model.dq[0, 250, 250] = pixel["JUMP_DET"]
    return model


@pytest.fixture(scope="module")
def blurred(exposure):
    return BlurFramesStep.call(exposure)


def test_auto_widens_the_psf_to_what_can_be_moved(exposure, blurred):
    assert blurred.meta.coronx.blur_sigma == pytest.approx(AUTO, rel=0.01)
    clean = np.where(exposure.dq[0] == 0, exposure.data[0], np.nan)
    good = np.isfinite(clean)
    weight = gaussian_filter(good.astype(float), AUTO, truncate=5.0, mode="constant")
    smooth = gaussian_filter(np.nan_to_num(clean), AUTO, truncate=5.0, mode="constant") / weight
    assert np.std((blurred.data[0] - smooth)[good]) < 0.01 * np.std(smooth[good])
    assert blurred.meta.coronx.blur_frames == "COMPLETE"


def test_bad_pixels_neither_spread_nor_stay(exposure, blurred):
    spikes = (exposure.dq[0] & 1 != 0) & (exposure.data[0] > 9e3)
    assert spikes.sum() >= 19
    assert np.isfinite(blurred.data[0][spikes]).all()
    told = blurred.dq[0][spikes]
    assert (told & pixel["FLUX_ESTIMATED"] != 0).all()
    assert (told & pixel["DO_NOT_USE"] == 0).all()
    far = np.s_[:, 20:60, 250:300]
    assert blurred.data[far].max() < exposure.data[far][exposure.dq[far] == 0].max()
    # A gap wider than the Gaussian stays one, flagged; a flag of its own moves nowhere.
    assert np.isnan(blurred.data[1, 64:71, 64:71]).all()
    gone = np.isnan(blurred.data)
    assert (blurred.dq[gone] & pixel["DO_NOT_USE"] != 0).all()
    assert np.array_equal(gone, np.isnan(blurred.err))
    assert np.argwhere(blurred.dq[0] & pixel["JUMP_DET"]).tolist() == [[250, 250]]


def test_err_follows_by_squared_weights_and_variances_agree(exposure, blurred):
    inner = np.s_[:, 20:50, 20:50]
    factor = np.median(blurred.err[inner]) / np.median(exposure.err[inner])
    # Of a wide Gaussian, 1 / (2 sqrt(pi) sigma).
    assert factor == pytest.approx(1.0 / (2.0 * np.sqrt(np.pi) * AUTO), rel=0.02)
    total = blurred.var_poisson + blurred.var_rnoise + blurred.var_flat
    good = np.isfinite(blurred.err)
    np.testing.assert_allclose(total[good], blurred.err[good] ** 2, rtol=1e-4)


def test_a_sigma_and_bad_bits_of_ones_own(exposure):
    wide = BlurFramesStep.call(exposure, sigma="2.0", bad_bits=[])
    assert wide.meta.coronx.blur_sigma == 2.0
    spike = np.argwhere((exposure.dq[0] & 1 != 0) & (exposure.data[0] > 9e3))[0]
    assert wide.data[0][tuple(spike)] > 200.0
    with pytest.raises(InputError, match="give none, auto, or a sigma"):
        BlurFramesStep.call(exposure, sigma="-1")


def test_once_is_enough_and_a_wide_psf_is_left(exposure, blurred, caplog):
    again = BlurFramesStep.call(blurred)
    np.testing.assert_array_equal(again.data, blurred.data)
    assert any("done before" in r.getMessage() for r in caplog.records)
    fine = exposure.copy()
    fine.meta.instrument.filter = "F2300C"
    fine.meta.instrument.name = "MIRI"
    left = BlurFramesStep.call(fine)
    assert left.meta.coronx.blur_frames == "SKIPPED"
    np.testing.assert_array_equal(left.data, fine.data)


def test_a_filter_that_is_not_known_is_an_error(exposure):
    odd = exposure.copy()
    odd.meta.instrument.filter = "F070W"
    with pytest.raises(InputError, match=r"F070W.*F182M"):
        BlurFramesStep.call(odd)


def test_several_exposures(exposure):
    other = exposure.copy()
    other.meta.filename = "b_calints.fits"
    made = BlurFramesStep.call([exposure, other], sigma="0.5")
    assert isinstance(made, ModelContainer)
    assert [m.meta.filename for m in made] == ["a_calints.fits", "b_calints.fits"]
