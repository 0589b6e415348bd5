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


@pytest.mark.parametrize("n", [58, 59])
def test_it_goes_on_smoothly_towards_half_of_pi(n):
    assert median_efficiency(n) < median_efficiency(n + 2) < np.pi / 2
    assert median_efficiency(n + 2) == pytest.approx(median_efficiency(n), rel=2e-3)
    assert median_efficiency(100_000 + n) == pytest.approx(np.pi / 2, rel=1e-4)
