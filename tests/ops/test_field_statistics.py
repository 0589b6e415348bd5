import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, norm, t

from coronx.ops.field_statistics import (
    expected_peaks,
    field_false_alarm,
    field_threshold,
    gaussian_sigmas,
    t_value,
)


def test_rarity_is_the_same():
    freedom = np.array([1.5, 7.0, 40.0])
    np.testing.assert_allclose(t_value(4.0, freedom), t.isf(norm.sf(4.0), freedom), rtol=1e-8)
    np.testing.assert_allclose(gaussian_sigmas(t_value(4.0, freedom), freedom), 4.0, rtol=1e-8)
    assert gaussian_sigmas(1e9, 200.0) == 30.0


def test_many_degrees_of_freedom_are_worsleys_gaussian_field():
    # 1996, table II, D = 2: resels 4 ln 2 / (2 pi)^(3/2) t exp(-t^2 / 2), with det L^(1/2)
    # = 4 ln 2 / FWHM^2.
    resels = 12.0
    published = resels * 4.0 * np.log(2.0) / (2.0 * np.pi) ** 1.5 * 3.5 * np.exp(-0.5 * 3.5**2)
    found = expected_peaks(3.5, np.array([resels * 4.0 * np.log(2.0)]), np.array([1e8]))
    assert found == pytest.approx(published, rel=1e-5)


@pytest.mark.parametrize("freedom", [3.0, 12.5])
def test_few_are_the_mean_over_uncertain_thresholds(freedom):
    limit = t.isf(norm.sf(3.0), freedom)

    def density(square):
        u = limit * np.sqrt(square / freedom)
        return u * np.exp(-0.5 * u**2) / (2.0 * np.pi) ** 1.5 * chi2.pdf(square, freedom)

    mean = quad(density, 0.0, np.inf)[0]
    assert expected_peaks(3.0, np.ones(1), np.array([freedom])) == pytest.approx(mean, rel=1e-6)


def test_peaks_of_a_smooth_gaussian_field_are_counted():
    # Against fields made here, not against the formula: white noise smoothed to sigma = 3 pixels.
    rng = np.random.default_rng(8)
    freq = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    smooth = np.exp(-0.5 * (2.0 * np.pi * freq * 3.0) ** 2)
    high = 0
    for _ in range(60):
        field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(256, 256))) * smooth).real
        field /= field.std()
        around = [np.roll(field, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]
        high += np.count_nonzero((field > 3.2) & (field > np.max(around, axis=0)))
    resels = np.array([256.0**2 * 0.5 / 3.0**2])
    expected = 60 * expected_peaks(3.2, resels, np.array([1e8]))
    assert high == pytest.approx(expected, abs=4.0 * np.sqrt(expected) + 0.05 * expected)


def test_threshold_is_the_inverse():
    resels, freedom = np.array([5.0, 50.0, 800.0]), np.array([4.0, 20.0, 90.0])
    for probability in (0.5, 0.03, 1e-6):
        limit = field_threshold(probability, resels, freedom)
        assert field_false_alarm(limit, resels, freedom) == pytest.approx(probability, rel=1e-8)


def test_ends_are_defined():
    field = (np.array([100.0]), np.array([10.0]))
    assert field_false_alarm(0.5, *field) == field_false_alarm(-np.inf, *field) == 1.0
    assert field_false_alarm(np.inf, *field) == field_false_alarm(31.0, *field) == 0.0
    assert np.isfinite(expected_peaks(30.0, np.ones(2), np.array([1.0, 200.0])))
    assert field_threshold(0.1, np.zeros(0), np.zeros(0)) == 1.0
    with pytest.raises(ValueError, match="probability"):
        field_threshold(1.0, *field)


def test_the_fewest_degrees_of_freedom_have_a_threshold():
    # So rare a value of this t is more than a number can hold.
    resels, freedom = np.array([1.0, 300.0]), np.array([1.2785, 40.0])
    assert np.isfinite(expected_peaks(30.0, resels, freedom))
    limit = field_threshold(0.3, resels, freedom)
    assert field_false_alarm(limit, resels, freedom) == pytest.approx(0.3)
