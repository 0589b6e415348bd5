import numpy as np
import pytest

from coronx.ops.gaps import fill_frame
from coronx.ops.inpainting import fill_smoothly
from coronx.ops.median import fill_local_median


@pytest.fixture
def blemished(speckles):
    """Return a scene, the same with one pixel in two hundred wild, and which those are."""
    scene = speckles(128)
    bad = np.random.default_rng(1).random(scene.shape) < 0.005
    return scene, np.where(bad, np.nan, scene), bad


def rms(values):
    return np.sqrt(np.mean(values**2))


def test_a_fill_is_far_nearer_than_a_median(blemished):
    scene, spoilt, bad = blemished
    filled = fill_frame(spoilt, np.ones(scene.shape), bad)
    median = fill_local_median(spoilt, bad)
    smooth = fill_smoothly(median, bad)
    error = rms((filled.data - scene)[bad])
    assert error < 0.25 * rms((median - scene)[bad])
    assert error < 1.2 * rms((smooth - scene)[bad])
    np.testing.assert_array_equal(filled.data[~bad], scene[~bad])
    np.testing.assert_array_equal(filled.bad, bad)


def test_noise_is_not_multiplied():
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(128, 128))
    bad = rng.random(noise.shape) < 0.01
    filled = fill_frame(noise, np.ones(noise.shape), bad)
    assert rms(filled.data[bad]) < 1.5


def test_pairs_are_filled_together(speckles):
    scene, bad = speckles(64), np.zeros((64, 64), bool)
    bad[30, 30:32] = bad[40, 25] = bad[41, 26] = True
    filled = fill_frame(np.where(bad, 1e5, scene), np.ones(scene.shape), bad)
    np.testing.assert_allclose(filled.data[bad], scene[bad], atol=0.05)
    assert not filled.wide.any()


def test_the_inside_of_a_cluster_is_wide():
    bad = np.zeros((40, 40), bool)
    bad[10:13, 10:13] = bad[30] = bad[:, 0:2] = True
    filled = fill_frame(np.ones((40, 40)), np.ones((40, 40)), bad)
    assert filled.wide[11, 11]
    assert filled.wide[2:29, :2].all()
    assert not filled.wide[30, 3:].any()
    np.testing.assert_allclose(filled.data, 1.0)


def test_a_large_gap_gets_the_level_of_its_rim_then_the_median():
    data, bad = np.full((40, 40), 3.0), np.zeros((40, 40), bool)
    bad[10:30, 10:30] = True
    data[bad] = np.nan
    data[8:32, 8:32] = np.where(bad[8:32, 8:32], np.nan, 8.0)
    filled = fill_frame(data, data, bad).data
    np.testing.assert_allclose(filled[10:13, 12:28], 8.0)
    assert (filled[14:26, 14:26] < 8.0).all()


def test_variance_is_filled_where_it_says_nothing():
    variance = np.full((20, 20), 4.0)
    variance[5, 5], variance[6, 12], variance[15, 15] = np.nan, -1.0, np.inf
    bad = np.zeros((20, 20), bool)
    bad[10, 3], variance[10, 3] = True, 1e4
    filled = fill_frame(np.ones((20, 20)), variance, bad)
    np.testing.assert_array_equal(filled.variance, 4.0)
    assert filled.bad.sum() == 1


def test_nothing_good_is_zero():
    filled = fill_frame(np.full((9, 9), np.nan), np.full((9, 9), np.nan), np.zeros((9, 9), bool))
    np.testing.assert_array_equal(filled.data, 0.0)
    np.testing.assert_array_equal(filled.variance, 0.0)
    assert filled.wide.all()


def test_precision_is_kept_and_inputs_are_not_changed(blemished):
    _, spoilt, bad = blemished
    inputs = [spoilt.astype("f4"), np.ones(bad.shape, "f4"), bad]
    copies = [i.copy() for i in inputs]
    assert fill_frame(*inputs).data.dtype == np.float32
    for given, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(given, copy)
