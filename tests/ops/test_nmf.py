import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.optimize import nnls

from coronx.ops.nmf import nmf_bases, nmf_fit

SHAPE = (40, 44)
K = 4


@pytest.fixture(scope="module")
def scene():
    """Return components, noisy references made of them (more of the first), and the truth.

    Each component has pixels that it alone lights, and each reference more of one: so the
    factorisation is unique but for noise.
    """
    rng = np.random.default_rng(6)
    y, x = np.indices(SHAPE)
    halo = np.exp(-np.hypot(x - 21.0, y - 19.0) / 15.0)
    truth = np.array([np.abs(gaussian_filter(rng.normal(size=SHAPE), 2.0)) for _ in range(K)])
    sector = (np.arctan2(y - 19.0, x - 21.0) // (np.pi / 4.0)).astype(int) % 8
    for k in range(K):
        truth[k][(sector < K) & (sector != k)] = 0.0
    truth *= halo
    truth /= np.linalg.norm(truth, axis=(1, 2))[:, None, None]
    mix = 0.05 + rng.random((12, K)) * [1.0, 0.5, 0.5, 0.5] + np.tile(np.eye(K), (3, 1))
    for k in range(K):
        mix[k, np.arange(K) != k] = 0.0
    clean = 1000.0 * np.einsum("nk,kyx->nyx", mix, truth)
    return truth, clean, clean + rng.normal(size=clean.shape)


def basis_of(references, *, components, **options):
    return nmf_bases(references, components=(components,), **options)[0]


def all_good(images):
    return np.ones(images.shape, bool)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def squared(references, components):
    """Return the least sum of squares of references fitted by components, by another method."""
    basis = components.reshape(len(components), -1)
    total = 0.0
    for image in references:
        known = np.isfinite(image).ravel()
        total += nnls(basis[:, known].T, image.ravel()[known])[1] ** 2
    return total


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_the_true_components_are_found(scene, missing):
    truth, clean, noisy = scene
    references = noisy.copy()
    holes = np.random.default_rng(7).random(noisy.shape) < missing
    references[holes] = np.nan
    components = basis_of(references, components=K, tolerance=1e-6, iterations=2000)
    assert components.shape == (K, *SHAPE) and (components >= 0.0).all()
    np.testing.assert_allclose(np.linalg.norm(components, axis=(1, 2)), 1.0)
    alike = np.einsum("jyx,kyx->jk", components, truth)
    assert sorted(alike.argmax(axis=0)) == list(range(K))
    assert (alike.max(axis=0) > 0.995).all()
    model = nmf_fit(references, np.isfinite(references), components)[0]
    # Better than the noise, by what each component has of several references; in holes, too.
    assert rms(model - clean) < 0.7
    if missing:
        assert rms((model - clean)[holes]) < 0.8


def test_the_sum_of_squares_is_as_small_as_that_of_multiplicative_updates(scene):
    references = scene[2].copy()
    references[np.random.default_rng(8).random(references.shape) < 0.05] = np.nan
    weight = np.isfinite(references).reshape(len(references), -1).astype(float)
    data = np.maximum(np.where(weight > 0.0, references.reshape(weight.shape), 0.0), 0.0)
    rng = np.random.default_rng(9)
    shares, parts = rng.random((len(data), K)), rng.random((K, data.shape[1]))
    for _ in range(1500):  # Zhu 2016, equations of section 2
        shares *= (data @ parts.T) / ((weight * (shares @ parts)) @ parts.T)
        parts *= (shares.T @ data) / (shares.T @ (weight * (shares @ parts)) + 1e-300)
    theirs = squared(references, parts.reshape(K, *SHAPE))
    components = basis_of(references, components=K, tolerance=1e-5, iterations=1000)
    assert squared(references, components) < 1.001 * theirs


def test_more_components_leave_less_down_to_the_noise(scene):
    references = scene[2]
    some = [basis_of(references, components=k, tolerance=1e-5) for k in range(1, K + 1)]
    left = [squared(references, components) for components in some]
    assert (np.diff(left) < 0.0).all()
    # The last number of components is that of the scene: what is left is noise.
    dof = references.size - K * (len(references) + references[0].size)
    assert left[-1] == pytest.approx(dof, rel=0.15)


def test_several_numbers_of_components_are_made_at_once(scene):
    numbers = (3, 1, 20, 2, 13)
    twice = np.concatenate([scene[1][:2], 2.0 * scene[1][:2]])  # two stars only
    for references in (scene[2], twice):
        bases = nmf_bases(references, components=numbers)
        for count, basis in zip(numbers, bases, strict=True):
            np.testing.assert_array_equal(basis, basis_of(references, components=count))
    assert [len(basis) for basis in bases] == [2, 1, 2, 2, 2]


def test_negative_noise_does_not_brighten_the_components():
    rng = np.random.default_rng(10)
    y, x = np.indices(SHAPE)
    star = 50.0 * np.exp(-np.hypot(x - 21.0, y - 19.0) / 4.0)
    references = star + rng.normal(size=(40, *SHAPE))
    component = basis_of(references, components=1)
    model = nmf_fit(references, all_good(references), component)[0]
    faint = star < 1.0
    clipped = np.maximum(references, 0.0).mean(axis=0)
    bias, theirs = (np.mean((image - star)[faint]) for image in (model.mean(axis=0), clipped))
    assert theirs > 0.2  # of the noise in one reference
    assert 0.0 <= bias < 0.05


def test_a_fit_is_the_best_non_negative_one_over_the_good_pixels(scene):
    truth, _, noisy = scene
    rng = np.random.default_rng(11)
    targets = noisy[:3] + 400.0 * truth[0] - 200.0 * truth[1]
    good = rng.random(targets.shape) > 0.1
    good[1] &= truth[2] == 0.0
    targets = np.where(good, targets, np.nan)
    targets[0][~good[0]] = 1e30
    model, coefficients = nmf_fit(targets, good, truth)
    assert model.shape == targets.shape and coefficients.shape == (3, K)
    for n, target in enumerate(targets):
        expected = nnls(truth[:, good[n]].T, target[good[n]])[0]
        np.testing.assert_allclose(coefficients[n], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(model[n], np.tensordot(coefficients[n], truth, 1), atol=1e-9)
    assert coefficients[1, 2] == 0.0  # no pixel of it is good
    assert (coefficients == 0.0).any(axis=1).all()


def test_a_target_without_a_good_pixel_gets_a_model_of_zero(scene):
    truth, _, noisy = scene
    model, coefficients = nmf_fit(np.full_like(noisy[:1], np.nan), ~all_good(noisy[:1]), truth)
    assert not model.any() and not coefficients.any()


def test_used_pixels_alone_make_the_components(scene):
    y, x = np.indices(SHAPE)
    used = np.hypot(x - 21.0, y - 19.0) < 12.0
    references = scene[2].copy()
    references[:, 20, 20] = np.nan
    references[0, 25, 20] = np.inf
    spoilt = np.where(used, references, 1e20)
    components = basis_of(spoilt, components=3, used=used)
    assert not components[:, ~used].any() and not components[:, 20, 20].any()
    plain = basis_of(np.where(used, references, np.nan), components=3)
    np.testing.assert_array_equal(components, plain)


def test_no_component_is_made_of_nothing(scene):
    clean = scene[1]
    twice = np.concatenate([clean[:1], 3.0 * clean[:1]])
    assert len(basis_of(twice, components=5)) == 1
    one = basis_of(clean[:1], components=1)
    np.testing.assert_allclose(one[0] * np.linalg.norm(clean[0]), clean[0], atol=1e-6)


def test_results_are_the_same_each_time_and_inputs_are_untouched(scene):
    references = scene[2].copy()
    references[0, 3, 4] = np.nan
    kept = references.copy()
    first, second = (basis_of(references, components=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(references, kept)
    single = basis_of(references.astype(np.float32), components=3)
    np.testing.assert_allclose(single, first, atol=1e-5)


def test_more_iterations_and_a_finer_tolerance_fit_better(scene):
    references = scene[2]

    def left(**options):
        return squared(references, basis_of(references, components=K, **options))

    assert left(iterations=1) > left(iterations=5) > left(iterations=200, tolerance=1e-6)
    assert left(tolerance=0.5) > left(tolerance=1e-5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"components": 0}, "components, 200 iterations; give 1"),
        ({"components": 2, "iterations": 0}, "0 iterations"),
        ({"components": 2, "used": np.zeros(SHAPE, bool)}, "a pixel to use; got 12 and 0"),
    ],
)
def test_what_makes_no_sense_is_refused(scene, options, match):
    with pytest.raises(ValueError, match=match):
        basis_of(scene[2], **options)


def test_references_without_light_are_refused(scene):
    for dark in (np.zeros_like(scene[2]), -np.abs(scene[2]) - 1.0):
        with pytest.raises(ValueError, match="no light"):
            basis_of(dark, components=2)
    with pytest.raises(ValueError, match="got 0 and 0"):
        basis_of(scene[2][:0], components=2)
