import numpy as np
import pytest
from scipy.stats import norm

from coronx.ops.master import combine_master

NY, NX, GAIN, READ = 200, 300, 2.0, 4.0


def stack_of(n, *, seed=0, hits=0.001, hot=True):
    """Return a true image and a stack of n noisy ones in whole numbers, with cosmic rays."""
    rng = np.random.default_rng(seed)
    truth = 100.0 + 20.0 * rng.random((NY, NX))
    if hot:
        truth[rng.random(truth.shape) < 0.01] += 5000.0
    light = rng.poisson(np.broadcast_to(GAIN * truth, (n, NY, NX))) / GAIN
    frames = np.round(light + rng.normal(0.0, READ, light.shape))
    hit = rng.random(frames.shape) < hits
    frames[hit] += 1000.0 + rng.exponential(2000.0, hit.sum())
    return truth, frames, hit


@pytest.mark.parametrize("n", [3, 5, 9, 20])
def test_the_master_is_the_truth_within_its_errors(n):
    truth, frames, hit = stack_of(n, seed=n)
    single = hit.sum(axis=0) <= (n - 1) // 2  # two cosmic rays in three samples hide the truth
    master = combine_master(frames, gain=GAIN)
    pull = ((master.data - truth) / master.err)[single]
    assert pull.std() == pytest.approx(1.0, abs=0.03)
    assert abs(pull.mean()) < 0.03
    # The tails are those of a normal distribution, and no pixel is beyond them.
    for limit in (2.0, 3.0):
        expected = 2.0 * norm.sf(limit) * pull.size
        assert np.count_nonzero(np.abs(pull) > limit) < 1.1 * expected + 5 * np.sqrt(expected)
    assert np.abs(pull).max() < 5.5


def test_every_cosmic_ray_is_rejected_and_little_else():
    truth, frames, hit = stack_of(5)
    master = combine_master(frames, gain=GAIN)
    assert hit.sum() - 5 <= master.rejected <= hit.sum() + 20
    clean = hit.sum(axis=0) == 0
    assert (master.count[clean] == 5).mean() > 0.9998
    assert (master.count[hit.sum(axis=0) == 1] == 4).all()
    assert truth.shape == master.data.shape


def test_good_samples_of_whole_numbers_are_kept():
    # Of five such samples three are often equal: their MAD is 0.
    frames = np.round(np.random.default_rng(1).normal(1000.0, 0.4, (5, 100, 100)))
    master = combine_master(frames)
    assert master.rejected < 5
    assert np.median(master.err) == pytest.approx(frames.std() / np.sqrt(5), rel=0.05)


def test_bright_pixels_have_their_own_noise():
    _, frames, hit = stack_of(5, seed=2, hits=0.0)
    told = combine_master(frames, gain=GAIN)
    hot = told.data > 2000.0
    expected = np.sqrt((5100.0 / GAIN + READ**2) / 5.0)
    assert np.median(told.err[hot]) == pytest.approx(expected, rel=0.05)
    assert not hit.any()


def test_a_flickering_pixel_is_not_thinned_out():
    rng = np.random.default_rng(4)
    frames = rng.normal(100.0, 2.0, (15, 60, 60))
    frames[:, 30, 30] += np.where(np.arange(15) % 3 == 0, 0.0, rng.normal(0.0, 300.0, 15))
    master = combine_master(frames)
    assert master.count[30, 30] == 15
    assert master.err[30, 30] == pytest.approx(
        frames[:, 30, 30].std(ddof=1) / np.sqrt(15), rel=1e-3
    )


def test_of_two_samples_both_are_kept():
    frames = np.random.default_rng(5).normal(100.0, 2.0, (2, 60, 60))
    frames[0, 10, 10] += 500.0
    master = combine_master(frames)
    assert master.rejected == 0
    assert master.err[10, 10] > 100.0  # its scatter says what cannot be decided
    np.testing.assert_allclose(master.data, frames.mean(axis=0), rtol=1e-6)


def test_bad_samples_are_left_out():
    rng = np.random.default_rng(6)
    frames = rng.normal(100.0, 2.0, (4, 50, 50))
    bad = np.zeros(frames.shape, bool)
    bad[0, 10, 10] = bad[:, 20, 20] = bad[:3, 30, 30] = True
    frames[0, 10, 10] = frames[:, 20, 20] = frames[:3, 30, 30] = 65535.0
    frames[1, 40, 40] = np.nan
    master = combine_master(frames, bad)
    assert [master.count[k, k] for k in (10, 20, 30, 40, 45)] == [3, 0, 1, 3, 4]
    assert np.isnan(master.data[20, 20])
    assert np.isnan(master.err[20, 20])
    assert master.data[10, 10] == pytest.approx(frames[1:, 10, 10].mean(), rel=1e-6)
    assert master.data[30, 30] == pytest.approx(frames[3, 30, 30], rel=1e-6)
    assert master.err[30, 30] == pytest.approx(2.0, rel=0.05)
    assert master.rejected == 0


def test_a_lower_sigma_rejects_more():
    frames = np.random.default_rng(7).normal(size=(10, 100, 100))
    rejected = combine_master(frames, sigma=2.0).rejected / frames.size
    assert rejected == pytest.approx(2 * norm.sf(2.0), rel=0.15)


def test_parts_are_combined_as_the_whole(monkeypatch):
    _, frames, _ = stack_of(4, seed=8)
    whole = combine_master(frames)
    monkeypatch.setattr("coronx.ops.master._BLOCK", 20_000)
    parts = combine_master(frames)
    np.testing.assert_array_equal(parts.data, whole.data)
    np.testing.assert_array_equal(parts.err, whole.err)


def test_one_frame_is_refused():
    with pytest.raises(ValueError, match="1 frame"):
        combine_master(np.ones((1, 5, 5)))
