import numpy as np
import pytest

from coronx.ops.images import Images
from coronx.ops.target_fit import fit_targets, prepare
from coronx.ops.zone_fit import assemble, weigh
from coronx.ops.zones import Zone, whole_frame

NREF, SHAPE = 12, (30, 31)
Y, X = np.indices(SHAPE)
RADIUS = np.hypot(Y - 15, X - 14)
RING = (RADIUS > 5) & (RADIUS < 10)


@pytest.fixture(scope="module")
def references():
    """Return correlated references with noise, and targets like them."""
    rng = np.random.default_rng(0)
    scenes = np.cumsum(rng.normal(size=(6, *SHAPE)), axis=2)
    mix = rng.normal(size=(NREF + 3, 6)) + 2.0
    images = np.einsum("mk,kyx->myx", mix, scenes) + rng.normal(size=(NREF + 3, *SHAPE))
    return images + 50.0


@pytest.fixture
def stack(references):
    return references[:NREF]


@pytest.fixture
def targets(references):
    return references[NREF:]


def all_good(images):
    return np.ones(images.shape, bool)


def as_images(data, good=None):
    good = all_good(data) if good is None else good
    return Images(data, np.ones(data.shape), ~good)


def models(targets, references, truncate, *, good=None, shifts=None, method="klip", **options):
    """Return the models in double precision, (ntrunc, nt, ny, nx)."""
    ready = prepare(as_images(targets, good), as_images(references), **options)
    out = np.full((len(truncate), *targets.shape), np.nan)
    for group in fit_targets(ready, targets, truncate=truncate, method=method, shifts=shifts):
        for k in range(len(truncate)):
            made = assemble(group.zones, targets[0].size, k)
            out[k, group.targets] = made.reshape(-1, *targets.shape[1:])
    return out


def least_squares(target, fit, area, images, truncate, good=None):
    """Fit by singular vectors of the references over `fit`, and return the model in `area`.

    Pixel by pixel, without a Gram matrix; the pixels that are not good are left out.
    """
    means = images[:, fit].mean(axis=1)
    flat = images[:, fit] - means[:, None]
    left, values, modes = np.linalg.svd(flat, full_matrices=False)
    count = min(truncate, len(images))
    weights = left[:, :count] / values[:count]
    at_area = weights.T @ (images[:, area] - means[:, None])
    keep = np.ones(fit.sum(), bool) if good is None else good[fit]
    design = np.vstack([np.ones(keep.size), modes[:count]]).T
    solution = np.linalg.lstsq(design[keep], target[fit][keep], rcond=None)[0]
    model = np.full(target.shape, np.nan)
    model[area] = np.vstack([np.ones(area.sum()), at_area]).T @ solution
    return model


@pytest.mark.parametrize("truncate", [0, 3, 7, NREF, 50])
def test_a_fit_leaves_out_bad_pixels_exactly(stack, targets, truncate):
    good = np.random.default_rng(1).random(targets.shape) > 0.1
    spoilt = np.where(good, targets, np.nan)
    spoilt[0, ~good[0]] = 1e30
    spoilt[1, ~good[1]] = -np.inf
    found = models(spoilt, stack, (truncate,), good=good)[0]
    any_target = good.any(axis=0)  # makes the modes
    every = np.ones(SHAPE, bool)
    for n, target in enumerate(targets):
        truth = least_squares(target, any_target, every, stack, truncate, good[n])
        np.testing.assert_allclose(found[n], truth, rtol=1e-8, atol=1e-8)


# The pixels fitted hold those subtracted, are the same, share some with them, none, or are fewer.
REGIONS = {
    "larger": (RADIUS < 13, RING),
    "equal": (RING, RING),
    "crossing": ((RADIUS > 7) & (RADIUS < 13), RING),
    "apart": (RADIUS > 12, RING),
    "smaller": (RING & (X > 8), RING),
}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_zone_is_fitted_as_by_least_squares_in_it(stack, targets, region, missing):
    good = np.random.default_rng(2).random(targets.shape) >= missing
    fit, area = REGIONS[region]
    outside = ~(fit | area)
    spoilt = targets.copy()
    spoilt[:, outside] = 1e6  # what lies outside has no say
    spoilt[~good] = np.nan
    found = models(
        spoilt, np.where(outside, -1e6, stack), (2, 6), good=good, zones=(Zone(fit, area, 7.5),)
    )
    for k, truncate in enumerate((2, 6)):
        for n, target in enumerate(targets):
            seen = fit & good.any(axis=0)
            truth = least_squares(target, seen, area, stack, truncate, good[n])
            np.testing.assert_allclose(found[k, n], truth, rtol=1e-7, atol=1e-7)


def test_zones_are_fitted_on_their_own(stack, targets):
    halves = [X < 13, X >= 13]
    zones = [Zone(half, half, 1.0) for half in halves]
    together = models(targets, stack, (5,), zones=zones)[0]
    for zone in zones:
        alone = models(targets, stack, (5,), zones=[zone])[0]
        np.testing.assert_array_equal(together[:, zone.subtract], alone[:, zone.subtract])
        assert np.isnan(alone[:, ~zone.subtract]).all()


def test_classical_is_the_mean_reference_scaled_and_a_level(stack, targets):
    good = np.random.default_rng(3).random(targets.shape) > 0.05
    for zone in (*whole_frame(SHAPE), Zone(RADIUS < 13, RING, 7.5)):
        found = models(targets, stack, (1, 50), good=good, method="classical", zones=(zone,))
        mean = stack.mean(axis=0)
        for n, target in enumerate(targets):
            keep = zone.fit & good[n]
            design = np.stack([mean[keep], np.ones(keep.sum())], axis=1)
            scale, level = np.linalg.lstsq(design, target[keep], rcond=None)[0]
            truth = np.where(zone.subtract, scale * mean + level, np.nan)
            for one in found[:, n]:
                np.testing.assert_allclose(one, truth, rtol=1e-9)


def test_classical_of_chosen_references(stack, targets):
    chosen = np.zeros((1, 3, NREF), bool)
    chosen[0, 0, :4] = chosen[0, 1, 3:9] = chosen[0, 2, 11] = True
    found = models(targets, stack, (1,), method="classical", chosen=chosen)[0]
    for n, target in enumerate(targets):
        mean = stack[chosen[0, n]].mean(axis=0).ravel()
        design = np.stack([mean, np.ones(mean.size)], axis=1)
        truth = design @ np.linalg.lstsq(design, target.ravel(), rcond=None)[0]
        np.testing.assert_allclose(found[n].ravel(), truth, rtol=1e-9)


def test_classical_of_constant_references_is_a_level(targets):
    found = models(targets, np.ones((3, *SHAPE)), (1,), method="classical")[0]
    level = np.broadcast_to(targets.mean(axis=(1, 2), keepdims=True), targets.shape)
    np.testing.assert_allclose(found, level, rtol=1e-12)
    assert weigh(np.zeros((3, 3)), 5, "classical")[0].shape == (3, 0)


def test_truncate_zero_subtracts_the_mean_alone(stack, targets):
    mean = np.broadcast_to(targets.mean(axis=(1, 2), keepdims=True), targets.shape)
    np.testing.assert_allclose(models(targets, stack, (0,))[0], mean, rtol=1e-10)


@pytest.mark.parametrize(("pixels", "enough"), [(11, 4), (12, 5), (30, NREF)])
def test_a_zone_with_too_few_pixels_for_the_modes_has_no_model(stack, targets, pixels, enough):
    # Two pixels for each mode and for the constant.
    few = (np.arange(30 * 31) < pixels).reshape(SHAPE)
    truncate = tuple(range(NREF + 1))
    found = models(targets, stack, truncate, zones=(Zone(few, few, 1.0),))
    for count, model in zip(truncate, found, strict=True):
        assert np.isfinite(model[:, few]).all() == (count <= enough)
        assert np.isnan(model[:, ~few]).all()
        if count > enough:
            assert np.isnan(model).all()


def test_a_target_with_few_pixels_left_in_a_zone_has_no_model_there(stack, targets):
    few = (np.arange(30 * 31) < 40).reshape(SHAPE)
    good = all_good(targets)
    good[1] = (np.arange(30 * 31) < 11).reshape(SHAPE)
    found = models(targets, stack, (4, 5), good=good, zones=(Zone(few, few, 1.0),))
    assert np.isfinite(found[:, [0, 2]][..., few]).all()
    assert np.isfinite(found[0, 1, few]).all()
    assert np.isnan(found[1, 1]).all()


def test_a_target_without_a_good_pixel_has_no_model(stack, targets):
    good = all_good(targets)
    good[1] = False
    found = models(targets, stack, (0, 5), good=good)
    assert np.isnan(found[:, 1]).all()
    alone = models(targets[[0, 2]], stack, (0, 5))
    np.testing.assert_allclose(found[:, [0, 2]], alone, rtol=1e-9)


def test_shifts_of_zero_are_no_shifts(stack, targets):
    plain = models(targets, stack, (5,))
    still = models(targets, stack, (5,), shifts=np.zeros((len(targets), 2)))
    np.testing.assert_array_equal(plain, still)
