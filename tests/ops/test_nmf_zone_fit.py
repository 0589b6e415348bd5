"""Subtraction by NMF: in zones, with blemishes, errors, and light added."""

import numpy as np
import pytest

from coronx.ops.images import Images
from coronx.ops.nmf import nmf_bases, nmf_fit
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.shift import shift_image
from coronx.ops.stamp import Stamp
from coronx.ops.subtracted import Subtracted
from coronx.ops.zones import whole_frame
from tests.ops.psf_scenes import changed, observe, rings, subtract

NREF, SIZE, K = 12, 40, 3
MATRIX = np.array([[-10.0, 0.0], [0.0, 10.0]])


@pytest.fixture(scope="module")
def means():
    """Return what 12 references and 2 targets show: three patterns, none negative, mixed."""
    rng = np.random.default_rng(1)
    y, x = np.indices((SIZE, SIZE)) - SIZE // 2
    halo = 3000.0 * np.exp(-np.hypot(x, y) / 6.0) + 20.0
    waves = 2.0 * np.pi * rng.uniform(-0.08, 0.08, (K, 2))
    parts = [halo * (1.0 + 0.9 * np.cos(a * x + b * y + n)) for n, (a, b) in enumerate(waves)]
    mix = rng.uniform(0.2, 1.0, (NREF + 2, K))
    images = np.einsum("nk,kyx->nyx", mix, np.array(parts))
    return images[:NREF], images[NREF:]


@pytest.fixture(scope="module")
def seen(means):
    rng = np.random.default_rng(2)
    return tuple(observe(rng, image) for image in means)


def point(x, y):
    """Return a companion of unit flux and an odd number of pixels."""
    row, col = round(y) - 3, round(x) - 3
    rows, cols = np.indices((7, 7))
    image = np.exp(-0.5 * ((rows + row - y) ** 2 + (cols + col - x) ** 2) / 1.1**2)
    return Stamp(image / (2.0 * np.pi * 1.1**2), row, col)


def opened(seen, **options):
    references, targets = seen
    matrices = np.repeat(MATRIX[None], len(targets.data), axis=0)
    return Subtracted(
        targets, references, star=(20.0, 20.0), matrices=matrices,
        truncate=K, method="nmf", **options,
    )  # fmt: skip


def test_it_is_the_non_negative_fit_by_the_components_of_the_references(seen):
    references, targets = seen
    done = subtract_psf(targets, references, truncate=(1, 2, K), method="nmf", with_model=True)
    assert done.modes == done.truncate == (1, 2, K)
    for k, count in enumerate(done.truncate):
        (components,) = nmf_bases(references.data, components=(count,))
        expected = nmf_fit(targets.data, targets.good, components)[0]
        np.testing.assert_allclose(done.model[k], expected, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(done.residual[k], targets.data - done.model[k], atol=1e-3)
    assert done.residual[-1].std() < 1.2 * targets.err.mean() < done.residual[0].std() / 2.0


def test_a_component_without_a_share_is_no_part_of_the_model(seen):
    references, targets = seen
    (components,) = nmf_bases(references.data, components=(K,))
    data = targets.data.copy()
    data[0] = 300.0 * components[0] + 500.0 * components[1]
    data[0] -= 100.0 * components[2]
    done = subtract(changed(targets, data=data), references, K, method="nmf")
    expected, shares = nmf_fit(data, targets.good, components)
    assert (shares[0] > 0.0).sum() == done.modes == 2
    np.testing.assert_allclose(done.model, expected, rtol=1e-5, atol=1e-3)


def test_nothing_is_asked_of_it_that_it_cannot_do(seen):
    with pytest.raises(ValueError, match="give 1 or more"):
        subtract(seen[1], seen[0], 0, method="nmf")
    matrices = np.full((NREF, 2, 2), np.nan)
    matrices[3] = MATRIX
    with pytest.raises(ValueError, match="subtract by klip or classical"):
        opened(seen, reference_matrices=matrices)


@pytest.mark.parametrize(("missing", "zones"), [(0.02, None), (0.0, (0.0, 9.0))])
def test_err_is_the_scatter_over_noise_realisations(means, missing, zones):
    rng = np.random.default_rng(3)
    bad = rng.random(means[1].shape) < missing
    options = {} if zones is None else {"zones": rings(SIZE, zones, padding=2.0)}
    residuals, variances = [], []
    for _ in range(50):
        target = changed(observe(rng, means[1]), bad=bad)
        done = subtract(target, observe(rng, means[0]), K, method="nmf", **options)
        residuals.append(done.residual[~bad])
        variances.append(done.err[~bad] ** 2)
    assert np.min(variances) > 0.0
    ratio = np.std(residuals, axis=0) / np.sqrt(np.mean(variances, axis=0))
    assert abs(np.median(ratio) - 1.0) < 0.03


def test_the_hosts_error_is_the_scatter_of_the_references(seen):
    references, targets = seen
    (components,) = nmf_bases(references.data, components=(K,))
    left = references.data - nmf_fit(references.data, references.good, components)[0]
    done = subtract(targets, references, K, method="nmf", propagate=False)
    np.testing.assert_allclose(done.err[1], left.std(axis=0), rtol=1e-4)


def test_blemishes_do_not_spread(seen):
    references, targets = seen
    clean = subtract(targets, references, K, method="nmf")
    data, bad = references.data.copy(), references.bad.copy()
    data[3, 20, 22], data[7, 0, 0] = np.nan, 1e9
    bad[7, 0, 0] = True
    bad[:, 5, 6] = True
    own = targets.data.copy()
    own[0, 4, 5], own[1, 25, 20] = np.nan, np.inf
    gone = ~np.isfinite(own)
    gone[:, 5, 6] = True
    done = subtract(
        changed(targets, data=own), changed(references, data=data, bad=bad), K, method="nmf"
    )
    for array in (done.residual, done.err):
        np.testing.assert_array_equal(np.isnan(array), gone)
    change = np.abs(done.residual - clean.residual)[~gone] / targets.err[~gone]
    assert change.max() < 1.0
    assert np.sqrt(np.mean(change**2)) < 0.05


def test_a_companion_kept_out_is_subtracted_as_if_it_were_not_there(seen):
    references, targets = seen
    clean = subtract(targets, references, K, method="nmf")
    data = targets.data.copy()
    point(27.0, 15.0).add_to(data[0], 5e4)
    out = np.hypot(*(np.indices((SIZE, SIZE)) - np.array([15, 27])[:, None, None])) < 5
    done = subtract(changed(targets, data=data), references, K, method="nmf", kept_out=out)
    biased = subtract(changed(targets, data=data), references, K, method="nmf")
    here, there = (
        ((one.model - clean.model) / targets.err)[:, out].std() for one in (done, biased)
    )
    assert here < 0.4 < 4.0 * here < there


def test_zones_of_their_own_references_and_zones_of_none(seen):
    references, targets = seen
    zones = rings(SIZE, (0.0, 9.0))
    chosen = np.ones((2, 2, NREF), bool)
    chosen[0, 1, :6] = False
    chosen[1, 1] = False
    done = subtract(targets, references, K, method="nmf", zones=zones, chosen=chosen)
    inner, outer = (zone.subtract for zone in zones)
    assert np.isnan(done.residual[1][outer]).all()
    assert np.isfinite(done.residual[0]).all()
    few = changed(references, bad=references.bad | (np.arange(NREF) < 6)[:, None, None])
    alone = subtract(targets, few, K, method="nmf", zones=zones[:1])
    np.testing.assert_allclose(done.residual[1][inner], alone.residual[1][inner], atol=1e-3)
    faint = changed(references, data=np.where(outer, -1.0, references.data).astype(np.float32))
    dark = subtract(targets, faint, K, method="nmf", zones=zones)
    np.testing.assert_array_equal(dark.residual[:, outer], targets.data[:, outer])


def test_shifted_targets_are_subtracted_as_well(means):
    rng = np.random.default_rng(4)
    shifts = np.array([[0.0, 0.0], [0.3, -0.4]])
    moved = np.array([shift_image(image, s) for image, s in zip(means[1], shifts, strict=True)])
    targets, references = observe(rng, np.maximum(moved, 1.0)), observe(rng, means[0])
    spoilt = targets.data.copy()
    spoilt[1, 18:20, 22] = np.nan
    targets = changed(targets, data=spoilt)
    middle = np.s_[1, 4:-4, 4:-4]
    done = subtract(targets, references, K, method="nmf", shifts=shifts)
    assert np.nanstd((done.residual / done.err)[middle]) == pytest.approx(1.0, abs=0.1)
    ignored = subtract(targets, references, K, method="nmf")
    assert np.nanstd(ignored.residual[middle]) > 2.0 * np.nanstd(done.residual[middle])


@pytest.mark.parametrize("zones", [None, (0.0, 9.0)])
def test_a_faint_companion_leaves_what_it_is_said_to(seen, zones):
    references, targets = seen
    bad = np.random.default_rng(5).random(targets.bad.shape) < 0.02
    cut = whole_frame((SIZE, SIZE)) if zones is None else rings(SIZE, zones)
    part = opened((references, changed(targets, bad=bad)), zones=cut)
    east, north, flux = 0.5, 0.83, 200.0
    with_it = targets.data.astype(np.float64)
    for n, (x, y) in enumerate(part.places(east, north)):
        point(x, y).add_to(with_it[n], flux)
    other = opened((references, Images(with_it, targets.err, bad)), zones=cut)
    before, after = (one.patches(east, north, half=9) for one in (part, other))
    told = part.response(point, east, north, flux, half=9)
    np.testing.assert_allclose(told.values, after.values - before.values, atol=1e-9)
    assert np.abs(np.nansum(told.values, axis=(1, 2)) / flux - 1.0).max() > 0.01
    np.testing.assert_allclose(
        part.add(with_it - targets.data), other.residual - part.residual, atol=1e-9
    )


def test_the_share_kept_is_that_of_the_matched_filter(seen):
    part = opened(seen)
    share = part.kept(point(20.0, 20.0).values)
    east, north = 0.6, -0.3
    left = part.response(point, east, north, half=3).values.mean(axis=0)
    kernel = point(20.0, 20.0).values
    assert share[17, 14] == pytest.approx((left * kernel).sum() / (kernel**2).sum(), rel=1e-4)
    assert share[17, 14] < 0.999


def test_errors_of_the_residuals_are_those_of_the_subtraction(seen):
    part = opened(seen)
    done = subtract(seen[1], seen[0], K, method="nmf")
    np.testing.assert_allclose(part.err, done.err, rtol=1e-5)
    np.testing.assert_allclose(part.residual, done.residual, atol=1e-3)
