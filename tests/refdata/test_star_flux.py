import math

import numpy as np
import pytest

from coronx.errors import InputError
from coronx.ops.stamp import MaskedPsf, PsfImage
from coronx.refdata.star_flux import (
    flux_from_magnitude,
    flux_from_unocculted,
    jansky_of,
    star_flux,
    sum_of,
)
from coronx.refdata.transmission import transmission
from coronx.refdata.unocculted import read_unocculted
from tests.point_sources import airy
from tests.refdata.unocculted_exposure import AREA, MODE, PLACE, TOTAL, exposure

TRUE = 1e6 * TOTAL * AREA


def test_jansky_and_sums_are_each_others_inverse():
    assert jansky_of(1.0, 1e-13) == pytest.approx(1e-7)
    assert sum_of(jansky_of(123.0, AREA), AREA) == pytest.approx(123.0)


def test_a_given_flux():
    given = star_flux(MODE, "F356W", star_jy=2.5, star_jy_sigma=0.1)
    assert (given.jansky, given.relative_sigma) == (2.5, pytest.approx(0.04))
    assert math.isnan(star_flux(MODE, "F356W", star_jy=2.5).relative_sigma)


def test_a_magnitude_in_the_filters_own_band_needs_no_colour():
    """W1 and F335M are at nearly the same wavelength."""
    found = flux_from_magnitude("F335M", 4.0, "W1", "A0V", sigma=0.03)
    assert found.jansky == pytest.approx(309.54 * 10**-1.6, rel=0.01)
    assert found.relative_sigma == pytest.approx(math.hypot(0.0276, 0.015, 0.05), rel=0.01)


def test_a_vega_like_star_has_vegas_light():
    """From Ks to F444W, near W2."""
    found = flux_from_magnitude("F444W", 5.0, "Ks", "A0V")
    assert found.jansky == pytest.approx(171.787e-2 * (4.6028 / 4.421) ** 2, rel=0.03)
    cool = flux_from_magnitude("F444W", 5.0, "K", "M5")
    assert cool.jansky > 1.25 * found.jansky


def test_aumic_is_as_bright_as_published():
    """Ks = 4.529 (2MASS) and Ks - W1 = 0.13 as its type has it: 5.4 Jy at 3.35 um."""
    found = flux_from_magnitude("F356W", 4.529, "Ks", "M1Ve")
    assert found.jansky == pytest.approx(4.9, rel=0.1)


def _psf(half=32):
    image = PsfImage(airy((2 * half + 1, 2 * half + 1), half, half))
    return MaskedPsf(image, transmission(MODE))


def test_an_exposure_is_fitted_with_the_psf():
    """The light beyond the stamp, which the PSF knows of, counts; so does the mask's share."""
    star = read_unocculted(exposure(), MODE, "F356W")
    through = _psf().at(*PLACE)
    for half in (10, 32):
        found = flux_from_unocculted(star, psf=_psf(half), mask_place=star.mask_place)
        assert found.jansky == pytest.approx(TRUE / through, rel=0.003)
        assert 0 < found.relative_sigma < 0.02
    summed = flux_from_unocculted(star)
    held = airy((65, 65), *np.subtract(PLACE, np.rint(PLACE)) + 32).sum()
    assert summed.jansky == pytest.approx(TRUE * held / star.transmission, rel=0.003)


def test_the_psfs_frame_may_be_another():
    star = read_unocculted(exposure(), MODE, "F356W")
    moved = np.add(star.mask_place, (-20.4, 7.7))
    psf = MaskedPsf(_psf()._psf, transmission(MODE, center=tuple(moved)))
    found = flux_from_unocculted(star, psf=psf, mask_place=tuple(moved))
    assert found.jansky == pytest.approx(TRUE / star.transmission, rel=0.004)


def test_own_psf_gives_back_its_flux():
    """A companion measured with the star's own image has the ratio of fluxes as contrast."""
    star = read_unocculted(exposure(), MODE, "F356W")
    own = PsfImage(star.image / star.total, star.center)
    own = own.scaled(1 / own.kernel.sum())
    found = flux_from_unocculted(star, psf=own)
    stamp = own(150.0, 100.0)
    ratio = np.vdot(stamp.values, 3e-5 * TOTAL * airy((200, 320), 150.0, 100.0)[
        stamp.row : stamp.row + stamp.values.shape[0],
        stamp.col : stamp.col + stamp.values.shape[1],
    ]) / np.vdot(stamp.values, stamp.values)  # fmt: skip
    assert jansky_of(ratio, AREA) / found.jansky == pytest.approx(3e-5, rel=0.004)


def test_target_acquisition():
    found = star_flux(MODE, "F356W", acquisition=exposure(), attenuation=0.01, psf=_psf())
    assert found.jansky == pytest.approx(100 * TRUE, rel=0.004)
    model = exposure()
    model.meta.instrument.filter = "F335M"
    with pytest.raises(InputError, match="in F335M, not F356W; give spectral_type"):
        star_flux(MODE, "F356W", acquisition=model, attenuation=0.01)
    carried = star_flux(MODE, "F356W", acquisition=model, attenuation=0.01, spectral_type="B0")
    assert carried.jansky == pytest.approx(100 * TRUE * (3.365 / 3.563) ** 2, rel=0.05)
    assert carried.relative_sigma >= 0.05


def test_a_whole_exposure_by_options():
    found = star_flux(MODE, "F356W", unocculted=exposure(), psf=_psf())
    assert found.jansky == pytest.approx(TRUE / _psf().at(*PLACE), rel=0.004)
    assert "beside_calints.fits" in found.source


def _without_area():
    model = exposure()
    model.meta.photometry.pixelarea_steradians = None
    return model


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "flux in F356W is not known; give star_jy; or star_mag.*unocculted.*acquisition"),
        ({"spectral_type": "G2V"}, "is not known"),
        ({"star_jy": 1.0, "unocculted": "x.fits"}, "star_jy and unocculted: more than one"),
        ({"star_jy": -1.0}, "star_jy = -1.0: give a positive"),
        ({"star_jy": float("nan")}, "star_jy = nan"),
        ({"star_jy": 1.0, "attenuation": 0.1}, "give both, or none"),
        ({"star_mag": 4.5}, "give all three"),
        ({"star_band": "Ks", "spectral_type": "M1"}, "star_mag = None"),
        ({"star_mag": 4.5, "star_band": "V", "spectral_type": "M1"}, "'V': give one of J, H, KS"),
        ({"star_mag": 4.5, "star_band": "J", "spectral_type": "X1"}, "no spectral type"),
        ({"star_mag": float("inf"), "star_band": "J", "spectral_type": "M1"}, "star_mag = inf"),
        ({"acquisition": "x.fits"}, "give both, or none"),
        ({"acquisition": "x.fits", "attenuation": 2.0}, "attenuation = 2.0"),
    ],
)  # fmt: skip
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        star_flux(MODE, "F356W", **options)


def test_an_exposure_without_the_pixels_area():
    with pytest.raises(InputError, match="no PIXAR_SR"):
        star_flux(MODE, "F356W", unocculted=_without_area())
