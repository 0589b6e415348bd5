import numpy as np
import pytest

from coronx.ops.flat_frames import scale_flats
from coronx.ops.master import combine_master

NY, NX = 120, 160
LEVELS, TIMES = (8000.0, 20000.0, 30000.0), (1.0, 3.0, 7.0)


@pytest.fixture(scope="module")
def scene():
    """Return true flat, bias and dark current, and three noisy flat fields."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:NY, :NX]
    flat = (1.0 - 0.2 * ((x - 80) ** 2 + (y - 60) ** 2) / 100**2) * rng.normal(1.0, 0.01, (NY, NX))
    flat /= np.median(flat)
    bias = 1000.0 + 10.0 * np.sin(x / 3.0)
    dark = np.where(rng.random((NY, NX)) < 0.02, 50.0, 1.0)  # ADU/s
    frames = [
        rng.poisson(2.0 * flat * level + 2.0 * dark * time) / 2.0
        + bias
        + rng.normal(0, 4, (NY, NX))
        for level, time in zip(LEVELS, TIMES, strict=True)
    ]
    return flat, bias, dark, np.array(frames)


def test_each_is_scaled_by_its_own_median(scene):
    flat, bias, dark, frames = scene
    result = scale_flats(frames, bias=bias, dark=10.0 * dark, dark_ratios=np.array(TIMES) / 10.0)
    np.testing.assert_allclose(result.levels, LEVELS, rtol=1e-3)
    np.testing.assert_allclose(np.median(result.frames, axis=(1, 2)), 1.0)
    master = combine_master(result.frames, gain=2.0 * result.levels.mean())
    pull = (master.data - flat) / master.err
    assert pull.std() == pytest.approx(1.0, abs=0.05)
    assert np.abs(pull).max() < 5.5
    assert (result.shared == 0.0).all()


def test_errors_of_bias_and_dark_stay_in_the_mean(scene):
    flat, bias, dark, frames = scene
    rng = np.random.default_rng(1)
    bias_err, dark_err = np.full((NY, NX), 60.0), np.full((NY, NX), 90.0)
    result = scale_flats(
        frames,
        bias=bias + rng.normal(0.0, bias_err),
        bias_err=bias_err,
        dark=10.0 * dark + rng.normal(0.0, dark_err),
        dark_err=dark_err,
        dark_ratios=np.array(TIMES) / 10.0,
    )
    master = combine_master(result.frames, gain=2.0 * result.levels.mean())
    pull = (master.data - flat) / np.sqrt(master.err**2 + result.shared)
    assert pull.std() == pytest.approx(1.0, abs=0.05)
    assert ((master.data - flat) / master.err).std() > 1.1  # without them it would be too small


def test_bad_pixels_are_not_in_the_median(scene):
    _, bias, _, frames = scene
    spoiled, bad = frames.copy(), np.zeros(frames.shape, bool)
    spoiled[:, :50], bad[:, :50] = 65535.0, True
    spoiled[:, 60, 60] = np.nan
    result = scale_flats(spoiled, bad, bias=bias)
    expected = np.median((frames - bias)[:, 50:], axis=(1, 2))
    np.testing.assert_allclose(result.levels, expected, rtol=1e-3)


def test_a_flat_without_light_is_refused(scene):
    _, bias, _, frames = scene
    dark = frames.copy()
    dark[1] = bias - 1.0
    with pytest.raises(ValueError, match="flat field 1 has a median of -1") as caught:
        scale_flats(dark, bias=bias)
    assert caught.value.args[1] == 1
    with pytest.raises(ValueError, match="flat field 0"):
        scale_flats(frames, np.ones(frames.shape, bool))
