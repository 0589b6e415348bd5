import numpy as np
import pytest

from coronx.ops.high_pass import high_pass, sigma_of_size

NONE = np.zeros((96, 96), bool)
ONES = np.ones(NONE.shape)


@pytest.mark.parametrize("size", [4.0, 10.0])
@pytest.mark.parametrize("waves", [2, 6, 20])
def test_the_response_is_that_known_by_its_size(size, waves):
    _, x = np.indices((256, 256))
    wave = np.cos(2.0 * np.pi * waves * x / 256)
    filtered, _ = high_pass(wave, np.ones(wave.shape), np.zeros(wave.shape, bool), size=size)
    middle = np.s_[100:156, 100:156]
    passed = (filtered * wave)[middle].sum() / (wave**2)[middle].sum()
    # In transform pixels, with sigma = 256 / size / 2.355: 1 - exp(-(k / sigma)^2).
    expected = 1.0 - np.exp(-((waves / (256 / size / (2 * np.sqrt(2 * np.log(2))))) ** 2))
    assert passed == pytest.approx(expected, abs=0.01)


def test_a_level_and_a_slope_are_taken_out_edges_and_gaps_included():
    _, x = np.indices(NONE.shape)
    data, bad = 100.0 + 0.0 * x, NONE.copy()
    data[30:34, 40], bad[30:34, 40] = 1e7, True
    data[60, 60] = np.nan
    filtered, _ = high_pass(data, ONES, bad, size=6.0)
    assert np.isnan(filtered[60, 60])
    good = ~bad & np.isfinite(data)
    np.testing.assert_allclose(filtered[good], 0.0, atol=1e-9)
    slope, _ = high_pass(100.0 + 0.1 * x, ONES, NONE, size=6.0)
    np.testing.assert_allclose(slope[20:-20, 20:-20], 0.0, atol=1e-9)


def test_variance_is_that_of_filtered_noise():
    rng = np.random.default_rng(4)
    _, x = np.indices(NONE.shape)
    variance = 1.0 + 10.0 * (x > 48)
    bad = rng.random(NONE.shape) < 0.05
    draws = rng.normal(size=(300, *NONE.shape)) * np.sqrt(variance)
    made = [high_pass(d, variance, bad, size=2.0)[0] for d in draws]
    ratio = high_pass(draws[0], variance, bad, size=2.0)[1] / np.var(made, axis=0)
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert np.abs(ratio - 1.0).max() < 0.5


def test_a_point_source_keeps_what_a_small_one_keeps():
    y, x = np.indices(NONE.shape)
    source = np.exp(-((x - 48) ** 2 + (y - 48) ** 2) / 2.0)
    filtered, _ = high_pass(source, ONES, NONE, size=20.0)
    sigma = sigma_of_size(20.0)
    assert filtered[48, 48] == pytest.approx(1.0 - 1.0 / (1.0 + sigma**2), rel=1e-3)


def test_a_size_that_is_none_is_refused():
    with pytest.raises(ValueError, match="positive"):
        high_pass(ONES, ONES, NONE, size=0.0)
