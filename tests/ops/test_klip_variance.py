import numpy as np
import pytest

from coronx.ops.klip import kl_basis
from coronx.ops.klip_variance import residual_variance

NREF, SHAPE = 9, (11, 12)
SIZE = 11 * 12
INNER = (np.indices(SHAPE) > 2).all(axis=0) & (np.indices(SHAPE) < 9).all(axis=0)
EVERY = np.ones(SHAPE, bool)
# Pixels fitted, and pixels where the residual is wanted.
REGIONS = {
    "the same": (EVERY, EVERY),
    "larger": (EVERY, INNER),
    "smaller": (INNER, EVERY),
    "apart": (INNER, ~INNER),
}


def scene(fit=EVERY, area=EVERY, modes=5):
    """Return a basis, the coefficients of three targets, and uneven variances of all pixels.

    The references are of one star, exposed differently.
    """
    rng = np.random.default_rng(0)
    references = rng.normal(size=(NREF, *SHAPE))
    targets = rng.normal(size=(3, *SHAPE))
    basis = kl_basis(references, truncate=modes, used=fit, area=area)
    coefficients = targets.reshape(3, -1)[:, basis.fit] @ basis.fit_modes.T
    target_variance = rng.uniform(0.2, 5.0, targets.shape)
    exposed, shape = rng.uniform(0.2, 5.0, NREF), rng.uniform(0.2, 2.0, SHAPE)
    reference_variance = exposed[:, None, None] * shape
    return basis, coefficients, target_variance, reference_variance


@pytest.fixture
def case():
    return scene()


def variance(basis, coefficients, target, reference, **options):
    """Return the variances with all modes of the basis."""
    count = (len(basis.modes) - 1,)
    return residual_variance(
        basis, coefficients[None], target, np.sqrt(reference), truncate=count, **options
    )[0]


def dense(basis, coefficients, target_variance, reference_variance, modes=None):
    """Propagate by the full matrix: the diagonal of (I - P) diag(v) (I - P)^T over the area."""
    size = len(basis.modes) if modes is None else 1 + modes
    share = (basis.weights[:, : size - 1] @ coefficients[1:size]) ** 2
    v = target_variance.ravel() + share @ reference_variance.reshape(len(share), -1)
    left = np.zeros((basis.area.size, v.size))
    left[np.arange(basis.area.size), basis.area] = 1.0
    left[:, basis.fit] -= basis.modes[:size].T @ basis.fit_modes[:size]
    return np.einsum("ij,j,ij->i", left, v, left)


@pytest.mark.parametrize("region", REGIONS)
def test_variance_is_that_of_the_full_matrix(region):
    basis, coefficients, target, reference = scene(*REGIONS[region])
    found = variance(basis, coefficients, target, reference)
    for n in range(3):
        truth = dense(basis, coefficients[n], target[n], reference)
        np.testing.assert_allclose(found[n], truth, rtol=1e-5)


def test_references_whose_variances_differ_in_shape(case):
    basis, coefficients, target, _ = case
    reference = np.random.default_rng(5).uniform(0.5, 2.0, (NREF, *SHAPE))
    alone = variance(basis, coefficients[1:2], target[1:2], reference)[0]
    truth = dense(basis, coefficients[1], target[1], reference)
    np.testing.assert_allclose(alone, truth, rtol=1e-5)
    # Targets of one star are alike, and share what the references add but for its strength.
    alike = coefficients[1] * np.array([[1.0], [1.2], [0.7]])
    alike *= np.random.default_rng(6).uniform(0.9, 1.1, alike.shape)
    found = variance(basis, alike, target, reference)
    for n in range(3):
        truth = dense(basis, alike[n], target[n], reference)
        np.testing.assert_allclose(found[n], truth, rtol=0.05)


@pytest.mark.parametrize("region", REGIONS)
def test_the_last_of_several_truncations_is_exact_and_the_others_within_two_percent(region):
    basis, coefficients, target, reference = scene(*REGIONS[region])
    counts = (0, 1, 3, 5)
    cut = np.zeros((4, *coefficients.shape))
    for k, count in enumerate(counts):
        cut[k, :, : 1 + count] = coefficients[:, : 1 + count]
    # A share of the references' noise as in deep exposures of a bright star.
    found = residual_variance(basis, cut, target, 0.3 * np.sqrt(reference), truncate=counts)
    for k, count in enumerate(counts):
        for n in range(3):
            truth = dense(basis, coefficients[n], target[n], 0.09 * reference, modes=count)
            np.testing.assert_allclose(found[k, n], truth, rtol=1e-5 if count == 5 else 0.02)


def test_more_modes_than_there_are_add_nothing(case):
    basis, coefficients, target, reference = case
    twice = np.stack([coefficients, coefficients])
    found = residual_variance(basis, twice, target, np.sqrt(reference), truncate=(5, 50))
    np.testing.assert_array_equal(found[1], found[0])


def test_integrations_alike_share_the_work_within_a_percent(case):
    basis, coefficients, target, reference = case
    rng = np.random.default_rng(1)
    same = np.repeat(coefficients[:1], 3, axis=0)
    alike = (
        target[0] * np.array([1.0, 0.8, 1.3])[:, None, None] * rng.uniform(0.98, 1.02, (3, *SHAPE))
    )
    found = variance(basis, same, alike, 0.01 * reference)
    for n in range(3):
        truth = dense(basis, same[n], alike[n], 0.01 * reference)
        np.testing.assert_allclose(found[n], truth, rtol=0.01)


@pytest.mark.parametrize("region", REGIONS)
def test_an_unknown_variance_is_left_out_and_stays_unknown(region):
    basis, coefficients, target, reference = scene(*REGIONS[region])
    holed = target.copy()
    holed[1, 4, 5] = np.nan
    holed[2, 0, 0] = np.inf
    found = variance(basis, coefficients, holed, reference)
    unknown = ~np.isfinite(holed.reshape(3, -1)[:, basis.area])
    np.testing.assert_array_equal(np.isfinite(found), ~unknown)
    filled = np.where(np.isfinite(holed), target, 0.0)
    assert ((basis.weights @ coefficients[1, 1:]) ** 2).sum() > 0.0
    # The sum has no term of that pixel, neither the target's nor the references'.
    reference = reference.copy()
    reference[:, 4, 5] = 0.0
    truth = dense(basis, coefficients[1], filled[1], reference)
    keep = ~unknown[1]
    np.testing.assert_allclose(found[1][keep], truth[keep], rtol=1e-5)


def test_an_unknown_error_of_a_reference_is_the_mean_of_the_others(case):
    basis, coefficients, target, reference = case
    rng = np.random.default_rng(4)
    known = rng.random(reference.shape) > 0.1
    spoilt = reference.copy()
    spoilt[2, 3, 4], spoilt[5, 6, 7] = np.nan, np.inf
    spoilt[~known] = 1e4
    found = variance(basis, coefficients, target, spoilt, known=known)
    told = known & np.isfinite(spoilt)
    mean = np.where(told, reference, 0.0).sum(axis=0) / told.sum(axis=0)
    truth = variance(basis, coefficients, target, np.where(told, reference, mean))
    np.testing.assert_allclose(found, truth, rtol=1e-5)


def test_never_negative_at_full_rank_with_wild_variances():
    rng = np.random.default_rng(2)
    references = rng.normal(size=(NREF, 4, 4))
    basis = kl_basis(references, truncate=50)
    targets = rng.normal(size=(6, 4, 4))
    coefficients = targets.reshape(6, -1) @ basis.modes.T
    wild = np.exp(rng.normal(0.0, 3.0, targets.shape))
    found = variance(basis, coefficients, wild, np.zeros(references.shape))
    assert (found > 0.0).all()


def test_no_noise_no_variance(case):
    basis, coefficients, target, reference = case
    found = variance(basis, coefficients, 0.0 * target, 0.0 * reference)
    np.testing.assert_array_equal(found, 0.0)


def test_a_target_without_a_fit_has_its_own_variance_and_troubles_no_other(case):
    basis, coefficients, target, reference = case
    plain = variance(basis, coefficients, target, reference)
    none = coefficients.copy()
    none[1] = np.nan
    found = variance(basis, none, target, reference)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[[0, 2]], plain[[0, 2]], rtol=0.01)
