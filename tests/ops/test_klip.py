import numpy as np
import pytest
from jwst.coron.klip import klip as host_klip
from stdatamodels.jwst.datamodels import CubeModel

from coronx.ops.klip import columns, form_modes, gram_matrix, kl_basis, reference_scatter

NREF, SHAPE = 12, (30, 31)
EVERY = np.arange(30 * 31)


@pytest.fixture(scope="module")
def references():
    """Return correlated references with noise, and targets like them."""
    rng = np.random.default_rng(0)
    scenes = np.cumsum(rng.normal(size=(6, *SHAPE)), axis=2)
    mix = rng.normal(size=(NREF + 3, 6)) + 2.0
    images = np.einsum("mk,kyx->myx", mix, scenes) + rng.normal(size=(NREF + 3, *SHAPE))
    return (images + 50.0).astype(np.float32)


@pytest.fixture
def stack(references):
    return references[:NREF]


@pytest.fixture
def targets(references):
    return references[NREF:]


def centred(stack):
    flat = stack.reshape(len(stack), -1).astype(float)
    return flat - flat.mean(axis=1, keepdims=True)


def fitted(targets, basis):
    """Return the projection of whole targets on the modes of the whole frame."""
    flat = targets.reshape(len(targets), -1).astype(float)
    return (flat @ basis.fit_modes.T @ basis.modes).reshape(targets.shape)


@pytest.mark.parametrize("truncate", [1, 4, NREF, 50])
def test_modes_are_orthonormal_with_the_constant_among_them(stack, truncate):
    basis = kl_basis(stack, truncate=truncate)
    count = min(truncate, NREF)
    assert basis.modes.shape == basis.fit_modes.shape == (1 + count, 30 * 31)
    assert basis.weights.shape == (NREF, count)
    np.testing.assert_array_equal(basis.fit, EVERY)
    np.testing.assert_array_equal(basis.area, EVERY)
    np.testing.assert_allclose(basis.modes @ basis.modes.T, np.eye(1 + count), atol=1e-8)
    assert (np.diff(basis.eigenvalues) <= 0.0).all()
    images = centred(stack)
    np.testing.assert_allclose(basis.weights.T @ images, basis.modes[1:], atol=1e-8)
    singular = np.linalg.svd(images, compute_uv=False)[:count]
    np.testing.assert_allclose(basis.eigenvalues, singular**2, rtol=1e-8)


@pytest.mark.parametrize("truncate", [0, 1, 5, NREF, 50])
def test_results_are_the_hosts_on_clean_arrays(stack, targets, truncate):
    science = CubeModel(data=targets.copy())
    subtracted = host_klip(science, CubeModel(data=stack.copy()), truncate, return_psf=False)
    basis = kl_basis(stack, truncate=truncate)
    scale = np.abs(targets).max()
    np.testing.assert_allclose(targets - fitted(targets, basis), subtracted.data, atol=1e-6 * scale)
    scatter = reference_scatter(stack, gram_matrix(stack, EVERY), basis, (truncate,))
    np.testing.assert_allclose(scatter.reshape(SHAPE), subtracted.err[0], atol=1e-6 * scale)


def test_scatter_of_few_modes_of_a_basis_of_many(stack):
    gram = gram_matrix(stack, EVERY)
    many, few = (kl_basis(stack, truncate=count) for count in (NREF, 3))
    found = reference_scatter(stack, gram, many, (1, 3))[1]
    np.testing.assert_allclose(found, reference_scatter(stack, gram, few, (3,))[0], rtol=1e-6)
    images = centred(stack)
    modes = np.linalg.svd(images, full_matrices=False)[2][:3]
    np.testing.assert_allclose(found, np.std(images - images @ modes.T @ modes, axis=0), rtol=1e-6)


def test_scatter_is_that_of_the_chosen_references(stack):
    gram = gram_matrix(stack, EVERY)
    some = np.arange(NREF) % 3 > 0
    own = kl_basis(stack[some], truncate=4)
    weights = np.zeros((NREF, 4))
    weights[some] = own.weights
    basis = type(own)(own.fit, own.area, own.fit_modes, own.modes, weights, own.eigenvalues)
    found = reference_scatter(stack, gram, basis, (4,), chosen=some)
    alone = reference_scatter(stack[some], gram.of(some), own, (4,))
    np.testing.assert_allclose(found, alone, rtol=1e-8)


def test_truncate_zero_keeps_the_constant_alone(stack):
    basis = kl_basis(stack, truncate=0)
    np.testing.assert_allclose(basis.modes, np.full((1, 930), 930**-0.5), rtol=1e-12)


def test_used_pixels_alone_make_the_basis(stack):
    y, x = np.indices(SHAPE)
    used = np.hypot(y - 15, x - 15) < 12
    basis = kl_basis(np.where(used, stack, np.nan), truncate=5, used=used)
    np.testing.assert_array_equal(basis.fit, np.flatnonzero(used))
    assert basis.area is basis.fit
    truth = np.linalg.svd(centred(stack[:, used]), full_matrices=False)[2][:5]
    sign = np.sign((basis.modes[1:] * truth).sum(axis=1))
    np.testing.assert_allclose(basis.modes[1:], sign[:, None] * truth, atol=1e-7)


@pytest.mark.parametrize("inner", [0, 7, 14])
def test_modes_reach_beyond_the_pixels_that_make_them(stack, inner):
    y, x = np.indices(SHAPE)
    used = np.hypot(y - 15, x - 15) < 12
    area = np.hypot(y - 15, x - 15) > inner  # with pixels in common but for the last
    basis = kl_basis(stack, truncate=5, used=used, area=area)
    np.testing.assert_array_equal(basis.area, np.flatnonzero(area))
    alone = kl_basis(stack, truncate=5, used=used)
    np.testing.assert_array_equal(basis.fit_modes, alone.modes)
    means = stack[:, used].mean(axis=1, dtype=float)
    shifted = stack[:, area] - means[:, None]
    np.testing.assert_allclose(basis.modes[1:], basis.weights.T @ shifted, atol=1e-9)
    np.testing.assert_allclose(basis.modes[0], used.sum() ** -0.5, rtol=1e-12)


def test_gram_matrix_of_some_is_theirs(stack):
    fit = EVERY[::3]
    some = np.arange(NREF) % 2 == 0
    part = gram_matrix(stack, fit).of(some)
    alone = gram_matrix(stack[some], fit)
    np.testing.assert_allclose(part.matrix, alone.matrix, rtol=1e-12)
    np.testing.assert_allclose(part.means, alone.means, rtol=1e-12)
    flat = stack.reshape(NREF, -1)[:, fit]
    whole = gram_matrix(stack, fit)
    np.testing.assert_allclose(whole.matrix, centred(flat) @ centred(flat).T, rtol=1e-8)
    known = kl_basis(stack, truncate=4, used=np.isin(EVERY, fit).reshape(SHAPE), gram=whole)
    np.testing.assert_allclose(
        known.modes, form_modes(stack, whole.means, known.weights, fit, fit.size), atol=1e-12
    )


def test_duplicates_and_combinations_give_no_mode(stack, targets):
    plain = kl_basis(stack, truncate=50)
    double = stack.astype(float)
    extra = np.concatenate([double, double, [double[0] - 2.0 * double[3] + 7.0]])
    basis = kl_basis(extra, truncate=50)
    assert basis.eigenvalues.size == plain.eigenvalues.size == NREF
    np.testing.assert_allclose(basis.modes @ basis.modes.T, np.eye(1 + NREF), atol=1e-8)
    np.testing.assert_allclose(fitted(targets, basis), fitted(targets, plain), atol=1e-6)


def test_one_reference_and_a_constant_one(stack, targets):
    basis = kl_basis(stack[:1], truncate=50)
    assert basis.eigenvalues.size == 1
    design = np.stack([np.ones(30 * 31), stack[0].ravel()], axis=1).astype(float)
    target = targets[0].ravel().astype(float)
    truth = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    np.testing.assert_allclose(fitted(targets[:1], basis).ravel(), truth, rtol=1e-8)
    assert kl_basis(np.ones((2, 8, 8)), truncate=5).eigenvalues.size == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_where_used(stack, value):
    spoilt = stack.copy()
    spoilt[2, 4, 5] = value
    with pytest.raises(ValueError, match="finite"):
        kl_basis(spoilt, truncate=3)
    used = np.ones(SHAPE, bool)
    used[4, 5] = False
    assert np.isfinite(kl_basis(spoilt, truncate=3, used=used).modes).all()


def test_nothing_to_use_is_refused(stack):
    with pytest.raises(ValueError, match="reference"):
        kl_basis(stack[:0], truncate=3)
    with pytest.raises(ValueError, match="pixel"):
        kl_basis(stack, truncate=3, used=np.zeros(SHAPE, bool))


def test_the_type_of_the_input_does_not_matter(stack, targets):
    bases = [kl_basis(stack.astype(t), truncate=8) for t in (np.float32, np.float64, ">f4")]
    models = [fitted(targets, basis) for basis in bases]
    np.testing.assert_allclose(models[1], models[0], rtol=1e-9)
    np.testing.assert_allclose(models[2], models[0], rtol=1e-9)


def test_gram_matrix_keeps_its_digits_on_a_pedestal():
    stack = np.random.default_rng(3).normal(size=(6, 64, 65))
    # Rows unlike the others, and a pedestal far above what differs.
    stack[:, :16] += 100.0
    stack += 1e6
    flat = stack.reshape(len(stack), -1).astype(np.longdouble)
    flat -= flat.mean(axis=1, keepdims=True)
    expected = (flat @ flat.T).astype(float)
    gram = gram_matrix(stack, np.arange(64 * 65))
    np.testing.assert_allclose(gram.matrix, expected, rtol=0.0, atol=1e-11 * expected.max())
    np.testing.assert_allclose(gram.means, stack.mean(axis=(1, 2)), rtol=1e-14)


def test_columns_are_yielded_once_each():
    rng = np.random.default_rng(1)
    for size in (1, 4096, 4097, 9000):
        flat = rng.normal(size=(2, size))
        for index in (np.arange(size), np.flatnonzero(rng.random(size) < 0.7)):
            seen = np.zeros(index.size, int)
            for part, values in columns(flat, index):
                seen[part] += 1
                np.testing.assert_array_equal(values, flat[:, index[part]])
            assert (seen == 1).all()
