import numpy as np
import pytest

from coronx.ops.overscan import subtract_overscan

NY, NX, SIGMA = 300, 200, 2.0
OVERSCAN, TRIM = "[165:200,1:300]", "[5:160,1:300]"


@pytest.fixture(scope="module")
def frame():
    """Return a frame of level 1000 + slow drift + 500 e^(-row / 3), and that level."""
    rng = np.random.default_rng(5)
    row = np.arange(NY)[:, None]
    level = 1000.0 + 3.0 * np.sin(row / 150.0) + 500.0 * np.exp(-row / 3.0)
    data = level + rng.normal(0.0, SIGMA, (NY, NX))
    data[:, 4:160] += 70.0
    data[:, 199] -= 400.0  # the last column of an overscan is often bad
    data[100:110, 180] = np.nan
    data[200, 164:190] = 65535.0
    return np.round(data), level


@pytest.mark.parametrize(("method", "most"), [("smooth", 0.13), ("rows", 0.5)])
def test_the_level_is_removed_row_by_row(frame, method, most):
    data, level = frame
    bad = data > 60000
    result = subtract_overscan(data, OVERSCAN, TRIM, method=method, bad=bad)
    assert result.data.shape == (NY, 156)
    assert result.level.shape == result.level_err.shape == (NY, 1)
    off = (result.level - level)[25:, 0]
    assert off.std() < most
    assert np.abs(off).max() < 5 * most
    np.testing.assert_array_less(np.abs(result.level - level)[:25], 3.0)
    np.testing.assert_array_equal(result.data, data[:, 4:160] - result.level)
    assert np.median(result.data) == pytest.approx(70.0, abs=0.3)


def test_errors_of_levels_are_their_scatter(frame):
    data, level = frame
    result = subtract_overscan(data, OVERSCAN, TRIM, method="rows")
    pull = ((result.level - level) / result.level_err)[10:, 0]
    pull = np.delete(pull, 190)
    assert 0.9 < pull.std() < 1.1


def test_smoothing_is_less_noisy_than_its_rows(frame):
    data, _ = frame
    smooth, rows = (subtract_overscan(data, OVERSCAN, TRIM, method=m) for m in ("smooth", "rows"))
    assert np.median(smooth.level_err) < 0.2 * np.median(rows.level_err)
    # Where the read-out starts, rows keep their own.
    np.testing.assert_array_equal(smooth.level[:5], rows.level[:5])


def test_one_level_for_all(frame):
    data, level = frame
    result = subtract_overscan(data, OVERSCAN, TRIM, method="constant")
    assert result.level.shape == (1, 1)
    assert result.level[0, 0] == pytest.approx(level[20:].mean(), abs=0.5)


def test_an_overscan_below_the_image(frame):
    data, _ = frame
    beside = subtract_overscan(data, OVERSCAN, TRIM)
    below = subtract_overscan(data.T, "[1:300,165:200]", "[1:300,5:160]")
    np.testing.assert_array_equal(below.data, beside.data.T)
    assert below.level.shape == (1, NY)


def test_only_the_trimmed_rows_count(frame):
    data, _ = frame
    whole = subtract_overscan(data, OVERSCAN, "[5:160,51:300]", method="rows")
    assert whole.data.shape == (250, 156)
    assert whole.level.shape == (250, 1)
    assert whole.trim == (slice(50, 300), slice(4, 160))


def test_without_sections_nothing_is_done(frame):
    data, _ = frame
    result = subtract_overscan(data, None, None)
    np.testing.assert_array_equal(result.data, data)
    assert (result.level == 0).all()
    trimmed = subtract_overscan(data, None, TRIM)
    np.testing.assert_array_equal(trimmed.data, data[:, 4:160])


def test_a_row_without_good_samples_takes_its_neighbours(frame):
    data, level = frame
    bad = np.zeros(data.shape, bool)
    bad[150] = True
    result = subtract_overscan(data, OVERSCAN, TRIM, method="rows", bad=bad)
    assert result.level[150, 0] == pytest.approx(level[150, 0], abs=1.5)


def test_what_cannot_be_done_is_refused(frame):
    data, _ = frame
    with pytest.raises(ValueError, match="method 'median'"):
        subtract_overscan(data, OVERSCAN, TRIM, method="median")
    with pytest.raises(ValueError, match="does not run along"):
        subtract_overscan(data, "[165:200,1:100]", TRIM)
    with pytest.raises(ValueError, match="no good pixel"):
        subtract_overscan(data, OVERSCAN, TRIM, bad=np.ones(data.shape, bool))
    with pytest.raises(ValueError, match="section"):
        subtract_overscan(data, "[165:999,1:300]", TRIM)
