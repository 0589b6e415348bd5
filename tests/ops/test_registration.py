import numpy as np
import pytest
from jwst.coron.imageregistration import align_fourier_lsq

from coronx.ops.median import fill_local_median
from coronx.ops.registration import Registration, Template

SIZE = 96
PEAK, BACKGROUND = 1e4, 400.0  # photons
FRAMES = 150
TRUE = np.array([0.3, -0.4])


def register(template, image, weight, *, bad=None, template_bad=None, **options):
    options = {"max_shift": 4.0} | options
    return Template(template, weight, bad=template_bad, **options).register([image], [bad])


@pytest.mark.parametrize("true", [(1.3, -0.9), (11.4, -8.7), (0.0, 0.0), (-0.02, 0.5)])
@pytest.mark.parametrize("size", [96, 97])
def test_a_true_shift_is_recovered_in_both_precisions(speckles, hole, true, size):
    template, image = speckles(size), 0.7 * speckles(size, true)
    double = register(template, image, hole(size), max_shift=20.0)
    np.testing.assert_allclose(double.shift[0], -np.array(true), atol=0.01)
    np.testing.assert_allclose(double.scale, 0.7, rtol=0.01)
    assert double.converged.all()
    single = register(
        template.astype(np.float32), image.astype(np.float32), hole(size), max_shift=20.0
    )
    np.testing.assert_allclose(single.shift, double.shift, atol=1e-4)


def test_shifts_agree_with_the_hosts_fit_in_double_precision(speckles, hole):
    template, weight = speckles(64), hole(64)
    for true in [(0.4, -0.3), (1.3, -0.9), (-2.2, 0.1)]:
        image = 1.5 * speckles(64, true)
        # The host gives what has to be undone, and multiplies the residual by its mask.
        theirs = align_fourier_lsq(template, image, weight)
        ours = register(template, image, weight**2)
        np.testing.assert_allclose(-ours.shift[0], theirs[:2], atol=1e-3)
        np.testing.assert_allclose(ours.scale[0], theirs[2], rtol=1e-3)


def cramer_rao(scene, gradient, weight):
    """Return the bound on (dx, dy) for a scene of unknown brightness, pixel variances 1/weight."""
    columns = np.stack([*(g.ravel() for g in gradient), scene.ravel()])
    fisher = (columns * weight.ravel()) @ columns.T
    return np.sqrt(np.diag(np.linalg.inv(fisher))[:2])


def gradient_of(speckles, shift):
    step = 1e-3
    for axis in np.eye(2):
        ahead, behind = speckles(SIZE, shift + step * axis), speckles(SIZE, shift - step * axis)
        yield PEAK * (ahead - behind) / (2 * step)


@pytest.fixture(scope="module")
def photons(speckles, hole):
    """Return photon-limited pairs of template and image, the best weight, and the bound."""
    rng = np.random.default_rng(7)
    means = [PEAK * speckles(SIZE, s).clip(0.0) + BACKGROUND for s in ((0, 0), TRUE)]
    pairs = [[rng.poisson(m) - BACKGROUND for m in means] for _ in range(FRAMES)]
    weight = hole(SIZE) / (means[0] + means[1])
    bound = cramer_rao(PEAK * speckles(SIZE, TRUE), gradient_of(speckles, TRUE), weight)
    return pairs, weight, bound


@pytest.fixture(scope="module")
def fits(photons):
    pairs, weight, _ = photons
    return [register(t, p, weight) for t, p in pairs]


def errors_of(found):
    return np.array([r.shift[0] for r in found]) + TRUE


def rms(errors):
    return np.sqrt(np.mean(errors**2, axis=0))


def test_errors_reach_the_cramer_rao_bound(photons, fits):
    _, _, bound = photons
    ratio = rms(errors_of(fits)) / bound
    assert (ratio < 1.3).all()
    assert (ratio > 0.85).all()  # or the bound is not one


def test_formal_errors_are_the_scatter(fits):
    sigma = np.array([r.sigma[0] for r in fits]).mean(axis=0)
    np.testing.assert_allclose(sigma / errors_of(fits).std(axis=0), 1.0, atol=0.15)


def test_robust_weights_stay_near_the_bound_and_know_their_errors(photons):
    pairs, weight, bound = photons
    # As the step weights: by the noise, not its square, on the safe side of a drifting wavefront.
    variance = 1.0 / np.where(weight > 0.0, weight, np.inf)  # in the hole it is of no matter
    robust = np.sqrt(weight)
    fits = [register(t, p, robust, variance=variance) for t, p in pairs]
    assert (rms(errors_of(fits)) / bound < 1.3).all()
    sigma = np.array([r.sigma[0] for r in fits]).mean(axis=0)
    np.testing.assert_allclose(sigma / errors_of(fits).std(axis=0), 1.0, atol=0.15)


def test_residual_and_scale_are_those_of_the_scene(photons, fits):
    _, weight, _ = photons
    # Weights are inverse variances, so that the weighted mean square times their sum is a chi^2.
    square = np.array([r.residual[0] ** 2 for r in fits]) * weight.sum()
    assert abs(square.mean() / np.count_nonzero(weight) - 1.0) < 0.03
    # The template's noise adds to its energy, so that the scale comes out a little small.
    assert abs(np.mean([r.scale[0] for r in fits]) - 1.0) < 0.02


def test_the_templates_own_noise_biases_by_less_than_half_an_error(fits):
    # Its energy depends on where it is put: an error in the variable, not only in the data.
    errors = errors_of(fits)
    assert (np.abs(errors.mean(axis=0)) < 0.5 * errors.std(axis=0)).all()


def blemish(rng, image):
    bad = rng.random(image.shape) < 0.01
    spoilt = np.where(bad, rng.choice([np.nan, np.inf, 1e5, -1e4], image.shape), image)
    return fill_local_median(spoilt, bad), bad


@pytest.mark.parametrize(("in_image", "in_template"), [(True, False), (False, True), (True, True)])
def test_bad_pixels_neither_bias_nor_blur(photons, fits, in_image, in_template):
    pairs, weight, _ = photons
    rng = np.random.default_rng(8)
    found = []
    for template, image in pairs:
        bad = template_bad = None
        if in_image:
            image, bad = blemish(rng, image)
        if in_template:
            template, template_bad = blemish(rng, template)
        found.append(register(template, image, weight, bad=bad, template_bad=template_bad))
    errors, clean = errors_of(found), errors_of(fits)
    # Frame by frame against the same frame unblemished, a sharper test than of the mean alone.
    change = errors - clean
    assert (np.abs(change.mean(axis=0)) < 3.0 * change.std(axis=0) / np.sqrt(FRAMES)).all()
    # Missing 1 % (9 % about the template's) of the pixels costs half as much in precision.
    assert (rms(errors) / rms(clean) < 1.10).all()
    sigma = np.array([r.sigma[0] for r in found]).mean(axis=0)
    np.testing.assert_allclose(sigma / errors.std(axis=0), 1.0, atol=0.15)


def test_missing_pixels_have_no_weight(speckles, hole):
    template, image = speckles(64), speckles(64, (0.6, 0.2))
    bad = np.random.default_rng(9).random(image.shape) < 0.01
    truth = register(template, image, np.where(bad, 0.0, hole(64)))
    spoilt = np.where(bad, 0.5, image)
    found = register(template, spoilt, hole(64), bad=bad)
    np.testing.assert_allclose(found.shift, truth.shift, atol=1e-4)
    np.testing.assert_allclose(found.scale, truth.scale, rtol=1e-4)
    assert np.abs(register(template, spoilt, hole(64)).shift - truth.shift).max() > 1e-3


def test_many_images_are_registered_as_one_by_one(speckles, hole):
    template = Template(speckles(64), hole(64), max_shift=4.0)
    images = [speckles(64, s) for s in ((0.1, 0.2), (-1.0, 2.0))]
    both = template.register(images, [None, None])
    assert isinstance(both, Registration)
    assert both.shift.shape == both.sigma.shape == (2, 2)
    assert both.scale.shape == both.residual.shape == both.converged.shape == (2,)
    for n, image in enumerate(images):
        np.testing.assert_array_equal(both.shift[n], template.register([image], [None]).shift[0])


def test_images_and_template_are_not_changed(speckles, hole):
    template, image, weight = speckles(64), speckles(64, (0.4, 0.1)), hole(64)
    bad = np.zeros(image.shape, bool)
    bad[30, 40] = True
    copies = [a.copy() for a in (template, image, weight, bad)]
    register(template, image, weight, bad=bad, template_bad=bad)
    for array, copy in zip((template, image, weight, bad), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("true", [(7.5, 0.0), (0.0, -9.0)])
def test_a_shift_out_of_range_is_told(speckles, hole, true):
    found = register(speckles(64), speckles(64, true), hole(64), max_shift=4.0)
    assert not found.converged[0]
    assert (np.abs(found.shift) <= 4.0).all()
    assert np.isnan(found.sigma).all()


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_a_flat_template_is_refused(hole, level):
    with pytest.raises(ValueError, match="template"):
        register(np.full((32, 32), level), np.ones((32, 32)), hole(32))


def test_an_image_without_weight_is_refused(speckles):
    with pytest.raises(ValueError, match="weight"):
        register(speckles(32), speckles(32), np.zeros((32, 32)))


def test_an_image_all_bad_gives_no_shift_but_no_error(speckles, hole):
    image = np.zeros((64, 64))
    found = register(speckles(64), image, hole(64), bad=np.ones((64, 64), bool))
    assert not found.converged[0]
    assert np.isnan(found.sigma).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_template_that_is_not_finite_is_refused(speckles, hole, value):
    template = speckles(32).copy()
    template[3, 4] = value
    with pytest.raises(ValueError, match="finite"):
        register(template, speckles(32), hole(32))


def test_shapes_must_agree(speckles, hole):
    with pytest.raises(ValueError, match="shape"):
        register(speckles(32), speckles(32), hole(64))
