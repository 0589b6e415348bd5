import numpy as np
import pytest

from coronx.ops.image_combination import combine_images

SHAPE = (60, 70)


def images(rng, sigmas, level=100.0):
    sigma = np.array(sigmas, float)[:, None, None] * np.ones((len(sigmas), *SHAPE))
    return rng.normal(level, sigma), sigma, np.zeros(sigma.shape, np.uint32)


@pytest.mark.parametrize("method", ["mean", "median", "sum"])
@pytest.mark.parametrize("sigmas", [(2.0,) * 5, (2.0, 2.0, 3.0)])
def test_err_is_the_scatter(method, sigmas):
    data, err, dq = images(np.random.default_rng(1), sigmas)
    weights = 1 / np.array(sigmas) ** 2
    found = combine_images(data, err, dq, method=method, weights=weights.tolist())
    level = 100.0 * (len(sigmas) if method == "sum" else 1)
    error = float(found.err[0, 0])
    assert np.abs(found.data.mean() - level) < 4 * error / np.sqrt(found.data.size)
    # A median's error is worked out for equal ones.
    rel = 0.1 if method == "median" and len(set(sigmas)) > 1 else 0.04
    assert found.data.std() == pytest.approx(error, rel=rel)
    if method == "mean":
        assert error == pytest.approx(1 / np.sqrt(weights.sum()), rel=1e-5)
    assert (found.count == len(sigmas)).mean() > 0.999  # 5 sigma happen


def test_outliers_and_flags():
    rng = np.random.default_rng(2)
    data, err, dq = images(rng, (1.0,) * 4)
    data[1, 20, 20] += 400.0  # a cosmic ray that nobody flagged
    data[2, 30, 30], dq[2, 30, 30] = 1e6, 1 | 4
    data[:, 40, 40], dq[:, 40, 40] = np.nan, 16
    dq[0, 50, 50] = 64
    err[3, 10, 10] = np.nan
    found = combine_images(data, err, dq, no_data=1 | 128)
    assert np.nanmax(np.abs(found.data - 100)) < 4
    assert found.clipped[1, 20, 20]
    assert found.clipped.sum() < 10
    assert found.count[20, 20] == found.count[30, 30] == found.count[10, 10] == 3
    assert found.err[20, 20] == pytest.approx(1 / np.sqrt(3), rel=1e-5)
    assert found.dq[30, 30] == 0
    assert found.dq[50, 50] == 64
    assert np.isnan(found.data[40, 40]) and np.isnan(found.err[40, 40])
    assert found.dq[40, 40] == 1 | 16 | 128
    kept = combine_images(data, err, dq, clip="none")
    assert kept.data[20, 20] == pytest.approx(200, abs=3)


def test_poor_pixels_are_used_where_there_are_no_others():
    data = np.stack([np.full(SHAPE, level) for level in (10.0, 20.0, 90.0)])
    dq = np.zeros(data.shape, np.uint32)
    dq[2, 5, 5] = dq[:, 7, 7] = 64
    dq[:2, 9, 9], dq[2, 9, 9] = 1, 64
    found = combine_images(data, None, dq, clip="none", poor_bits=64)
    assert found.data[0, 0] == pytest.approx(40.0)
    assert (found.data[5, 5], found.count[5, 5], found.dq[5, 5]) == (15.0, 2, 0)
    assert (found.data[7, 7], found.count[7, 7], found.dq[7, 7]) == (40.0, 3, 64)
    assert (found.data[9, 9], found.dq[9, 9]) == (90.0, 64)
    assert combine_images(data, None, dq, clip="none").data[5, 5] == pytest.approx(40.0)


def test_weights_count_only_where_there_is_data():
    data = np.stack([np.full(SHAPE, 10.0), np.full(SHAPE, 20.0)])
    dq = np.zeros(data.shape, np.uint32)
    dq[0, 5, 5] = 1
    found = combine_images(data, None, dq, clip="none", weights=[3.0, 1.0])
    assert found.data[0, 0] == pytest.approx(12.5)
    assert found.data[5, 5] == pytest.approx(20.0)
    assert found.err is None
    found = combine_images(data, None, dq, clip="none", weights=[3.0, 1.0], method="sum")
    assert found.data[5, 5] == pytest.approx(40.0)


def test_scales_and_offsets():
    rng = np.random.default_rng(3)
    data, err, dq = images(rng, (1.0, 1.0, 1.0))
    clouded = 0.5 * data[1] + 30.0
    found = combine_images(
        np.stack([data[0], clouded, data[2]]), err, dq,
        scales=[1.0, 2.0, 1.0], offsets=[0.0, 30.0, 0.0],
    )  # fmt: skip
    np.testing.assert_allclose(found.data, data.mean(axis=0), rtol=1e-5)
    assert found.err[0, 0] == pytest.approx(np.sqrt(1 + 4 + 1) / 3, rel=1e-5)


def test_stars_of_another_seeing_are_no_outliers():
    rng = np.random.default_rng(4)
    rows, columns = np.indices(SHAPE)
    r2 = (rows - 30.0) ** 2 + (columns - 35.0) ** 2
    width = np.array([1.5, 1.5, 1.7])[:, None, None]
    star = 9e4 / (2 * np.pi * width**2) * np.exp(-0.5 * r2 / width**2)
    data, err, dq = images(rng, (3.0,) * 3)
    data += star
    err = np.sqrt(err**2 + star)
    found = combine_images(data, err, dq)
    near = r2 < 64
    assert not found.clipped[:, near & (r2 < 9)].any()
    assert (found.data[near] - 100).sum() == pytest.approx(9e4, rel=0.01)
    hard = combine_images(data, err, dq, tolerance=0.0)
    assert hard.clipped[:, r2 < 9].any()


def test_scatter_of_many():
    rng = np.random.default_rng(5)
    data, err, dq = images(rng, (1.0,) * 12)
    data[3, 7, 7] += 60.0
    data[5, 8, 8] = np.nan
    found = combine_images(data, None, dq, clip="scatter")
    assert found.clipped[3, 7, 7]
    assert found.count[8, 8] <= 11
    assert found.clipped.mean() < 0.02
    assert np.isfinite(found.data).all()
    del err


def test_bad_options():
    data, err, dq = images(np.random.default_rng(6), (1.0, 1.0))
    with pytest.raises(ValueError, match="'mode'"):
        combine_images(data, err, dq, method="mode")
    with pytest.raises(ValueError, match="'minmax'"):
        combine_images(data, err, dq, clip="minmax")
    with pytest.raises(ValueError, match="no errors to clip by"):
        combine_images(data, None, dq)
    with pytest.raises(ValueError, match=r"scale of .* not positive"):
        combine_images(data, err, dq, scales=[1.0, 0.0])
    with pytest.raises(ValueError, match=r"weight of .* not positive"):
        combine_images(data, err, dq, weights=[1.0, np.nan])
