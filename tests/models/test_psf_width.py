import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.psf_width import psf_width
from coronx.models.schema import extend


@pytest.fixture
def exposure(make_exposure):
    return make_exposure(nints=1, blemishes=False)


def test_width_of_an_exposure(exposure):
    # F356W behind a stop of 5.2 m, pixels of 0.063".
    assert psf_width(exposure) == pytest.approx(2.24, abs=0.03)


def test_without_a_wcs_the_pixels_area_tells(exposure):
    with_wcs = psf_width(exposure)
    exposure.meta.wcs = None
    assert psf_width(exposure) == pytest.approx(with_wcs, rel=0.01)


def test_a_blur_adds_in_quadrature(exposure):
    sharp = psf_width(exposure)
    extend(exposure).meta.coronx.blur_sigma = 1.0
    assert psf_width(exposure) == pytest.approx(np.hypot(sharp, 2.3548), rel=1e-3)


def test_an_unknown_filter_is_refused_with_the_files_name(exposure):
    exposure.meta.instrument.filter = "F150W"
    with pytest.raises(InputError, match=r"star_00001.*F150W.*F356W.*give fwhm"):
        psf_width(exposure)


def test_an_unknown_size_of_a_pixel_is_refused(exposure):
    exposure.meta.wcs = None
    exposure.meta.photometry.pixelarea_arcsecsq = None
    with pytest.raises(InputError, match=r"star_00001.*size of a pixel.*give fwhm"):
        psf_width(exposure)
