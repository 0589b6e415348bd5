import numpy as np
import pytest
from jwst.coron.klip import klip as host_klip
from stdatamodels.jwst.datamodels import CubeModel

from coronx.ops.klip import kl_basis, pixel_blocks, project, reference_scatter
from coronx.ops.shift import shift_image

NREF = 12


@pytest.fixture(scope="module")
def references():
    """Return correlated references with noise, and targets like them."""
    rng = np.random.default_rng(0)
    scenes = np.cumsum(rng.normal(size=(6, 30, 31)), axis=2)
    mix = rng.normal(size=(NREF + 3, 6)) + 2.0
    images = np.einsum("mk,kyx->myx", mix, scenes) + rng.normal(size=(NREF + 3, 30, 31))
    return (images + 50.0).astype(np.float32)


@pytest.fixture
def stack(references):
    return references[:NREF]


@pytest.fixture
def targets(references):
    return references[NREF:]


def all_good(images):
    return np.ones(images.shape, bool)


def least_squares(target, good, references, truncate, used=None):
    """Fit by singular vectors of the references, pixel by pixel, without a Gram matrix."""
    used = np.ones(target.shape, bool) if used is None else used
    flat = references[:, used].astype(float)
    flat -= flat.mean(axis=1, keepdims=True)
    modes = np.linalg.svd(flat, full_matrices=False)[2][:truncate]
    design = np.zeros((target.size, 1 + len(modes)))
    design[used.ravel(), 0] = 1.0
    design[used.ravel(), 1:] = modes.T
    fit = (good & used).ravel()
    solution = np.linalg.lstsq(design[fit], target.ravel()[fit].astype(float), rcond=None)[0]
    return (design @ solution).reshape(target.shape)


@pytest.mark.parametrize("truncate", [1, 4, NREF, 50])
def test_modes_are_orthonormal_with_the_constant_among_them(stack, truncate):
    basis = kl_basis(stack, truncate=truncate)
    count = min(truncate, NREF)
    assert basis.modes.shape == (1 + count, 30 * 31)
    assert basis.weights.shape == (NREF, count)
    assert basis.shape == (30, 31)
    np.testing.assert_allclose(basis.modes @ basis.modes.T, np.eye(1 + count), atol=1e-8)
    assert (np.diff(basis.eigenvalues) <= 0.0).all()
    centred = stack.reshape(NREF, -1) - stack.reshape(NREF, -1).mean(axis=1, dtype=float)[:, None]
    np.testing.assert_allclose(basis.weights.T @ centred, basis.modes[1:], atol=1e-8)
    singular = np.linalg.svd(centred, compute_uv=False)[:count]
    np.testing.assert_allclose(basis.eigenvalues, singular**2, rtol=1e-8)


@pytest.mark.parametrize("truncate", [0, 1, 5, NREF, 50])
def test_results_are_the_hosts_on_clean_arrays(stack, targets, truncate):
    science = CubeModel(data=targets.copy())
    subtracted = host_klip(science, CubeModel(data=stack.copy()), truncate, return_psf=False)
    basis = kl_basis(stack, truncate=truncate)
    residual = targets - project(targets, all_good(targets), basis).model
    scale = np.abs(targets).max()
    np.testing.assert_allclose(residual, subtracted.data, atol=1e-6 * scale)
    scatter = reference_scatter(stack, basis)
    np.testing.assert_allclose(scatter, subtracted.err[0], atol=1e-6 * scale)


def test_truncate_zero_subtracts_the_mean_alone(stack, targets):
    basis = kl_basis(stack, truncate=0)
    model = project(targets, all_good(targets), basis).model
    mean = targets.mean(axis=(1, 2), dtype=float)[:, None, None]
    np.testing.assert_allclose(model, np.broadcast_to(mean, model.shape), rtol=1e-10)


def test_a_fit_leaves_out_bad_pixels_exactly(stack, targets):
    rng = np.random.default_rng(1)
    good = rng.random(targets.shape) > 0.1
    spoilt = np.where(good, targets, np.nan)
    spoilt[0, ~good[0]] = 1e30
    basis = kl_basis(stack, truncate=7)
    fit = project(spoilt, good, basis)
    for n, target in enumerate(targets):
        truth = least_squares(target, good[n], stack, 7)
        np.testing.assert_allclose(fit.model[n], truth, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        fit.coefficients @ basis.modes, fit.model.reshape(len(targets), -1), atol=1e-9
    )


def test_used_pixels_alone_make_the_basis(stack, targets):
    y, x = np.indices((30, 31))
    used = np.hypot(y - 15, x - 15) < 12
    basis = kl_basis(np.where(used, stack, np.nan), truncate=5, used=used)
    assert (basis.modes[:, ~used.ravel()] == 0.0).all()
    model = project(targets, all_good(targets), basis).model
    assert (model[:, ~used] == 0.0).all()
    truth = least_squares(targets[0], used, stack, 5, used)
    np.testing.assert_allclose(model[0], truth, rtol=1e-6, atol=1e-6)


def test_duplicates_and_combinations_give_no_mode(stack, targets):
    plain = kl_basis(stack, truncate=50)
    double = stack.astype(float)
    extra = np.concatenate([double, double, [double[0] - 2.0 * double[3] + 7.0]])
    basis = kl_basis(extra, truncate=50)
    assert basis.eigenvalues.size == plain.eigenvalues.size == NREF
    np.testing.assert_allclose(basis.modes @ basis.modes.T, np.eye(1 + NREF), atol=1e-8)
    good = all_good(targets)
    models = [project(targets, good, b).model for b in (basis, plain)]
    np.testing.assert_allclose(*models, atol=1e-6)


def test_one_reference_and_a_constant_one(stack, targets):
    basis = kl_basis(stack[:1], truncate=50)
    assert basis.eigenvalues.size == 1
    model = project(targets[:1], all_good(targets[:1]), basis).model[0]
    truth = least_squares(targets[0], all_good(targets[0]), stack[:1], 1)
    np.testing.assert_allclose(model, truth, rtol=1e-8)
    assert kl_basis(np.ones((2, 8, 8)), truncate=5).eigenvalues.size == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_where_used(stack, value):
    spoilt = stack.copy()
    spoilt[2, 4, 5] = value
    with pytest.raises(ValueError, match="finite"):
        kl_basis(spoilt, truncate=3)
    used = np.ones((30, 31), bool)
    used[4, 5] = False
    assert np.isfinite(kl_basis(spoilt, truncate=3, used=used).modes).all()


def test_nothing_to_use_is_refused(stack):
    with pytest.raises(ValueError, match="reference"):
        kl_basis(stack[:0], truncate=3)
    with pytest.raises(ValueError, match="pixel"):
        kl_basis(stack, truncate=3, used=np.zeros((30, 31), bool))


def test_a_target_without_a_good_pixel_gets_a_model_of_zero(stack, targets):
    basis = kl_basis(stack, truncate=5)
    fit = project(targets, np.zeros(targets.shape, bool), basis)
    np.testing.assert_allclose(fit.model, 0.0, atol=1e-9)


def test_the_type_of_the_input_does_not_matter(stack, targets):
    bases = [kl_basis(stack.astype(t), truncate=8) for t in (np.float32, np.float64, ">f4")]
    models = [project(targets, all_good(targets), b).model for b in bases]
    np.testing.assert_allclose(models[1], models[0], rtol=1e-9)
    np.testing.assert_allclose(models[2], models[0], rtol=1e-9)


def test_blocks_cover_every_pixel_once():
    for size in (1, 8192, 8193, 30000):
        seen = np.zeros(size, int)
        for block in pixel_blocks(size):
            seen[block] += 1
        assert (seen == 1).all()


def test_shifts_of_zero_are_no_shifts(stack, targets):
    basis = kl_basis(stack, truncate=5)
    plain = project(targets, all_good(targets), basis)
    still = project(targets, all_good(targets), basis, shifts=np.zeros((len(targets), 2)))
    np.testing.assert_array_equal(plain.model, still.model)


@pytest.fixture(scope="module")
def jittered(speckles):
    """Return noisy references in one frame, and targets that lie off it by known shifts."""
    rng = np.random.default_rng(2)
    shifts = np.array([[0.0, 0.0], [0.05, -0.08], [0.3, 0.2], [-0.5, 0.45]])
    seeds = range(3)
    mix = 1.0 + 0.1 * rng.normal(size=(20 + len(shifts), len(seeds)))

    def noisy(weights, shift):
        mean = 3000.0 * sum(w * speckles(64, shift, s) for w, s in zip(weights, seeds, strict=True))
        variance = mean.clip(0.0) + 100.0
        return mean + rng.normal(size=mean.shape) * np.sqrt(variance), np.sqrt(variance)

    references = np.array([noisy(m, (0, 0))[0] for m in mix[:20]])
    made = [noisy(m, s) for m, s in zip(mix[20:], shifts, strict=True)]
    targets, noise = (np.array(part) for part in zip(*made, strict=True))
    return references, targets, noise, shifts


@pytest.mark.parametrize("missing", [0.0, 0.01])
@pytest.mark.parametrize("truncate", [5, 15])
def test_one_basis_does_for_all_shifts(jittered, missing, truncate):
    references, targets, noise, shifts = jittered
    good = np.random.default_rng(3).random(targets.shape) >= missing
    spoilt = np.where(good, targets, 1e6)
    basis = kl_basis(references, truncate=truncate)
    model = project(spoilt, good, basis, shifts=shifts).model
    inner = np.s_[3:-3, 3:-3]
    for n, shift in enumerate(shifts):
        own = kl_basis(np.array([shift_image(r, shift) for r in references]), truncate=truncate)
        truth = project(spoilt[n : n + 1], good[n : n + 1], own).model[0]
        difference = ((model[n] - truth) / noise[n])[inner]
        assert np.abs(difference).max() < 0.05
        assert np.sqrt(np.mean(difference**2)) < 0.02
