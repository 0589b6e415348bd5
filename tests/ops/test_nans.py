import numpy as np

from coronx.ops.nans import fill_from_stack


def stack(speckles):
    brightness = np.array([1.0, 0.3, 4.0, 2.0])
    return brightness[:, None, None] * (speckles(32) + 0.1)


def test_a_gap_takes_what_the_other_images_imply(speckles):
    truth = stack(speckles)
    rng = np.random.default_rng(1)
    bad = rng.random(truth.shape) < 0.1
    bad[:, 3, 4] = False
    images = truth.astype(np.float32)
    images[bad] = 1e9
    filled, covered = fill_from_stack(images, bad)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(covered, ~bad.all(axis=0))
    # The brightness is measured on a mean image that the gaps themselves disturb.
    relative = filled[:, covered] / truth[:, covered] - 1.0
    assert np.abs(relative).max() < 0.25
    np.testing.assert_array_equal(filled[~bad], images[~bad])
    assert (images[bad] == 1e9).all()


def test_few_gaps_are_filled_to_a_percent(speckles):
    truth = stack(speckles)
    rng = np.random.default_rng(2)
    bad = rng.random(truth.shape) < 0.003
    images = np.where(bad, np.nan, truth)
    filled, covered = fill_from_stack(images, np.zeros_like(bad))
    assert covered.all()
    np.testing.assert_allclose(filled, truth, rtol=0.01)


def test_nan_and_inf_count_as_bad_without_a_flag(speckles):
    images = stack(speckles)
    images[0, 4, 5], images[1, 4, 6], images[2, 4, 7] = np.nan, np.inf, -np.inf
    filled, covered = fill_from_stack(images, np.zeros(images.shape, bool))
    assert np.isfinite(filled).all()
    assert covered.all()


def test_where_no_image_is_good_there_is_zero_and_no_cover(speckles):
    images = stack(speckles)
    bad = np.zeros(images.shape, bool)
    bad[:, 0, :] = True
    images[:, 9, 9] = np.nan
    filled, covered = fill_from_stack(images, bad)
    assert not covered[0].any()
    assert not covered[9, 9]
    assert covered.sum() == covered.size - 33
    assert (filled[:, ~covered] == 0.0).all()


def test_an_image_without_a_good_pixel_takes_the_mean_of_the_others(speckles):
    images = stack(speckles)
    bad = np.zeros(images.shape, bool)
    bad[2] = True
    filled, covered = fill_from_stack(images, bad)
    assert covered.all()
    assert np.isfinite(filled).all()


def test_images_of_negative_or_zero_brightness_do_not_blow_up():
    images = np.zeros((3, 8, 8))
    images[1] = -1.0
    bad = np.zeros(images.shape, bool)
    bad[0, 2, 2] = True
    filled, _ = fill_from_stack(images, bad)
    assert np.isfinite(filled).all()
    assert np.abs(filled).max() <= 1.0


def test_nothing_missing_changes_nothing(speckles):
    images = stack(speckles).astype(np.float32)
    filled, covered = fill_from_stack(images, np.zeros(images.shape, bool))
    np.testing.assert_array_equal(filled, images)
    assert covered.all()


def test_more_gaps_than_a_block_holds():
    rng = np.random.default_rng(3)
    images = np.ones((2, 100, 200))
    bad = np.zeros(images.shape, bool)
    bad[0] = rng.random((100, 200)) < 0.9
    images[bad] = np.nan
    filled, covered = fill_from_stack(images, bad)
    assert bad[0].sum() > 2 * 8192
    assert covered.all()
    np.testing.assert_allclose(filled, 1.0, rtol=1e-5)
