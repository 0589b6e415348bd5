import numpy as np
import pytest

from coronx.ops.core_filter import core_filter, core_window
from tests.ops.subtracted_frames import gaussian, gaussian_kernel

PSF = gaussian_kernel(3.0, 9)


def test_it_is_the_least_squares_fit_of_psf_and_level():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(19, 19)) + 40.0 * gaussian((19, 19), 9.3, 8.6, 3.0) + 5.0
    psf = gaussian((19, 19), 9.3, 8.6, 3.0)
    good = rng.random((19, 19)) > 0.2
    weights = core_filter(psf, 2.4, middle=(9.3, 8.6), good=good)
    window = np.sqrt(core_window(np.arange(19) - 9.3, np.arange(19)[:, None] - 8.6, 2.4))[good]
    design = np.stack([psf[good], np.ones(good.sum())], axis=1) * window[:, None]
    flux = np.linalg.lstsq(design, image[good] * window)[0][0]
    assert (weights * image).sum() / (weights * psf).sum() == pytest.approx(flux)
    assert not weights[~good].any()


def test_a_level_is_not_seen_and_a_wide_window_is_the_psf():
    assert core_filter(PSF, 2.4).sum() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(core_filter(PSF, 1e4), PSF - PSF.mean(), atol=1e-6)


def test_what_white_noise_loses_is_as_stated():
    psf = gaussian_kernel(5.0, 30)
    weights = core_filter(psf, 0.8 * 5.0)
    snr = (weights * psf).sum() / np.sqrt((weights**2).sum() * (psf**2).sum())
    assert snr == pytest.approx(0.85, abs=0.01)


def test_nothing_good_has_no_weight_and_no_window_is_refused():
    assert not core_filter(PSF, 2.0, good=np.zeros(PSF.shape, bool)).any()
    with pytest.raises(ValueError, match="window"):
        core_filter(PSF, 0.0)
