"""What the host fails (jwst 3.0.0) and we pass."""

import numpy as np
import pytest

from coronx.errors import InputError
from coronx.ops.median import fill_local_median
from coronx.steps.coron.align_refs import AlignRefsStep
from coronx.steps.coron.klip import KlipStep
from coronx.steps.coron.stack_refs import StackRefsStep
from tests.steps.stock_replay.host_frames import DNU, NONSCI, cube


@pytest.fixture(scope="module")
def stars(speckles):
    """Return a target with jitter and a stack of shifted references, in single precision."""
    rng = np.random.default_rng(0)
    jitter = np.array([(0.0, 0.0), (0.06, -0.04)])
    places = np.array([(1.3, -0.9), (-0.4, 0.2), (0.0, 0.7), (11.4, -8.7)])

    def frame(shift, brightness):
        image = 2000.0 * brightness * speckles(64, shift).clip(0.0)
        return image + rng.normal(size=image.shape) * np.sqrt(image + 20.0)

    target = cube("NIRCAM", np.array([frame(s, 1.0) for s in jitter]))
    psf = cube("NIRCAM", np.array([frame(s, 2.0) for s in places]))
    for model in (target, psf):
        model.err = np.sqrt(np.maximum(model.data, 0.0) + 20.0)
    return target, psf, jitter, places


def test_single_precision_recovers_true_shifts(stars, mask):
    target, psf, jitter, places = stars
    result = AlignRefsStep.call(target, psf, override_psfmask=mask.speckle)
    found = np.column_stack([result.reference_shifts[n] for n in ("dx", "dy")])
    np.testing.assert_allclose(found, -places, atol=0.03)
    np.testing.assert_array_equal(result.shifts[0], 0.0)
    np.testing.assert_allclose(result.shifts, jitter, atol=0.03)
    assert result.reference_shifts["converged"].all()


def test_steps_in_a_chain_and_through_files_agree(stars, mask, tmp_path):
    target, psf, *_ = stars
    aligned = AlignRefsStep.call(target, psf, override_psfmask=mask.speckle)
    chained = KlipStep.call(target, aligned)
    for name, model in (("t_calints", target), ("p_psfstack", psf), ("t_psfalign", aligned)):
        model.copy().save(str(tmp_path / f"{name}.fits"))
    again = AlignRefsStep.call(
        str(tmp_path / "t_calints.fits"),
        str(tmp_path / "p_psfstack.fits"),
        override_psfmask=mask.speckle,
    )
    np.testing.assert_array_equal(again.data, aligned.data)
    alone = KlipStep.call(str(tmp_path / "t_calints.fits"), str(tmp_path / "t_psfalign.fits"))
    np.testing.assert_allclose(alone.data, chained.data, atol=1e-3)
    np.testing.assert_allclose(alone.err, chained.err, rtol=1e-4)


def test_nan_in_err_and_data_do_not_spread(stars, mask):
    target, psf, *_ = stars
    target, psf = target.copy(), psf.copy()
    psf.err[1, 30, 30] = psf.data[2, 40, 20] = target.data[0, 20, 25] = np.nan
    psf.err[0, 10, 10], psf.data[1, 50, 50] = 1e3, np.inf
    aligned = AlignRefsStep.call(target, psf, override_psfmask=mask.speckle)
    flagged = aligned.dq & (DNU | NONSCI) == DNU | NONSCI
    np.testing.assert_array_equal(np.isnan(aligned.data), flagged)
    np.testing.assert_array_equal(np.isnan(aligned.err), flagged)
    assert flagged[:, 1:3].mean() < 0.05
    assert (aligned.err[~flagged] > 0.0).all()
    wild = aligned.err[0, 0] > 100.0
    assert 0 < wild.sum() <= 49
    result = KlipStep.call(target, aligned)
    assert np.isnan(result.data[0, 20, 25])
    assert np.isfinite(result.data[1, 20, 25])
    lost = np.isnan(result.data[1])
    assert lost.mean() < 0.05


def test_an_integration_without_a_good_pixel_is_nan_and_harms_no_other(stars, mask):
    target, psf, *_ = stars
    spoilt = cube("NIRCAM", np.concatenate([target.data, target.data[:1]]))
    spoilt.err = np.concatenate([target.err, target.err[:1]])
    spoilt.data[2] = np.nan
    results = []
    for science in (target, spoilt):
        aligned = AlignRefsStep.call(science, psf, override_psfmask=mask.speckle)
        results.append(KlipStep.call(science, aligned))
    np.testing.assert_array_equal(aligned.integration_shifts["converged"], [1, 1, 0])
    np.testing.assert_array_equal(aligned.shifts[2], 0.0)
    np.testing.assert_allclose(results[1].data[:2], results[0].data, atol=1e-3)
    assert np.isnan(results[1].data[2]).all()
    spoilt.data[0] = np.nan
    with pytest.raises(InputError, match="first integration"):
        AlignRefsStep.call(spoilt, psf, override_psfmask=mask.speckle)


def test_err_is_an_error_at_full_rank(stars, mask):
    target, psf, *_ = stars
    for references in (psf, cube("NIRCAM", psf.data[:1])):
        aligned = AlignRefsStep.call(target, references, override_psfmask=mask.speckle)
        result = KlipStep.call(target, aligned, truncate=50)
        seen = np.isfinite(result.data)
        assert seen.mean() > 0.95
        assert (result.err[seen] > 0.5 * target.err[seen]).all()
        # Four references leave little beyond noise.
        assert 0.8 < np.std(result.data[seen] / result.err[seen]) < 1.5


def test_a_reference_that_shows_no_star_is_left_out(stars, mask, tmp_path, caplog):
    target, psf, *_ = stars
    psf = StackRefsStep.call([psf])
    psf.data[2] = np.nan
    path = tmp_path / "p_psfstack.fits"
    psf.save(str(path))
    aligned = AlignRefsStep.call(target, str(path), override_psfmask=mask.speckle)
    np.testing.assert_array_equal(aligned.reference_shifts["converged"], [1, 1, 0, 1])
    assert "nircam_calints.fits integration 3: not registered" in caplog.text
    assert KlipStep.call(target, aligned).meta.coronx.kl_modes == 3


def test_duplicate_references_change_nothing(stars, mask):
    target, psf, *_ = stars
    twice = cube("NIRCAM", np.concatenate([psf.data, psf.data]))
    twice.err = np.concatenate([psf.err, psf.err])
    results = []
    for references in (psf, twice):
        aligned = AlignRefsStep.call(
            target, references, override_psfmask=mask.speckle, per_integration=False
        )
        results.append(KlipStep.call(target, aligned))
    plain, double = results
    assert double.meta.coronx.kl_modes == plain.meta.coronx.kl_modes == len(psf.data)
    np.testing.assert_allclose(double.data, plain.data, atol=1e-3)


def test_the_median_reaches_the_left_edge():
    image = np.full((6, 6), 7.0)
    bad = np.zeros((6, 6), bool)
    bad[0, 0] = bad[3, 0] = bad[0, 4] = True
    assert (fill_local_median(image, bad) == 7.0).all()
