import numpy as np
import pytest

from coronx.ops.median_efficiency import median_efficiency


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 13, 60, 61])
def test_it_is_what_medians_of_normal_samples_scatter_by(n):
    samples = np.random.default_rng(n).normal(size=(60_000, n))
    measured = n * np.median(samples, axis=1).var()
    assert median_efficiency(n) == pytest.approx(measured, rel=0.025)


def test_exact_values():
    # Teichroew (1956): variances of the median of 3 and 5 normal samples.
    assert median_efficiency(3) == pytest.approx(3 * 0.4486711, rel=1e-5)
    assert median_efficiency(5) == pytest.approx(5 * 0.2868337, rel=1e-5)


@pytest.mark.parametrize("n", [3, 4])
def test_it_grows_towards_half_of_pi(n):
    # Odd and even numbers each by themselves: the mean of the two middle samples is quieter.
    values = [median_efficiency(k) for k in range(n, 400, 2)]
    assert np.all(np.diff(values) > 0)
    for many in (300 + n, 3000 + n, 100_000 + n):
        assert np.sqrt(median_efficiency(many)) == pytest.approx(np.sqrt(np.pi / 2), abs=2.0 / many)
