"""ERR of a subtraction beside the scatter over realisations of the noise."""

import numpy as np
import pytest

from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.shared_variance import variance_in_mean
from coronx.ops.zones import annular_zones
from tests.ops.psf_scenes import NREF, SIZE, changed, observe

MIDDLE, REALISATIONS = SIZE // 2, 120
Y, X = np.indices((SIZE, SIZE)) - MIDDLE
AROUND = np.hypot(X - 7, Y - 5) < 5  # a companion
ZONES = annular_zones((SIZE, SIZE), (MIDDLE, MIDDLE), edges=(8, 16), sectors=2, padding=2)


def rms(ratio):
    return np.sqrt(np.nanmean(ratio**2, axis=-1))


def scatter_over_err(means, counts, *, references_missing=0.0, missing=0.0, **options):
    """Return the scatter of residuals over the rms ERR, (ntrunc, nt, ny, nx); NaN where bad."""
    rng = np.random.default_rng(2)
    gone = rng.random(means[0].shape) < references_missing
    bad = rng.random(means[1].shape) < missing
    total, square, variance = 0.0, 0.0, 0.0
    for _ in range(REALISATIONS):
        references, targets = (observe(rng, mean) for mean in means)
        # What is flagged is wild.
        references = Images(
            np.where(gone, np.nan, references.data), np.where(gone, 1e4, references.err), gone
        )
        targets = changed(targets, bad=bad, err=np.where(bad, 1e4, targets.err))
        done = subtract_psf(targets, references, truncate=counts, **options)
        total += done.residual.astype(float)
        square += done.residual.astype(float) ** 2
        variance += done.err.astype(float) ** 2
        assert np.nanmin(done.err) > 0.0
    spread = (square - total**2 / REALISATIONS) / (REALISATIONS - 1)
    return np.sqrt(spread / (variance / REALISATIONS))


@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_of_the_whole_frame(means, missing):
    ratio = scatter_over_err(means, (5, 20, NREF), missing=missing)
    np.testing.assert_allclose(rms(ratio.reshape(3, -1)), 1.0, atol=0.03)


def test_of_padded_zones_with_pixels_kept_out(means):
    ratio = scatter_over_err(means, (1, 3, 6), zones=ZONES, kept_out=AROUND, missing=0.02)[:, 0]
    for zone in ZONES:
        np.testing.assert_allclose(rms(ratio[:, zone.subtract & ~AROUND]), 1.0, atol=0.03)
    np.testing.assert_allclose(rms(ratio[:, AROUND]), 1.0, atol=0.03)


def test_of_the_mean_reference(means):
    ratio = scatter_over_err(means, (1,), zones=ZONES, kept_out=AROUND, method="classical")[0, 0]
    for region in (*(zone.subtract & ~AROUND for zone in ZONES), AROUND):
        np.testing.assert_allclose(rms(ratio[region]), 1.0, atol=0.03)


def test_of_targets_with_references_of_their_own(means):
    both = means[0], np.concatenate([means[1], 1.5 * means[1]])
    chosen = np.zeros((1, 2, NREF), bool)
    chosen[0, 0, :4] = chosen[0, 1, 4:] = True
    ratio = scatter_over_err(both, (2, 4), chosen=chosen, missing=0.02, references_missing=0.01)
    np.testing.assert_allclose(rms(ratio.reshape(2, 2, -1)), 1.0, atol=0.03)


def test_of_shifted_targets(means):
    shifts = np.array([[0.06, -0.04]])
    ratio = scatter_over_err(means, (5,), shifts=shifts, missing=0.02, references_missing=0.01)
    np.testing.assert_allclose(rms(ratio.ravel()), 1.0, atol=0.03)


def test_of_a_mean_of_targets_that_share_references(means):
    """Few references, some of them in common: much of the mean's noise is shared."""
    rng = np.random.default_rng(3)
    few, stars = means[0][:6], means[1] * np.array([1.0, 1.2, 0.9, 1.1])[:, None, None]
    chosen = np.ones((len(ZONES), 4, 6), bool)
    chosen[:, :2, 5], chosen[:, 2:, 0] = False, False
    bad = rng.random(stars.shape) < 0.05
    total, square, told, alone = 0.0, 0.0, 0.0, 0.0
    for _ in range(REALISATIONS):
        references, targets = observe(rng, few), changed(observe(rng, stars), bad=bad)
        done = subtract_psf(targets, references, truncate=(1, 5), zones=ZONES, chosen=chosen)
        weight = np.where(bad, 0.0, np.array([1.0, 0.8, 1.1, 0.9])[:, None, None])
        share = weight / weight.sum(axis=0)
        mean = np.nansum(share * done.residual, axis=1)
        total, square = total + mean, square + mean**2
        for k in range(2):
            variance = np.nan_to_num(done.err[k] ** 2)
            alone += np.nanmean((share**2 * variance).sum(axis=0)) / 2
        own = [
            (share**2 * variance_in_mean(np.nan_to_num(err**2), weight, shared)).sum(axis=0)
            for err, shared in zip(done.err, done.shared, strict=True)
        ]
        told += np.array(own)
    spread = (square - total**2 / REALISATIONS) / (REALISATIONS - 1)
    ratio = np.sqrt(spread / (told / REALISATIONS))
    np.testing.assert_allclose(rms(ratio.reshape(2, -1)), 1.0, atol=0.03)
    assert spread.mean() > 1.3 * alone / REALISATIONS


def test_nothing_is_shared_by_one_target_or_told_by_scatter(means):
    references, target = (observe(np.random.default_rng(4), mean) for mean in means)
    assert not subtract_psf(target, references, truncate=(2,)).shared.any()
    assert subtract_psf(target, references, truncate=(2,), propagate=False).shared is None
