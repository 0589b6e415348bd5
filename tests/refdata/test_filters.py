import pytest

from coronx.errors import InputError
from coronx.refdata.filters import fwhm_pixels, pivot_wavelength
from coronx.refdata.modes import MODES


def test_every_filter_of_every_mode_has_a_wavelength():
    for mode in MODES.values():
        for name in mode.filters:
            # The name is the wavelength in units of 10 nm.
            assert pivot_wavelength(name) == pytest.approx(int(name[1:4]) / 100, rel=0.02) or (
                pivot_wavelength(name) == pytest.approx(int(name[1:5]) / 100, rel=0.02)
            )


@pytest.mark.parametrize(
    ("mode", "name", "fwhm"),
    [("nircam-210r", "F210M", 2.69), ("nircam-335r", "F335M", 2.16), ("miri-1140", "F1140C", 3.25)],
)
def test_width_is_lambda_over_d(mode, name, fwhm):
    mode = MODES[mode]
    assert fwhm_pixels(mode.instrument, name, mode.scale[0]) == pytest.approx(fwhm, rel=0.02)


def test_a_diameter_may_be_given():
    narrow = fwhm_pixels(None, "F356W", 0.063, diameter_m=6.5)
    assert narrow == pytest.approx(0.8 * fwhm_pixels("nircam", "f356w", 0.063))


@pytest.mark.parametrize("name", ["F150W", None, ""])
def test_unknown_filters_are_refused_and_the_known_listed(name):
    with pytest.raises(InputError, match=r"F182M, .*F356W.*F2300C"):
        pivot_wavelength(name)


def test_unknown_instruments_are_refused():
    with pytest.raises(InputError, match="NIRCAM, MIRI"):
        fwhm_pixels("NIRISS", "F480M", 0.065)
