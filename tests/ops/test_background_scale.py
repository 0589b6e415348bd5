import numpy as np
import pytest

from coronx.ops.background_scale import fit_background_scale

N = 20000
TRUE = 1.02


def pixels(seed, structure, *, level=30.0, noise=0.5, shift=0.0):
    rng = np.random.default_rng(seed)
    sky = level + structure * np.random.default_rng(99).normal(size=N)
    target = TRUE * sky + shift + noise * rng.normal(size=N)
    background = sky + noise * rng.normal(size=N)
    target[:100] += rng.exponential(20.0, size=100)  # companions and cosmic rays
    return target, background, np.full(N, noise), np.full(N, noise)


def test_two_percent_of_a_level_are_found():
    target, background, *errors = pixels(1, 0.0)
    found = fit_background_scale(target, background, *errors)
    assert found.determined
    assert found.scale == pytest.approx(TRUE, abs=4 * found.sigma)
    assert found.sigma == pytest.approx(0.5 * np.sqrt(1 + TRUE**2) / 30 / np.sqrt(N), rel=0.1)
    assert N - 200 < found.count < N
    # The peer's factor of one leaves 0.6.
    assert abs(np.median(target - found.scale * background)) < 0.02


@pytest.mark.parametrize("structure", [2.0, 0.5, 0.25])
def test_structure_drowned_in_noise_still_gives_the_factor(structure):
    found = [
        fit_background_scale(*pixels(seed, structure, shift=7.0), offset=True) for seed in range(25)
    ]
    pulls = [(one.scale - TRUE) / one.sigma for one in found]
    assert np.std(pulls) == pytest.approx(1.0, abs=0.35)
    assert abs(np.mean(pulls)) < 0.8
    # A regression that knows of no noise in the background falls short of it.
    target, background, *_ = pixels(1, structure, shift=7.0)
    away = background - background.mean()
    naive = float(away @ target) / float(away @ away)
    assert naive < TRUE - 5 * found[1].sigma * (structure < 1.0)


def test_noise_alone_tells_no_factor():
    found = fit_background_scale(*pixels(1, 0.0), offset=True)
    assert not found.determined
    assert (found.scale, found.sigma) == (1.0, 0.0)
    empty = np.zeros(0)
    assert not fit_background_scale(empty, empty, empty, empty).determined


def test_pixels_without_a_value_or_an_error_are_left_out():
    target, background, sigma, other = pixels(1, 0.0)
    expected = fit_background_scale(target[300:], background[300:], sigma[300:], other[300:])
    target[:100], background[100:200] = np.nan, np.nan
    sigma[200:300] = 0.0
    found = fit_background_scale(target, background, sigma, other)
    assert found.scale == pytest.approx(expected.scale, abs=1e-12)
