import numpy as np
import pytest

from coronx.ops.background import combine_background


def combined(data, err=1.0, good=None):
    err = np.broadcast_to(np.asarray(err, float), data.shape)
    return combine_background(data, err, np.ones(data.shape, bool) if good is None else good)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10])
def test_error_is_the_scatter_of_the_median(n):
    rng = np.random.default_rng(n)
    frame = combined(rng.normal(7.0, 3.0, size=(n, 200, 400)), 3.0)
    assert np.std(frame.data) == pytest.approx(frame.err[0, 0], rel=0.01)
    assert np.mean(frame.data) == pytest.approx(7.0, abs=0.05)
    assert np.all(frame.count == n)


def test_error_is_that_of_a_median_not_of_a_mean():
    for n, known in {1: 1.0, 2: 1.0, 3: 1.1602, 4: 1.0922, 5: 1.1976, 6: 1.1351}.items():
        frame = combined(np.ones((n, 2, 2)), 3.0)
        assert frame.err[0, 0] * np.sqrt(n) / 3.0 == pytest.approx(known, abs=1e-4)


def test_bad_samples_are_left_out_pixel_by_pixel():
    rng = np.random.default_rng(1)
    data = rng.normal(5.0, 1.0, size=(5, 200, 300)).astype("f4")
    good = np.ones(data.shape, bool)
    data[0, :100], good[1, :100] = np.nan, False
    data[1, :100] = 1e6
    frame = combined(data, 1.0, good)
    assert np.isfinite(frame.data).all()
    assert np.unique(frame.count[:100]).tolist() == [3]
    for rows in (slice(0, 100), slice(100, 200)):
        assert np.std(frame.data[rows]) == pytest.approx(frame.err[rows][0, 0], rel=0.02)
    assert frame.err[0, 0] > 1.2 * frame.err[150, 0]


def test_no_good_sample_is_nan_and_counts_none():
    data = np.ones((3, 4, 4))
    err = np.ones((3, 4, 4))
    good = np.ones((3, 4, 4), bool)
    good[:, 0, 0] = False
    data[:, 1, 1] = np.nan
    err[:, 2, 2] = np.nan  # of unknown error
    frame = combine_background(data, err, good)
    for at in ((0, 0), (1, 1), (2, 2)):
        assert frame.count[at] == 0
        assert np.isnan(frame.data[at])
        assert np.isnan(frame.err[at])
    assert np.isfinite(frame.data).sum() == 13


@pytest.mark.parametrize("errors", [(1.0, 3.0), (1.0, 1.0, 10.0), (1.0, 1.0, 1.0, 10.0)])
def test_unequal_errors(errors):
    rng = np.random.default_rng(2)
    err = np.array(errors)[:, None, None]
    frame = combined(rng.normal(size=(len(errors), 300, 400)) * err, err)
    assert np.std(frame.data) == pytest.approx(frame.err[0, 0], rel=0.05)


def test_inputs_stay_and_errors_of_zero_are_taken_as_they_are():
    data, good = np.full((3, 2, 2), 4.0), np.ones((3, 2, 2), bool)
    before = data.copy()
    frame = combine_background(data, np.zeros_like(data), good)
    assert np.array_equal(data, before)
    assert np.all(frame.err == 0.0)
