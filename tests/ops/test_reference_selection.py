import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coronx.ops.reference_selection import best, rank_references

MEASURES = ["correlation", "ssim", "mse"]
SHAPE = (48, 56)


@pytest.fixture(scope="module")
def scene():
    """Return a target of speckles, and references that are less and less like it."""
    rng = np.random.default_rng(3)
    y, x = np.indices(SHAPE)
    halo = np.exp(-np.hypot(x - 27.0, y - 23.0) / 8.0)

    def speckles():
        field = gaussian_filter(rng.normal(size=SHAPE), 1.5)
        return 300.0 * halo * (1.0 + 3.0 * np.abs(field))

    target, other = speckles(), speckles()
    mix = np.array([0.0, 0.1, 0.25, 0.5, 0.9])
    bright = np.array([1.0, 30.0, 0.02, 5.0, 2.0])
    level = np.array([0.0, -500.0, 3.0, 1e4, 7.0])
    images = (1.0 - mix)[:, None, None] * target + mix[:, None, None] * other
    references = bright[:, None, None] * images + level[:, None, None]
    noise = rng.normal(size=references.shape) * bright[:, None, None]
    mask = np.hypot(x - 27.0, y - 23.0) < 20.0
    return target, references + noise, mask


def brute_force(target, reference, mask, measure):
    """Return a score pixel by pixel, from the definitions."""
    good = mask & np.isfinite(target) & np.isfinite(reference)
    a, b = target[good].astype(float), reference[good].astype(float)
    if measure == "correlation":
        return np.corrcoef(a, b)[0, 1]
    design = np.column_stack([b, np.ones(b.size)])
    scale, level = np.linalg.lstsq(design, a, rcond=None)[0]
    if scale < 0.0:
        scale, level = 0.0, a.mean()
    if measure == "mse":
        return -np.mean((a - scale * b - level) ** 2) / a.var()
    low, high = np.percentile(target[mask & np.isfinite(target)], (0.1, 99.9))
    one = (target - low) / (high - low)
    other = (scale * reference + level - low) / (high - low)
    total = weights = 0.0
    for y, x in np.argwhere(mask & np.isfinite(target)):
        rows, cols = np.ogrid[: SHAPE[0], : SHAPE[1]]
        w = np.exp(-0.5 * ((rows - y) ** 2 + (cols - x) ** 2) / 1.5**2)
        w = w * (np.abs(rows - y) <= 5) * (np.abs(cols - x) <= 5) * good
        part = w > 0.0
        w, p, q = w[part], one[part], other[part]
        mean_p, mean_q = np.average(p, weights=w), np.average(q, weights=w)
        covariance = np.average((p - mean_p) * (q - mean_q), weights=w)
        variances = np.average((p - mean_p) ** 2 + (q - mean_q) ** 2, weights=w)
        c1, c2 = 0.01**2, 0.03**2
        value = (2.0 * mean_p * mean_q + c1) * (2.0 * covariance + c2)
        value /= (mean_p**2 + mean_q**2 + c1) * (variances + c2)
        total, weights = total + value * w.sum(), weights + w.sum()
    return total / weights


@pytest.mark.parametrize("measure", MEASURES)
def test_the_more_alike_the_higher_whatever_the_brightness_and_level(scene, measure):
    target, references, mask = scene
    scores = rank_references(target, references, mask, measure=measure)
    assert (np.diff(scores) < 0.0).all()
    again = rank_references(7.0 * target + 40.0, references, mask, measure=measure)
    np.testing.assert_allclose(again, scores, atol=2e-6)
    itself = rank_references(target, target[None], mask, measure=measure)
    np.testing.assert_allclose(itself, 0.0 if measure == "mse" else 1.0, atol=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_scores_are_those_of_the_definition_with_pixels_missing(scene, measure):
    target, references, mask = scene
    rng = np.random.default_rng(4)
    target, references = target.copy(), references.astype(np.float32)
    references[rng.random(references.shape) < 0.03] = np.nan
    references[1, 20:24, 20:24] = np.inf
    references[:, :, :9] = np.nan
    target[rng.random(SHAPE) < 0.02] = np.nan
    target[30, 30] = -np.inf
    scores = rank_references(target, references, mask, measure=measure)
    expected = [brute_force(target, image, mask, measure) for image in references]
    np.testing.assert_allclose(scores, expected, atol=2e-5)
    assert (np.diff(scores) < 0.0).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_a_spike_outside_the_mask_or_flagged_does_not_matter(scene, measure):
    target, references, mask = scene
    before = rank_references(target, references, mask, measure=measure)
    spoilt, images = target.copy(), references.copy()
    spoilt[0, 0], images[2, 47, 55] = 1e9, -1e9  # farther than a window from the mask's pixels
    spoilt[23, 48], images[1, 23, 48] = 1e6, 1e6  # a window reaches over the mask's edge
    np.testing.assert_array_equal(rank_references(spoilt, images, mask, measure=measure), before)
    images = references.copy()
    images[0, 20, 20] = np.nan
    after = rank_references(target, images, mask, measure=measure)
    np.testing.assert_allclose(after, before, atol=1e-3)
    np.testing.assert_array_equal(after[1:], before[1:])


@pytest.mark.parametrize("measure", MEASURES)
def test_an_opposite_image_is_not_alike(scene, measure):
    target, references, mask = scene
    images = np.concatenate([references, -target[None]])
    scores = rank_references(target, images, mask, measure=measure)
    assert scores.argmin() == len(references)
    expected = {"correlation": -1.0, "mse": -1.0}
    if measure in expected:
        assert scores[-1] == pytest.approx(expected[measure])


def test_a_few_samples_of_a_large_mask_are_enough():
    rng = np.random.default_rng(5)
    target = gaussian_filter(rng.normal(size=(100, 120)), 1.5)
    images = target + np.array([0.02, 0.05, 0.2])[:, None, None] * rng.normal(size=(3, 100, 120))
    images[:, 50, 60] = np.nan
    mask = np.ones(target.shape, bool)
    scores = rank_references(target, images, mask, measure="ssim")
    quarters = [np.s_[:50, :60], np.s_[:50, 60:], np.s_[50:, :60], np.s_[50:, 60:]]
    every = [rank_references(target[q], images[:, *q], mask[q], measure="ssim") for q in quarters]
    # Each quarter has a dynamic range of its own, nearly that of the whole.
    np.testing.assert_allclose(scores, np.mean(every, axis=0), atol=0.02)
    assert (np.diff(scores) < -0.02).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_what_cannot_be_told_is_nan(scene, measure):
    target, references, mask = scene
    images = references.copy()
    images[0] = np.nan
    images[1] = 12.3
    images[2][:, 27:] = np.nan
    images[2][:5] = np.nan
    images[2][:, 20:] = np.nan  # less than half of the mask
    scores = rank_references(target, images, mask, measure=measure)
    np.testing.assert_array_equal(np.isnan(scores), [True, True, True, False, False])
    for blank in (np.full(SHAPE, np.nan), np.full(SHAPE, 1234.5)):
        assert np.isnan(rank_references(blank, references, mask, measure=measure)).all()
    assert rank_references(target, references[:0], mask, measure=measure).shape == (0,)


def test_inputs_are_left_as_they_are(scene):
    kept = [array.copy() for array in scene]
    for measure in MEASURES:
        rank_references(*scene, measure=measure)
    for now, before in zip(scene, kept, strict=True):
        np.testing.assert_array_equal(now, before)


def test_what_makes_no_sense_is_refused(scene):
    target, references, mask = scene
    with pytest.raises(ValueError, match="measure 'rms'; give"):
        rank_references(target, references, mask, measure="rms")
    with pytest.raises(ValueError, match="one shape"):
        rank_references(target[1:], references, mask)
    with pytest.raises(ValueError, match="one shape"):
        rank_references(target, references[:, 1:], mask)
    with pytest.raises(ValueError, match="mask has no pixel"):
        rank_references(target, references, np.zeros(SHAPE, bool))


@pytest.mark.parametrize(
    ("scores", "count", "usable", "expected"),
    [
        ([1.0, 3.0, 2.0], 2, None, [0, 1, 1]),
        ([1.0, 3.0, 2.0], 9, None, [1, 1, 1]),
        ([1.0, np.nan, 2.0], 3, None, [1, 0, 1]),
        ([np.nan, np.nan], 1, None, [0, 0]),
        ([1.0, 3.0, 2.0], 1, [1, 0, 1], [0, 0, 1]),
        ([1.0, 3.0, 2.0], 5, [1, 0, 0], [1, 0, 0]),
        ([2.0, 2.0, 2.0], 2, None, [1, 1, 0]),
        ([-np.inf, np.nan, np.inf], 2, [1, 1, 1], [1, 0, 1]),
        ([1.0, -np.inf], 2, [0, 1], [0, 1]),
        ([], 2, None, []),
    ],
)
def test_the_best_are_the_highest_usable(scores, count, usable, expected):
    given = None if usable is None else np.array(usable, bool)
    chosen = best(np.array(scores, float), count, given)
    np.testing.assert_array_equal(chosen, np.array(expected, bool))


def test_none_to_keep_is_refused():
    with pytest.raises(ValueError, match="0 references to keep"):
        best(np.ones(3), 0)
