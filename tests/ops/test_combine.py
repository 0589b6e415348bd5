import numpy as np
import pytest

from coronx.ops.combine import coadd, consecutive

SIGMA = np.array([1.0, 1.0, 1.5, 2.0, 1.0])
both = pytest.mark.parametrize("method", ["mean", "median"])


def slices(blocks):
    return [(block.start, block.stop) for block in blocks]


def test_blocks_are_of_consecutive_integrations():
    # Peers interleave: 0, 3, 6 and 1, 4 and 2, 5.
    assert slices(consecutive(7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert slices(consecutive(6, 3)) == [(0, 3), (3, 6)]
    assert slices(consecutive(6, 0)) == slices(consecutive(6, None)) == [(0, 6)]
    assert slices(consecutive(2, 5)) == [(0, 2)]


def test_no_block_reaches_over_a_start():
    assert slices(consecutive(8, 3, [0, 4])) == [(0, 3), (3, 4), (4, 7), (7, 8)]
    assert slices(consecutive(8, 0, [3])) == [(0, 3), (3, 8)]


def frames(n=5, ny=60, nx=80, seed=0, sigma=SIGMA):
    rng = np.random.default_rng(seed)
    err = np.broadcast_to(sigma[:n, None, None], (n, ny, nx)).astype("f4")
    data = (100.0 + err * rng.normal(size=err.shape)).astype("f4")
    return data, err, np.zeros(err.shape, "u4")


@both
def test_a_good_stack_gives_numpys_own_figure(method):
    data, err, dq = frames()
    done = coadd(data, err, dq, blocks=consecutive(5, 2), method=method)
    for n, block in enumerate((slice(0, 2), slice(2, 4), slice(4, 5))):
        expected = getattr(np, method)(data[block].astype(float), axis=0)
        np.testing.assert_allclose(done.data[n], expected, rtol=1e-6)
    # A short last block is not thinned by the length of the others.
    np.testing.assert_allclose(done.err[2], err[4])
    assert done.data.dtype == done.err.dtype == np.float32
    assert not done.dq.any()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9, 12])
def test_a_median_of_few_and_of_many(n):
    data, err, dq = frames(n, sigma=np.ones(n))
    data[n // 2, 3, 3] = np.nan
    dq[0, 4, 4], data[0, 4, 4] = 1, 1e6
    done = coadd(data, err, dq, blocks=consecutive(n, 0), method="median")
    expected = np.median(data, axis=0)
    for at in ((3, 3), (4, 4)):
        good = np.isfinite(data[:, *at]) & (dq[:, *at] == 0)
        expected[at] = np.median(data[good][:, *at]) if good.any() else np.nan
    np.testing.assert_allclose(done.data[0], expected, rtol=1e-6)


@both
@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_err_is_the_scatter_of_repeated_stacks(method, equal, n):
    data, err, dq = frames(n, 300, 400, seed=n, sigma=np.ones(5) if equal else SIGMA)
    done = coadd(data, err, dq, blocks=consecutive(n, 0), method=method)
    told = np.median(done.err)
    assert told == pytest.approx(np.std(done.data), rel=0.01 if equal else 0.05)
    assert done.data.mean() == pytest.approx(100.0, abs=0.02)


def test_one_noisy_sample_does_not_spoil_a_medians_error():
    data, err, dq = frames(5, 300, 400, sigma=np.array([1.0, 1.0, 1.0, 1.0, 30.0]))
    done = coadd(data, err, dq, blocks=consecutive(5, 0), method="median")
    assert np.median(done.err) == pytest.approx(np.std(done.data), rel=0.1)


@both
def test_bad_samples_are_left_out(method):
    data, err, dq = frames()
    truth = coadd(data[:3], err[:3], dq[:3], blocks=consecutive(3, 0), method=method)
    data[3, 4, 4] = np.nan
    data[4, 4, 4] = 1e6
    dq[4, 4, 4] = 1
    data[3:, 5, 5] = np.inf
    done = coadd(data, err, dq, blocks=consecutive(5, 0), method=method)
    for at in ((4, 4), (5, 5)):
        assert done.data[0][at] == pytest.approx(truth.data[0][at])
        assert done.err[0][at] == pytest.approx(truth.err[0][at])
        assert done.dq[0][at] == 0
    # Their neighbours take no notice.
    assert done.data[0, 4, 5] == pytest.approx(getattr(np, method)(data[:, 4, 5]))


@both
def test_only_what_is_bad_in_every_integration_is_bad(method):
    data, err, dq = frames()
    dq[:, 7, 7] = [1, 1 | 4, 1, 1, 1 | 64]
    data[:, 8, 8] = np.nan
    dq[0, 8, 8] = 2
    done = coadd(data, err, dq, blocks=consecutive(5, 0), method=method)
    assert done.dq[0, 7, 7] == 1 | 4 | 64
    assert done.dq[0, 8, 8] == 1 | 2
    assert np.isnan(done.data[0]).sum() == np.isnan(done.err[0]).sum() == 2
    assert np.isnan(done.data[0, [7, 8], [7, 8]]).all()


def test_flags_are_those_of_the_samples_combined():
    data, err, dq = frames()
    dq[0, 3, 3], dq[1, 3, 3], dq[2, 3, 3] = 4, 1 | 64, 2
    assert coadd(data, err, dq, blocks=consecutive(5, 0)).dq[0, 3, 3] == 4 | 2
    kept = coadd(data, err, dq, blocks=consecutive(5, 0), bad_bits=0)
    assert kept.dq[0, 3, 3] == 1 | 2 | 4 | 64
    more = coadd(data, err, dq, blocks=consecutive(5, 0), bad_bits=1 | 4, unusable=1)
    assert more.dq[0, 3, 3] == 2
    assert more.data[0, 3, 3] == pytest.approx(data[2:, 3, 3].mean())


@both
def test_samples_of_unknown_error_give_way_to_others(method):
    data, err, dq = frames()
    err[0, 2, 2] = np.nan
    err[:, 3, 3] = np.nan
    done = coadd(data, err, dq, blocks=consecutive(5, 0), method=method)
    assert done.data[0, 2, 2] == pytest.approx(getattr(np, method)(data[1:, 2, 2]))
    assert np.isfinite(done.err[0, 2, 2])
    assert done.data[0, 3, 3] == pytest.approx(getattr(np, method)(data[:, 3, 3]))
    assert np.isnan(done.err[0, 3, 3])
    assert np.isnan(done.err[0]).sum() == 1


@both
def test_parts_add_up_to_err_squared(method):
    data, err, dq = frames()
    flat = np.full(err.shape, 0.2, "f4")
    read = (0.6 * (err**2 - flat)).astype("f4")
    poisson = err**2 - flat - read
    data[0, 5, 5], dq[1, 6, 6] = np.nan, 1
    done = coadd(
        data, err, dq,
        blocks=consecutive(5, 3), method=method, independent=(read, poisson), common=flat,
    )  # fmt: skip
    np.testing.assert_allclose(sum(done.independent) + done.common, done.err**2, rtol=1e-5)
    np.testing.assert_allclose(done.independent[0] / done.independent[1], 1.5, rtol=1e-4)


def test_what_integrations_share_is_not_averaged_down():
    # One flat field for all integrations, wrong by its error in each pixel.
    rng = np.random.default_rng(3)
    n, shape = 4, (200, 300)
    own, shared = 0.5, 2.0
    data = 50.0 + own * rng.normal(size=(n, *shape)) + shared * rng.normal(size=shape)
    err = np.full(data.shape, np.hypot(own, shared))
    flat = np.full(data.shape, shared**2)
    done = coadd(data, err, np.zeros(data.shape, "u4"), blocks=consecutive(n, 0), common=flat)
    assert np.median(done.err) == pytest.approx(np.std(done.data), rel=0.02)
    np.testing.assert_allclose(done.common, shared**2, rtol=1e-5)


@both
def test_errors_of_zero_stay_zero(method):
    data, err, dq = frames()
    done = coadd(data, 0 * err, dq, blocks=consecutive(5, 0), method=method)
    assert not done.err.any()


def test_inputs_are_left_alone_and_a_method_is_known():
    data, err, dq = frames()
    dq[0, 1, 1], data[1, 2, 2] = 1, np.nan
    before = [array.copy() for array in (data, err, dq)]
    coadd(data, err, dq, blocks=consecutive(5, 2), method="median", independent=(err,), common=err)
    for array, then in zip((data, err, dq), before, strict=True):
        np.testing.assert_array_equal(array, then)
    with pytest.raises(ValueError, match="method 'sum'; mean or median"):
        coadd(data, err, dq, blocks=consecutive(5, 2), method="sum")
