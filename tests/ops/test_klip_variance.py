import numpy as np
import pytest

from coronx.ops.klip import kl_basis, project
from coronx.ops.klip_variance import residual_variance

NREF, SHAPE = 9, (11, 12)


@pytest.fixture
def case():
    """Return a basis, the fit of three targets, and uneven variances of all pixels."""
    rng = np.random.default_rng(0)
    references = rng.normal(size=(NREF, *SHAPE))
    targets = rng.normal(size=(3, *SHAPE))
    basis = kl_basis(references, truncate=5)
    fit = project(targets, np.ones(targets.shape, bool), basis)
    target_variance = rng.uniform(0.2, 5.0, targets.shape)
    reference_variance = rng.uniform(0.2, 5.0, references.shape)
    return basis, fit, target_variance, reference_variance


def dense(basis, coefficients, target_variance, reference_variance):
    """Propagate by the full matrix: the diagonal of (I - P) diag(v) (I - P)."""
    share = (basis.weights @ coefficients[1:]) ** 2
    v = target_variance.ravel() + share @ reference_variance.reshape(len(share), -1)
    left = np.eye(v.size) - basis.modes.T @ basis.modes
    return np.diag((left * v) @ left.T).reshape(target_variance.shape)


def test_variance_is_that_of_the_full_matrix(case):
    basis, fit, target, reference = case
    found = residual_variance(basis, fit.coefficients, target, reference)
    for n in range(3):
        truth = dense(basis, fit.coefficients[n], target[n], reference)
        np.testing.assert_allclose(found[n], truth, rtol=1e-6)


def test_integrations_alike_share_the_work_within_a_percent(case):
    basis, fit, target, reference = case
    rng = np.random.default_rng(1)
    coefficients = np.repeat(fit.coefficients[:1], 3, axis=0)
    alike = (
        target[0] * np.array([1.0, 0.8, 1.3])[:, None, None] * rng.uniform(0.98, 1.02, (3, *SHAPE))
    )
    found = residual_variance(basis, coefficients, alike, 0.01 * reference)
    for n in range(3):
        truth = dense(basis, coefficients[n], alike[n], 0.01 * reference)
        np.testing.assert_allclose(found[n], truth, rtol=0.01)


def test_an_unknown_variance_is_left_out_and_stays_unknown(case):
    basis, fit, target, reference = case
    holed = target.copy()
    holed[1, 4, 5] = np.nan
    holed[2, 0, 0] = np.inf
    found = residual_variance(basis, fit.coefficients, holed, reference)
    unknown = np.zeros(target.shape, bool)
    unknown[1, 4, 5] = unknown[2, 0, 0] = True
    np.testing.assert_array_equal(np.isfinite(found), ~unknown)
    filled = np.where(unknown, 0.0, target)
    share = (basis.weights @ fit.coefficients[1, 1:]) ** 2
    # The sum has no term of that pixel, neither the target's nor the references'.
    reference = reference.copy()
    reference[:, 4, 5] = 0.0
    truth = dense(basis, fit.coefficients[1], filled[1], reference)
    assert share.sum() > 0.0
    keep = ~unknown[1]
    np.testing.assert_allclose(found[1][keep], truth[keep], rtol=1e-6)


def test_never_negative_at_full_rank_with_wild_variances():
    rng = np.random.default_rng(2)
    references = rng.normal(size=(NREF, 4, 4))
    basis = kl_basis(references, truncate=50)
    targets = rng.normal(size=(6, 4, 4))
    fit = project(targets, np.ones(targets.shape, bool), basis)
    wild = np.exp(rng.normal(0.0, 3.0, targets.shape))
    found = residual_variance(basis, fit.coefficients, wild, np.zeros(references.shape))
    assert (found > 0.0).all()


def test_no_noise_no_variance(case):
    basis, fit, target, reference = case
    found = residual_variance(basis, fit.coefficients, 0.0 * target, 0.0 * reference)
    np.testing.assert_array_equal(found, 0.0)


def test_pixels_outside_the_basis_keep_their_own_variance():
    rng = np.random.default_rng(3)
    used = np.ones(SHAPE, bool)
    used[:, :3] = False
    references = rng.normal(size=(NREF, *SHAPE))
    basis = kl_basis(references, truncate=4, used=used)
    targets = rng.normal(size=(1, *SHAPE))
    fit = project(targets, used[None], basis)
    found = residual_variance(basis, fit.coefficients, np.full(targets.shape, 2.0), 0 * references)
    np.testing.assert_allclose(found[0][~used], 2.0)
    assert (found[0][used] < 2.0 + 1e-12).all()
