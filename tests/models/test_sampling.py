import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.sampling import chosen_blur, fit_blur, record_blur

AUTO = np.sqrt(3.45**2 - 2.243**2) / 2.355  # F356W behind 5.2 m: 2.24 pixels of 0.063"


@pytest.fixture
def exposure(make_exposure):
    return make_exposure("a_calints.fits", nints=1)


def test_choices(exposure):
    assert chosen_blur(exposure, "none") == 0.0
    assert chosen_blur(exposure, "1.5") == 1.5
    assert chosen_blur(exposure, " Auto ") == pytest.approx(AUTO, rel=0.01)


@pytest.mark.parametrize("choice", ["much", "-1", "nan", "inf", ""])
def test_what_is_no_choice_is_refused(exposure, choice):
    with pytest.raises(InputError, match="give none, auto, or a sigma"):
        chosen_blur(exposure, choice)


def test_auto_asks_for_what_is_left_to_do(exposure):
    record_blur(exposure, 0.3)
    record_blur(exposure, 0.4)
    assert exposure.meta.coronx.blur_sigma == pytest.approx(0.5)
    assert chosen_blur(exposure, "auto") == pytest.approx(np.sqrt(AUTO**2 - 0.25), rel=0.01)
    record_blur(exposure, 2.0)
    assert chosen_blur(exposure, "auto") == 0.0


def test_only_what_is_aliased_is_blurred_to_be_fitted(exposure):
    assert fit_blur(exposure) == 0.0
    exposure.meta.instrument.filter = "F250M"
    assert fit_blur(exposure) == pytest.approx(1.30, abs=0.01)
    record_blur(exposure, 5.0)
    assert fit_blur(exposure) == 0.0
    exposure.meta.instrument.filter = "CLEAR"
    assert fit_blur(exposure) == 0.0


def test_auto_needs_the_size_of_a_pixel(exposure):
    exposure.meta.wcs = None
    assert chosen_blur(exposure, "auto") == pytest.approx(AUTO, rel=0.01)
    exposure.meta.photometry.pixelarea_arcsecsq = None
    assert fit_blur(exposure) == 0.0
    with pytest.raises(
        InputError, match=r"a_calints.*needs the size of a pixel.*give the blur's sigma"
    ):
        chosen_blur(exposure, "auto")
