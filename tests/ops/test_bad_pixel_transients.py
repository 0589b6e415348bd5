import numpy as np
import pytest

from coronx.ops.bad_pixel_transients import detect_transients, masked_median

SHAPE = (5, 96, 96)


@pytest.fixture(scope="module")
def star(speckles):
    """Five integrations of a star that moves by hundredths of a pixel and changes brightness."""
    rng = np.random.default_rng(1)
    moves = rng.normal(scale=0.03, size=(5, 2))
    light = 1.0 + rng.normal(scale=0.01, size=5)
    truth = np.stack(
        [k * 3000.0 * speckles(96, tuple(m)) for k, m in zip(light, moves, strict=True)]
    )
    return truth, np.sqrt(1.0 + truth / 50.0)


def observed(star, seed):
    truth, err = star
    return truth + np.random.default_rng(seed).normal(size=truth.shape) * err


ALL = np.ones(SHAPE, bool)


def test_hits_are_found_and_nothing_else(star):
    data, err = observed(star, 2), star[1]
    rng = np.random.default_rng(3)
    hit = rng.random(SHAPE) < 0.005
    data[hit] += rng.choice([-1, 1], hit.sum()) * 12 * err[hit]
    found = detect_transients(data, err, ALL)
    faint = star[0] < 5 * err
    assert found[hit & faint].mean() >= 0.98
    assert found[hit].mean() >= 0.9
    assert found[~hit].mean() <= 1e-3


def test_speckle_flanks_that_move_are_not_outliers(star):
    data, err = observed(star, 4), star[1]
    plain = np.abs(data - np.median(data, axis=0)) > 5 * err
    steep = np.hypot(*np.gradient(star[0], axis=(1, 2))) > 5 * err
    assert plain[steep].mean() > 0.02
    assert detect_transients(data, err, ALL)[steep].mean() <= 1e-3


def test_a_single_wild_integration_does_not_hide_or_spread(star):
    data, err = observed(star, 5), star[1]
    data[1] *= 1.5
    data[3, 40, 20] += 30 * err[3, 40, 20]
    found = detect_transients(data, err, ALL)
    assert found[3, 40, 20]
    assert found.mean() <= 2e-3


def test_what_is_bad_throughout_is_no_transient(star):
    data, err = observed(star, 6), star[1]
    data[:, 10, 10] += 50.0
    assert not detect_transients(data, err, ALL)[:, 10, 10].any()


def test_bad_values_and_too_few_integrations(star):
    data, err = observed(star, 7), star[1]
    usable = ALL.copy()
    data[2, 20, 20], usable[2, 20, 20], data[:, 30, 30] = 1e6, False, np.nan
    found = detect_transients(data, err, usable)
    assert not found[:, 20, 20].any()
    assert not found[:, 30, 30].any()
    assert not detect_transients(data[:2], err[:2], usable[:2]).any()
    assert not detect_transients(data, err, np.zeros(SHAPE, bool)).any()


def test_threshold_and_jitter_are_options(star):
    data, err = observed(star, 8), star[1]
    assert detect_transients(data, err, ALL, sigma=2.5).sum() > 100
    flank = np.unravel_index(np.argmax(np.hypot(*np.gradient(star[0][0]))), SHAPE[1:])
    data[0][flank] += 100 * err[0][flank]
    assert detect_transients(data, err, ALL)[0][flank]
    assert not detect_transients(data, err, ALL, jitter=5.0)[0][flank]


def test_masked_median():
    values = np.array([[3.0, np.nan, 7.0], [1.0, 5.0, 9.0], [2.0, 6.0, 1e9], [8.0, 2.0, 8.0]])
    good = np.isfinite(values) & (values < 1e8)
    np.testing.assert_allclose(masked_median(values, good), [2.5, 5.0, 8.0])
    assert np.isnan(masked_median(values, np.zeros_like(good))).all()
    assert np.isnan(masked_median(values[:0], good[:0])).all()
