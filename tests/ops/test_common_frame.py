import numpy as np
import pytest

from coronx.ops.common_frame import to_target
from coronx.ops.images import Images
from coronx.ops.shift import shift_image
from tests.ops.psf_scenes import changed, rings, subtract

SHIFTS = np.array([[0.0, 0.0], [0.05, -0.08], [0.3, 0.2], [-0.5, 0.45]])
SIZE, NREF = 64, 20
INNER = np.s_[:, 3:-3, 3:-3]


@pytest.fixture(scope="module")
def jittered(speckles):
    """Return noisy references in one frame, and targets that lie off it by `SHIFTS`."""
    rng = np.random.default_rng(2)
    seeds = range(3)
    mix = 1.0 + 0.1 * rng.normal(size=(NREF + len(SHIFTS), len(seeds)))

    def noisy(weights, shift):
        stars = zip(weights, seeds, strict=True)
        mean = 3000.0 * sum(w * speckles(SIZE, shift, s) for w, s in stars)
        variance = mean.clip(0.0) + 100.0
        return mean + rng.normal(size=mean.shape) * np.sqrt(variance), np.sqrt(variance)

    def images(mix, shifts):
        made = [noisy(m, s) for m, s in zip(mix, shifts, strict=True)]
        data, err = (np.array(part) for part in zip(*made, strict=True))
        return Images(data, err, np.zeros(data.shape, bool))

    return images(mix[:NREF], np.zeros((NREF, 2))), images(mix[NREF:], SHIFTS)


def spoil(rng, images, missing):
    bad = rng.random(images.data.shape) < missing
    return changed(images, data=np.where(bad, 1e6, images.data), bad=bad)


@pytest.mark.parametrize("missing", [0.0, 0.01])
@pytest.mark.parametrize("truncate", [5, 15])
def test_one_basis_does_for_all_shifts(jittered, missing, truncate):
    references, targets = jittered
    targets = spoil(np.random.default_rng(3), targets, missing)
    model = subtract(targets, references, truncate, shifts=SHIFTS).model
    for n, shift in enumerate(SHIFTS):
        own = changed(references, data=np.array([shift_image(r, shift) for r in references.data]))
        truth = subtract(targets, own, truncate).model[n]
        difference = ((model[n] - truth) / targets.err[n])[3:-3, 3:-3]
        assert np.abs(difference).max() < 0.05
        assert np.sqrt(np.mean(difference**2)) < 0.02


HOLES = {
    "one pixel": (slice(None), 30, 35),
    "a group": (slice(None), slice(28, 31), slice(33, 36)),
    "the brightest place": (slice(None), slice(31, 33), slice(31, 33)),
    "edges": (slice(None), slice(0, 4), slice(None)),
}


@pytest.mark.parametrize("both", [True, False], ids=["in targets too", "in references alone"])
@pytest.mark.parametrize("hole", HOLES)
def test_pixels_without_a_reference_do_not_ring(jittered, hole, both):
    references, targets = jittered
    clean = subtract(targets, references, 10, shifts=SHIFTS)
    data, bad = references.data.copy(), targets.bad.copy()
    data[HOLES[hole]] = np.nan
    bad[HOLES[hole]] = both
    holed = changed(references, data=data)
    done = subtract(changed(targets, bad=bad), holed, 10, shifts=SHIFTS)
    lost = np.broadcast_to(np.isnan(data).all(axis=0), bad.shape)
    np.testing.assert_array_equal(np.isnan(done.residual), lost)
    np.testing.assert_array_equal(np.isnan(done.err), lost)
    change = np.abs((done.residual - clean.residual) / targets.err)
    # Moved with nothing in the hole the star would ring by ten sigma. What is left is the noise of
    # the pixels lost, and of a wide hole in target and references what no one knows.
    some = slice(2) if both else slice(None)
    assert np.nanmax(change[some]) < (1.0 if both else 2.0)
    assert np.sqrt(np.nanmean(change[some] ** 2)) < 0.1


def test_a_zone_without_a_reference_does_not_ring(jittered):
    references, targets = jittered
    zones = rings(SIZE, [0, 6])
    chosen = np.ones((2, len(SHIFTS), NREF), bool)
    chosen[0, 1:] = False
    done = subtract(targets, references, 10, zones=zones, chosen=chosen, shifts=SHIFTS)
    for n in range(len(SHIFTS)):
        hole = zones[0].subtract & (n > 0)
        np.testing.assert_array_equal(np.isnan(done.residual[n]), hole)
        np.testing.assert_array_equal(np.isnan(done.model[n]), hole)
    # Moved with nothing in the hole the star would ring by twenty sigma.
    z = (done.residual / done.err)[INNER]
    assert np.nanmax(np.abs(z)) < 6.0
    np.testing.assert_allclose(np.nanstd(z, axis=(1, 2)), 1.0, atol=0.06)


def test_a_blemish_of_one_target_does_not_touch_another(jittered):
    references, targets = jittered
    clean = subtract(targets, references, 10, shifts=SHIFTS)
    data = targets.data.copy()
    data[1, 20, 20] = np.nan
    data[3] = np.inf
    done = subtract(changed(targets, data=data), references, 10, shifts=SHIFTS)
    for n in (0, 2):
        np.testing.assert_allclose(done.residual[n], clean.residual[n], atol=1e-3)
    assert np.isnan(done.residual[3]).all()


def test_a_target_in_place_is_fitted_as_if_alone(jittered):
    references, targets = jittered
    targets = spoil(np.random.default_rng(4), targets, 0.02)
    still = subtract(targets, references, 10)
    for shifts in (SHIFTS, SHIFTS * [[1.0], [1.0], [0.0], [1.0]]):
        done = subtract(targets, references, 10, shifts=shifts)
        for n in np.flatnonzero(~shifts.any(axis=1)):
            np.testing.assert_allclose(done.residual[n], still.residual[n], atol=1e-3)
    whole = changed(targets, bad=np.zeros_like(targets.bad), data=targets.data.copy())
    whole.data[0, 5:9, 5:9] = np.nan  # the only target with missing pixels does not move
    whole.data[1:] = jittered[1].data[1:]
    done = subtract(whole, references, 10, shifts=SHIFTS)
    still = subtract(whole, references, 10)
    np.testing.assert_allclose(done.residual[0], still.residual[0], atol=1e-3)


def test_a_model_that_is_not_moved_is_left_as_it_is():
    model = np.full((4, 4), np.nan)
    assert to_target(model, np.zeros((4, 4)), np.zeros(2)) is model
