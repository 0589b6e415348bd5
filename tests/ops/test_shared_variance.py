from types import SimpleNamespace

import numpy as np
import pytest

from coronx.ops.shared_variance import pair_weights, variance_in_mean


def group(rng, targets, planes, nref=5, lost=()):
    """Return fits of some targets by three modes, and their models' weights of the references."""
    coefficients = rng.normal(size=(len(planes), len(targets), 4))
    coefficients[:, list(lost)] = np.nan
    basis = SimpleNamespace(weights=rng.normal(size=(nref, 3)))
    fit = SimpleNamespace(coefficients=coefficients, basis=basis)
    made = SimpleNamespace(targets=np.array(targets), planes=planes, zones=[fit])
    return made, coefficients[..., 1:] @ basis.weights.T


def test_pairs_of_targets_of_all_groups():
    rng = np.random.default_rng(0)
    one, first = group(rng, [0, 2], (0, 1))
    other, second = group(rng, [1, 3, 4], (0, 1), lost=[1])
    # A plane whose modes are its own.
    alone, third = group(rng, [0, 1], (2,))
    nothing = SimpleNamespace(
        targets=np.array([2, 3]), planes=(2,), zones=[SimpleNamespace(basis=None)]
    )
    found = pair_weights([one, other, alone, nothing], 0, 3)
    variances = rng.uniform(1.0, 2.0, 5)
    for k in range(2):
        shares = np.concatenate([first[k], second[k][[0, 2]]])
        covariance = (shares * variances) @ shares.T
        mean = covariance[~np.eye(4, dtype=bool)].mean()
        assert (found[0][k] + found[1][k]) @ variances == pytest.approx(mean)
    assert found[2][0] @ variances == pytest.approx((third[0][0] * variances) @ third[0][1])
    assert not found[3].any()


def test_one_target_shares_with_none():
    made, _ = group(np.random.default_rng(1), [0], (0,))
    assert not pair_weights([made], 0, 1)[0].any()


def test_variance_of_a_weighted_mean():
    rng = np.random.default_rng(2)
    count, shape = 4, (3, 5)
    shared = rng.uniform(0.5, 1.0, shape).astype("f4")
    variance = shared + rng.uniform(0.5, 1.0, (count, *shape)).astype("f4")
    weight = rng.uniform(0.5, 2.0, (count, *shape)).astype("f4")
    weight[1, 0, 0] = 0.0
    weight[:, 2, 2], weight[0, 2, 2] = 0.0, 1.0
    told = variance_in_mean(variance, weight, shared)
    share = weight / weight.sum(axis=0)
    for at in np.ndindex(shape):
        full = np.full((count, count), shared[at])
        np.fill_diagonal(full, variance[(slice(None), *at)])
        own = share[(slice(None), *at)]
        assert (own**2 * told[(slice(None), *at)]).sum() == pytest.approx(
            own @ full @ own, rel=1e-5
        )
    np.testing.assert_array_equal(told[1, 0, 0], variance[1, 0, 0])
    np.testing.assert_array_equal(told[:, 2, 2], variance[:, 2, 2])


def test_what_is_not_known_is_not_shared():
    variance, weight = np.ones((2, 1, 2), "f4"), np.ones((2, 1, 2), "f4")
    told = variance_in_mean(variance, weight, np.array([[np.nan, -0.5]], "f4"))
    np.testing.assert_array_equal(told, variance)
