import numpy as np
import pytest

from coronx.ops.images import Images
from coronx.ops.klip import kl_basis
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.shift import shift_image
from tests.ops.psf_scenes import BACKGROUND, NREF, SIZE, changed, first, observe, subtract


def test_err_is_positive_at_every_rank(seen):
    references, targets = seen
    for truncate in (0, 1, 5, 20, NREF - 1, NREF, 100):
        done = subtract(targets, references, truncate)
        assert (done.err > 0.5 * np.sqrt(BACKGROUND)).all()
        assert done.modes == min(truncate, NREF)
        assert done.references == NREF


def test_the_hosts_error_is_the_scatter_of_the_references(seen):
    references, targets = seen
    flat = references.data.reshape(NREF, -1).astype(float)
    flat -= flat.mean(axis=1, keepdims=True)
    for truncate in (3, NREF):
        modes = np.linalg.svd(flat, full_matrices=False)[2][:truncate]
        truth = np.std(flat - flat @ modes.T @ modes, axis=0).reshape(SIZE, SIZE)
        done = subtract(targets, references, truncate, propagate=False)
        np.testing.assert_allclose(done.err, np.stack([truth, truth]), rtol=1e-4, atol=1e-5)


def test_the_references_scatter_about_their_scaled_mean(seen):
    references, targets = seen
    flat = references.data.reshape(NREF, -1).astype(float)
    flat -= flat.mean(axis=1, keepdims=True)
    mean = flat.mean(axis=0)
    left = flat - np.outer(flat @ mean / (mean @ mean), mean)
    done = subtract(targets, references, 1, propagate=False, method="classical")
    np.testing.assert_allclose(done.err[0].ravel(), left.std(axis=0), rtol=1e-5)


def test_the_model_is_made_only_if_asked_for(seen):
    references, targets = seen
    done = subtract(targets, references, 10)
    plain = subtract_psf(targets, references, truncate=(10,))
    assert plain.model is None
    np.testing.assert_array_equal(plain.residual[0], done.residual)


def test_types_shapes_and_the_sum_of_the_parts(seen):
    references, targets = seen
    done = subtract(targets, references, 10)
    for array in (done.residual, done.err, done.model):
        assert array.shape == targets.data.shape
        assert array.dtype == np.float32
    np.testing.assert_allclose(done.residual + done.model, targets.data, rtol=1e-5)


def test_inputs_are_not_changed(seen):
    references, targets = seen
    spoilt = targets.data.copy()
    spoilt[0, 3, 3] = np.nan
    targets = changed(targets, data=spoilt)
    before = [a.copy() for i in (references, targets) for a in (i.data, i.err, i.bad)]
    subtract(targets, references, 5, shifts=np.array([[0.0, 0.0], [0.2, 0.1]]))
    after = [a for i in (references, targets) for a in (i.data, i.err, i.bad)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("propagate", [True, False])
def test_nan_in_a_target_stays_where_it_is(seen, propagate):
    references, targets = seen
    clean = subtract(targets, references, 10, propagate=propagate)
    data, bad = targets.data.copy(), targets.bad.copy()
    data[0, 4, 5], data[0, 0, :3], data[1, 20, 20] = np.nan, np.inf, -np.inf
    bad[0, 30, 30] = True
    gone = bad | ~np.isfinite(data)
    done = subtract(changed(targets, data=data, bad=bad), references, 10, propagate=propagate)
    np.testing.assert_array_equal(np.isnan(done.residual), gone)
    np.testing.assert_array_equal(np.isnan(done.err), gone)
    assert np.isfinite(done.model).all()
    # The star underneath is fitted as before, but for the noise of the pixels missed.
    assert (np.abs(done.model - clean.model) < 0.5 * targets.err).all()


def test_a_whole_target_missing_is_nan_and_no_other(seen):
    references, targets = seen
    data = targets.data.copy()
    data[0] = np.nan
    done = subtract(changed(targets, data=data), references, 10)
    assert np.isnan(done.residual[0]).all()
    clean = subtract(targets, references, 10)
    np.testing.assert_allclose(done.residual[1], clean.residual[1], atol=1e-3)
    np.testing.assert_allclose(done.err[1], clean.err[1], rtol=0.02)


@pytest.mark.parametrize("flagged", [True, False])
def test_blemishes_of_a_reference_do_not_spread(seen, flagged):
    references, targets = seen
    clean = subtract(targets, references, 10)
    data, bad = references.data.copy(), references.bad.copy()
    at = (3, 20, 22), (7, 0, 0), (8, 30, 10)
    for place, value in zip(at, (np.nan, np.inf, -np.inf), strict=True):
        data[place] = 1e9 if flagged else value
        bad[place] = flagged
    done = subtract(targets, changed(references, data=data, bad=bad), 10)
    assert np.isfinite(done.residual).all()
    change = np.abs(done.residual - clean.residual) / targets.err
    assert change.max() < 1.0
    assert np.sqrt(np.mean(change**2)) < 0.05


def test_a_pixel_bad_in_all_references_is_lost_and_no_other(seen):
    references, targets = seen
    data, bad = references.data.copy(), references.bad.copy()
    data[:, 24, 30] = np.nan
    bad[:, 0, :] = True
    lost = np.zeros((SIZE, SIZE), bool)
    lost[24, 30] = lost[0] = True
    done = subtract(targets, changed(references, data=data, bad=bad), 10)
    for array in (done.residual, done.err, done.model):
        np.testing.assert_array_equal(np.isnan(array), np.stack([lost, lost]))


@pytest.mark.parametrize("propagate", [True, False])
def test_a_reference_without_a_good_pixel_is_left_out(seen, propagate):
    references, targets = seen
    data, bad = references.data.copy(), references.bad.copy()
    data[NREF - 2], bad[NREF - 1] = np.nan, True
    spoilt = changed(references, data=data, bad=bad)
    done = subtract(targets, spoilt, 20, propagate=propagate)
    truth = subtract(targets, first(references, NREF - 2), 20, propagate=propagate)
    assert done.references == NREF - 2
    assert done.modes == 20
    assert subtract(targets, spoilt, 50).modes == NREF - 2
    np.testing.assert_array_equal(done.residual, truth.residual)
    np.testing.assert_allclose(done.err, truth.err, rtol=1e-5)


def test_no_good_reference_is_an_error(seen):
    references, targets = seen
    for changes in ({"data": np.full(references.data.shape, np.nan)}, {"bad": ~references.bad}):
        with pytest.raises(ValueError, match="no reference"):
            subtract(targets, changed(references, **changes), 5)


@pytest.mark.parametrize(("copied", "truncate"), [(7, 50), (NREF, 50), (NREF, 10)])
def test_duplicates_change_nothing(seen, copied, truncate):
    references, targets = seen
    arrays = (references.data, references.err, references.bad)
    twice = Images(*(np.concatenate([a, a[:copied]]) for a in arrays))
    plain = subtract(targets, references, truncate)
    done = subtract(targets, twice, truncate)
    assert done.modes == plain.modes == min(truncate, NREF)
    assert (np.abs(done.residual - plain.residual) < 1e-6 * targets.err).all()


def test_one_reference_is_scaled_to_the_target(seen):
    references, targets = seen
    done = subtract(targets, first(references, 1), 50)
    assert done.modes == 1
    design = np.stack([np.ones(SIZE**2), references.data[0].ravel()], axis=1).astype(float)
    for n in range(2):
        target = targets.data[n].ravel().astype(float)
        truth = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
        np.testing.assert_allclose(done.residual[n].ravel(), truth, atol=1e-3)
    assert (done.err > 0.0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_err_does_not_spread(seen, value):
    references, targets = seen
    clean = subtract(targets, references, 10)
    err, target_err = references.err.copy(), targets.err.copy()
    err[3, 20, 20], target_err[1, 10, 10] = value, value
    done = subtract(changed(targets, err=target_err), changed(references, err=err), 10)
    np.testing.assert_array_equal(done.residual, clean.residual)
    unknown = np.zeros(targets.data.shape, bool)
    unknown[1, 10, 10] = True
    np.testing.assert_array_equal(np.isfinite(done.err), ~unknown)
    np.testing.assert_allclose(done.err[~unknown], clean.err[~unknown], rtol=0.02)


def test_negative_err_counts_by_its_size(seen):
    references, targets = seen
    clean = subtract(targets, references, 10)
    done = subtract(
        changed(targets, err=-targets.err), changed(references, err=-references.err), 10
    )
    np.testing.assert_array_equal(done.err, clean.err)


def test_shifted_targets_are_subtracted_as_well(means):
    rng = np.random.default_rng(3)
    shifts = np.array([[0.0, 0.0], [0.2, -0.3]])
    moved = np.array([shift_image(means[1][0], s) for s in shifts])
    targets, references = observe(rng, moved), observe(rng, means[0])
    done = subtract(targets, references, 10, shifts=shifts)
    normalised = done.residual / done.err
    np.testing.assert_allclose(normalised.std(axis=(1, 2)), 1.0, atol=0.06)
    ignored = subtract(targets, references, 10)
    assert ignored.residual[1].std() > 1.2 * done.residual[1].std()


def test_modes_are_those_of_the_basis(seen):
    references, targets = seen
    done = subtract(targets, references, 4)
    assert done.modes == kl_basis(references.data, truncate=4).eigenvalues.size == 4
