import numpy as np
import pytest

from coronx.ops.pooled_noise import pooled_noise


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_noise_is_that_of_the_samples(n):
    rng = np.random.default_rng(n)
    frames = 100.0 + rng.normal(0.0, 3.0, (n, 200, 300))
    hit = rng.random(frames.shape) < 0.002
    frames[hit] += 1000.0
    noise = pooled_noise(frames)
    assert np.sqrt(noise.at(np.array(100.0))) == pytest.approx(3.0, rel=0.01)


def test_whole_numbers_have_the_noise_of_rounding():
    frames = np.round(np.random.default_rng(1).normal(1000.3, 0.6, (5, 300, 300)))
    noise = pooled_noise(frames)
    # Frames of so little noise have MADs of 0.
    assert noise.at(np.array(1000.0)) == pytest.approx(0.6**2 + 1.0 / 12.0, rel=0.05)


def test_noise_grows_with_the_level():
    rng = np.random.default_rng(2)
    level = np.linspace(100.0, 10000.0, 400)[:, None] * np.ones(300)
    frames = level + rng.normal(size=(5, 400, 300)) * np.sqrt(level / 2.0 + 9.0)
    noise = pooled_noise(frames, gain=2.0)
    for at in (500.0, 3000.0, 9000.0, 40000.0):
        assert noise.at(np.array(at)) == pytest.approx(at / 2.0 + 9.0, rel=0.05)
    assert pooled_noise(frames).at(np.array(40000.0)) < 6000.0  # nothing is known of the gain


def test_bad_samples_and_few_frames():
    frames = np.random.default_rng(3).normal(size=(4, 50, 60))
    frames[0, :25] = np.nan
    assert pooled_noise(frames).at(np.array(0.0)) == pytest.approx(1.0, rel=0.1)
    with pytest.raises(ValueError, match="1 frame"):
        pooled_noise(frames[:1])
    frames[1] = np.nan
    with pytest.raises(ValueError, match="no pixel is good"):
        pooled_noise(frames)


def test_frames_without_noise():
    assert pooled_noise(np.ones((3, 20, 20))).at(np.array(1.0)) == 0.0
