from dataclasses import replace

import numpy as np
import pytest

from coronx.errors import InputError
from coronx.ops.stamp import PsfImage
from coronx.refdata.unocculted import read_unocculted
from coronx.refdata.unocculted_fit import fit_unocculted
from tests.point_sources import airy
from tests.refdata.unocculted_exposure import MODE, PLACE, TOTAL, exposure


@pytest.fixture(scope="module")
def star():
    return read_unocculted(exposure(), MODE, "F356W")


def psf(width=2.25):
    return PsfImage(airy((65, 65), 32, 32, width))


def test_flux_is_found_from_a_place_that_is_a_little_off(star):
    # The star seems fainter by what the mask takes; a level under it is not its light.
    star = replace(star, image=star.image + 3.0)
    flux, misfit = fit_unocculted(star, psf(), np.add(PLACE, (0.4, -0.3)))
    assert flux == pytest.approx(TOTAL, rel=0.004)
    assert 0.0 < misfit < 0.01


def test_what_was_not_measured_takes_no_part(star):
    good = star.good.copy()
    x, y = (round(c) for c in star.center)
    good[y - 4, x - 4 : x + 5] = False
    spoilt = replace(star, image=np.where(good, star.image, 1e5), good=good)
    assert fit_unocculted(spoilt, psf(), np.array(PLACE))[0] == pytest.approx(TOTAL, rel=0.005)


def test_a_psf_that_does_not_fit_has_a_greater_misfit_or_is_refused(star):
    own, other = (fit_unocculted(star, psf(w), np.array(PLACE))[1] for w in (2.25, 2.6))
    assert other > 5.0 * own
    with pytest.raises(InputError, match="does not fit its star; give another PSF"):
        fit_unocculted(replace(star, image=-star.image), psf(), np.array(PLACE))
