import numpy as np
import pytest
from scipy.stats import norm

from coronx.ops.read_noise import read_noise


def frames(noise, *, seed=0, shape=(300, 400), whole=True):
    rng = np.random.default_rng(seed)
    bias = 1000.0 + 30.0 * np.sin(np.arange(shape[1]) / 5.0)
    pair = bias + rng.normal(0.0, noise, (2, *shape)) + np.array([0.0, 3.0])[:, None, None]
    return np.round(pair) if whole else pair


@pytest.mark.parametrize("noise", [1.2, 5.0, 30.0])
def test_the_noise_is_measured(noise):
    first, second = frames(noise)
    result = read_noise(first, second)
    expected = np.hypot(noise, 12.0**-0.5)
    assert result.value == pytest.approx(expected, rel=0.015)
    assert result.offset == pytest.approx(-3.0, abs=5 * noise / 250)


def test_its_uncertainty_is_its_scatter():
    done = [read_noise(*frames(5.0, seed=s, shape=(60, 60), whole=False)) for s in range(200)]
    values = np.array([one.value for one in done])
    sigmas = np.array([one.sigma for one in done])
    assert values.mean() == pytest.approx(5.0, rel=0.005)
    # Clipping makes it somewhat larger.
    assert values.std() / sigmas.mean() == pytest.approx(1.1, abs=0.15)


def test_cosmic_rays_and_bad_pixels_are_left_out():
    first, second = frames(4.0)
    first[::20, ::20] += 500.0
    second[5, 5] = np.nan
    bad = np.zeros(first.shape, bool)
    bad[100:110] = True
    first[100:110] += 7.0
    clean, spoiled = read_noise(*frames(4.0)), read_noise(first, second, bad)
    assert spoiled.value == pytest.approx(clean.value, rel=0.01)
    assert spoiled.used + spoiled.clipped == first.size - bad.sum() - 1
    assert spoiled.clipped >= 290


@pytest.mark.parametrize("clip", [2.0, 3.0, 10.0])
def test_the_limit_does_not_matter(clip):
    first, second = frames(6.0, whole=False)
    assert read_noise(first, second, clip=clip).value == pytest.approx(6.0, rel=0.015)


@pytest.mark.parametrize(("noise", "whole"), [(1.2, True), (20.0, True), (20.0, False)])
def test_the_histogram_holds_the_pixels(noise, whole):
    first, second = frames(noise, whole=whole)
    result = read_noise(first, second)
    total = result.counts.sum()
    assert total == pytest.approx(first.size, rel=1e-3)
    mean = (result.counts * result.difference).sum() / total
    assert mean == pytest.approx(-3.0, abs=0.15)
    spread = np.sqrt((result.counts * (result.difference - mean) ** 2).sum() / total)
    assert spread == pytest.approx(np.sqrt(2.0) * result.value, rel=0.02)
    assert result.difference.size <= 63
    # Each bin holds as many numbers as the others.
    width = result.difference[1] - result.difference[0]
    expected = total * width * norm.pdf(result.difference, mean, spread)
    assert (np.abs(result.counts - expected) < 0.02 * expected.max() + 5 * np.sqrt(expected)).all()


def test_what_tells_nothing_is_refused():
    first, second = frames(4.0)
    with pytest.raises(ValueError, match="same frame"):
        read_noise(first, first)
    with pytest.raises(ValueError, match="0 good pixels"):
        read_noise(first, second, np.ones(first.shape, bool))
    with pytest.raises(ValueError, match=r"clip 1.5"):
        read_noise(first, second, clip=1.5)
