import math

import pytest

from coronx.errors import InputError
from coronx.refdata.stellar_colors import BANDS, flux_ratio


def _color(spectral_type, one, other):
    """Return the difference of magnitudes."""
    a, b = BANDS[one], BANDS[other]
    ratio = flux_ratio(spectral_type, a.wavelength, b.wavelength)
    return 2.5 * math.log10(ratio * a.zero_jy / b.zero_jy)


@pytest.mark.parametrize(
    ("spectral_type", "one", "other", "published"),
    [
        ("A0V", "KS", "W1", 0.042), ("G2V", "KS", "W1", 0.061), ("M1Ve", "KS", "W1", 0.130),
        ("K5V", "J", "KS", 0.700), ("M4V", "J", "W1", 1.017), ("G2V", "W1", "W2", -0.05),
        ("A0V", "W1", "W2", -0.041), ("A0V", "W1", "W3", -0.074), ("M5V", "W1", "W2", 0.170),
    ],
)  # fmt: skip
def test_stars_have_the_published_colours(spectral_type, one, other, published):
    # Beyond W2 a black body stands for the star.
    tolerance = 0.1 if other == "W3" else 0.02
    assert _color(spectral_type, one, other) == pytest.approx(published, abs=tolerance)


def test_ratios_multiply():
    there = flux_ratio("K2", 2.159, 3.563)
    assert there * flux_ratio("K2", 3.563, 4.421) == pytest.approx(flux_ratio("K2", 2.159, 4.421))
    assert flux_ratio("K2", 3.3, 3.3) == 1.0


def test_no_type():
    with pytest.raises(InputError, match="no spectral type"):
        flux_ratio("Q", 2.0, 3.0)
