from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from coronx.ops.nans import fill_from_stack, replace_nans
from coronx.ops.shift import shift_flags, shift_image, shift_variance


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


FLAG = 1
OTHER = 1 << 10


@pytest.fixture
def cube(speckles):
    """Return a star with its noise and parts of it, and the same with what real frames lack."""
    rng = np.random.default_rng(4)
    truth = 1000.0 * np.stack([speckles(64, seed=n) for n in (1, 2)]) + 3.0
    parts = [0.5 * truth, np.full_like(truth, 2.0), 1e-3 * truth]
    err = np.sqrt(np.sum(parts, axis=0))
    data = truth + rng.normal(size=truth.shape) * err
    good = [a.astype(np.float32) for a in (data, err, *parts)]
    bad = [a.copy() for a in good]
    lost = np.zeros(truth.shape, bool)
    lost[:, :, :4] = lost[:, -4:, :] = lost[0, 20, 41] = lost[1, 9:12, 50:52] = True
    bad[0][lost] = np.nan
    bad[0][1, 9, 50], bad[0][1, 9, 51] = np.inf, -np.inf
    for values in bad[1:]:
        values[lost] = np.nan
    bad[1][0, 20, 41] = 0.0  # no value and no error either
    bad[1][0, 50, 50] = np.inf  # an error alone
    lost_error = lost.copy()
    lost_error[0, 50, 50] = True
    bad[4][1, 12, 12] = np.nan  # a part alone
    dq = np.zeros(truth.shape, np.uint32)
    dq[0, 20, 41] = OTHER
    return SimpleNamespace(good=good, bad=bad, dq=dq, lost=lost, lost_error=lost_error)


def test_nans_become_the_constant_and_the_rest_stays(cube):
    data, err, *parts = cube.bad
    found = replace_nans(data, err, cube.dq, parts, flag=FLAG, cval=-2.5)
    assert (found.data[cube.lost] == -2.5).all()
    np.testing.assert_array_equal(found.data[~cube.lost], data[~cube.lost])
    np.testing.assert_array_equal(found.err[~cube.lost_error], err[~cube.lost_error])
    assert (found.data_count, found.err_count) == (cube.lost.sum(), cube.lost_error.sum())
    for values in (found.data, found.err, *found.variances):
        assert np.isfinite(values).all()
        assert values.dtype == np.float32
    assert np.isnan(data[cube.lost]).any()  # the input is as it was
    assert (cube.dq[0, 0] == 0).all()


def test_flags_say_where_there_was_nothing_and_keep_the_rest(cube):
    data, err, *parts = cube.bad
    found = replace_nans(data, err, cube.dq, parts, flag=FLAG)
    np.testing.assert_array_equal((found.dq & FLAG) > 0, cube.lost_error)
    assert found.dq[0, 20, 41] == FLAG | OTHER
    assert found.dq.dtype == np.uint32


def test_missing_errors_are_those_of_the_surroundings(cube):
    data, err, *parts = cube.bad
    found = replace_nans(data, err, cube.dq, parts, flag=FLAG)
    ratio = found.err[cube.lost_error] / cube.good[1][cube.lost_error]
    assert ratio.min() > 0.3
    assert ratio.max() < 3.0
    assert ratio[np.isfinite(ratio)].mean() == pytest.approx(1.0, abs=0.15)
    assert found.err[0, 50, 50] == pytest.approx(np.median(err[0, 48:53, 48:53]), rel=0.1)


def test_parts_add_up_to_the_squared_error_where_they_were_made(cube):
    data, err, *parts = cube.bad
    found = replace_nans(data, err, cube.dq, parts, flag=FLAG)
    made = cube.lost_error.copy()
    made[1, 12, 12] = True
    total = np.sum(found.variances, axis=0)
    np.testing.assert_allclose(total[made], found.err[made] ** 2, rtol=1e-5)
    for part, before in zip(found.variances, parts, strict=True):
        np.testing.assert_array_equal(part[~made], before[~made])
        assert (part[made] > 0.0).all()


def test_run_twice_is_run_once(cube):
    data, err, *parts = cube.bad
    once = replace_nans(data, err, cube.dq, parts, flag=FLAG)
    twice = replace_nans(once.data, once.err, once.dq, once.variances, flag=FLAG)
    assert (twice.data_count, twice.err_count) == (0, 0)
    for name in ("data", "err", "dq", "variances"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(once, name))


@pytest.mark.parametrize("shift", [(0.5, 0.0), (-3.3, 2.7)])
def test_a_shift_stays_finite_and_far_pixels_unbiased(cube, shift):
    # In the peer a NaN left in ERR made the whole shifted ERR NaN, and a large number there
    # was spread over it (its issues 296 and 301).
    data, err, *parts = cube.bad
    found = replace_nans(data, err, cube.dq, parts, flag=FLAG)
    far = ~maximum_filter(cube.lost_error, (1, 13, 13), mode="wrap")  # as the transform does
    move = np.array(shift)
    for n in range(2):
        moved = shift_image(found.data[n], move)
        whole = shift_image(cube.good[0][n], move)
        error = np.sqrt(shift_variance(found.err[n] ** 2, move))
        true = np.sqrt(shift_variance(cube.good[1][n] ** 2, move))
        assert np.isfinite(moved).all()
        assert np.isfinite(error).all()
        assert (error > 0.0).all()
        np.testing.assert_allclose(error[far[n]], true[far[n]], rtol=1e-5)
        pull = ((moved - whole) / true)[far[n]]
        assert abs(pull.mean()) < 0.02
        assert np.sqrt(np.mean(pull**2)) < 0.3
        # What is left near the gap is flagged with the frame.
        flags = shift_flags(found.dq[n], move, outside=FLAG)
        usable = (flags & FLAG) == 0
        assert (error / true)[usable].min() > 0.5
        assert (error / true)[usable].max() < 2.0


def test_an_image_without_an_error_takes_those_of_the_others():
    err = np.full((2, 8, 8), 2.0)
    err[0] = np.nan
    dq = np.zeros(err.shape, np.uint32)
    found = replace_nans(np.ones(err.shape), err, dq, flag=FLAG)
    assert (found.err == 2.0).all()
    assert (found.dq[0] == FLAG).all()
    assert (found.dq[1] == 0).all()


def test_without_any_error_or_a_finite_constant_it_raises():
    data, dq = np.ones((1, 4, 4)), np.zeros((1, 4, 4), np.uint32)
    with pytest.raises(ValueError, match="no finite error"):
        replace_nans(data, np.full(data.shape, np.nan), dq, flag=FLAG)
    with pytest.raises(ValueError, match="cval must be finite"):
        replace_nans(data, data, dq, flag=FLAG, cval=np.nan)
