import numpy as np
import pytest
from scipy.stats import norm, t

from coronx.ops.small_sample import FIVE_SIGMA, false_alarm, threshold


def test_definition_of_mawet_et_al():
    # Their eq. 9: six elements at 1 lambda/D leave five, and four degrees of freedom.
    expected = t.isf(norm.sf(5.0), 4) * np.sqrt(1.0 + 1.0 / 5.0)
    assert threshold(6.0) == pytest.approx(expected, rel=1e-12)


def test_many_elements_are_gaussian():
    assert threshold(1e7) == pytest.approx(5.0, abs=1e-4)
    assert threshold(1e7, false_alarm=norm.sf(3.0)) == pytest.approx(3.0, abs=1e-4)


def test_probability_and_threshold_are_inverse():
    counts = np.array([3.0, 6.28, 20.0, 300.0])
    limits = threshold(counts, false_alarm=1e-4)
    np.testing.assert_allclose(false_alarm(limits, counts), 1e-4, rtol=1e-9)
    assert (np.diff(limits) < 0.0).all()


def test_samples_of_noise_exceed_it_as_often_as_said():
    rng = np.random.default_rng(1)
    samples = rng.normal(3.0, 2.0, (200_000, 7))
    tested, others = samples[:, 0], samples[:, 1:]
    ratio = (tested - others.mean(axis=1)) / others.std(axis=1, ddof=1)
    assert (ratio > threshold(7.0, false_alarm=0.01)).mean() == pytest.approx(0.01, rel=0.06)


@pytest.mark.parametrize("count", [2.9, 0.0, np.nan])
def test_too_few_elements_give_nothing(count):
    assert np.isnan(threshold(count))
    assert np.isnan(false_alarm(5.0, count))


@pytest.mark.parametrize("probability", [0.0, 1.0, np.nan, -0.1])
def test_probability_must_be_one(probability):
    with pytest.raises(ValueError, match="probability"):
        threshold(10.0, false_alarm=probability)


def test_five_sigma_is_the_gaussian_tail():
    assert pytest.approx(2.8665157e-7, rel=1e-6) == FIVE_SIGMA
