import numpy as np
import pytest
from astropy.io import fits
from jwst import datamodels
from stdatamodels.jwst.datamodels import CubeModel, QuadModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import AlignRefsStep, KlipStep
from coronx.errors import InputError
from coronx.models.arrays import array_of
from coronx.models.schema import extend


@pytest.fixture(scope="module")
def subtracted(target, aligned):
    return KlipStep.call(target, aligned)


def test_the_star_is_gone(target, subtracted, ring):
    for n in range(2):
        good = ring & np.isfinite(subtracted.data[n]) & (target.dq[n] == 0)
        before, after = (model.data[n][good].std() for model in (target, subtracted))
        assert before > 12 * after
        pull = subtracted.data[n][good] / subtracted.err[n][good]
        # 3 % of speckles that no reference has are left on top of the noise.
        assert 0.9 < pull.std() < 2.0
    assert subtracted.meta.cal_step.klip == "COMPLETE"
    assert subtracted.meta.cal_step.align_psfs == "COMPLETE"
    assert subtracted.meta.cal_step.stack_psfs == "COMPLETE"
    assert subtracted.meta.coronx.kl_modes == 4
    assert subtracted.meta.coronx.error_kind == "propagated"
    assert subtracted.meta.wcs is not None


def test_nan_is_where_it_was_and_flagged(target, subtracted):
    bad = np.isnan(target.data) | ((target.dq & pixel["DO_NOT_USE"]) != 0)
    extra = np.isnan(subtracted.data) & ~bad
    assert np.isnan(subtracted.data[bad]).all()
    # Only at the frame's edges, where no reference reaches.
    assert not extra[:, 5:-5, 5:-5].any()
    assert (subtracted.dq[np.isnan(subtracted.data)] & pixel["DO_NOT_USE"]).all()
    assert np.array_equal(np.isnan(subtracted.err), np.isnan(subtracted.data))


def test_variances_add_up_to_err(subtracted):
    total = subtracted.var_poisson + subtracted.var_rnoise
    good = np.isfinite(subtracted.err)
    np.testing.assert_allclose(total[good], subtracted.err[good] ** 2, rtol=1e-3)
    assert (subtracted.var_rnoise[good] == 1.0).all()


@pytest.mark.parametrize(("truncate", "modes"), [(0, 0), (1, 1), (3, 3), (4, 4), (50, 4)])
def test_truncate(target, aligned, ring, truncate, modes):
    result = KlipStep.call(target, aligned, truncate=truncate)
    assert result.meta.coronx.kl_modes == modes
    good = ring & np.isfinite(result.data[0])
    if truncate == 0:
        offset = target.data[0][good] - result.data[0][good]
        np.testing.assert_allclose(offset, offset[0], rtol=1e-4)
    else:
        assert result.data[0][good].std() < 5.0
    assert (result.err[np.isfinite(result.err)] > 0.0).all()


def test_error_scatter_is_the_references_own(target, aligned):
    one = KlipStep.call(target, aligned, error="scatter", truncate=1)
    every = KlipStep.call(target, aligned, error="scatter", truncate=4)
    propagated = KlipStep.call(target, aligned, truncate=1)
    assert one.meta.coronx.error_kind == "scatter"
    np.testing.assert_array_equal(one.data, propagated.data)
    assert 0.5 < np.nanmedian(one.err) < 3.0
    assert np.nanmedian(every.err) < 1e-3
    assert np.nanmedian(propagated.err) > 1.0
    assert array_of(one, "shared_variance") is None


def test_save_psf(target, aligned, subtracted, tmp_path):
    result = KlipStep.call(
        target, aligned, save_psf=True, save_results=True, output_dir=str(tmp_path)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "target_00001_nrcalong_psfmodel.fits",
        "target_00001_nrcalong_psfsub.fits",
    ]
    np.testing.assert_array_equal(result.data, subtracted.data)
    np.testing.assert_array_equal(result.psf_model, target.data - result.data)
    np.testing.assert_array_equal(np.isnan(result.psf_model), np.isnan(result.data))
    with datamodels.open(str(tmp_path / "target_00001_nrcalong_psfmodel.fits")) as model:
        good = np.isfinite(result.data)
        np.testing.assert_allclose(
            model.data[good], (target.data - result.data)[good], rtol=1e-4, atol=1e-3
        )
        # The model is defined under the target's bad pixels too.
        assert np.isfinite(model.data).sum() > good.sum()


def test_planes_of_unknown_making_give_the_same(target, aligned, subtracted, ring):
    plain = QuadModel(data=aligned.data, err=aligned.err, dq=aligned.dq)
    plain.update(aligned, only="PRIMARY")
    result = KlipStep.call(target, plain)
    for n in range(2):
        good = ring & np.isfinite(result.data[n]) & np.isfinite(subtracted.data[n])
        noise = subtracted.err[n][good]
        difference = (result.data[n][good] - subtracted.data[n][good]) / noise
        assert np.sqrt(np.mean(difference**2)) < 0.05
        np.testing.assert_allclose(result.err[n][good], noise, rtol=0.1)


def test_a_cube_of_references(target, stack, subtracted, ring):
    flat = AlignRefsStep.call(target, stack, per_integration=False)
    result = KlipStep.call(target, flat)
    np.testing.assert_allclose(result.data[0], subtracted.data[0], atol=1e-3)
    # The second integration is off by the jitter that 4-D references follow.
    good = ring & np.isfinite(result.data[1])
    assert result.data[1][good].std() > 2.0 * subtracted.data[1][good].std()


def test_what_integrations_share_is_told(subtracted, ring, tmp_path):
    # Four references, longer exposed than the target, whose noise is in both integrations.
    part = subtracted.shared_variance[ring] / np.nanmean(subtracted.err[:, ring] ** 2, axis=0)
    assert 0.05 < np.nanmedian(part) < 0.2
    extend(subtracted.copy()).save(str(tmp_path / "x_psfsub.fits"))
    with fits.open(tmp_path / "x_psfsub.fits") as saved:
        np.testing.assert_array_equal(saved["SHAREVAR"].data, subtracted.shared_variance)
    with CubeModel(str(tmp_path / "x_psfsub.fits")) as model:
        np.testing.assert_array_equal(
            array_of(model, "shared_variance"), subtracted.shared_variance
        )


def test_the_file_read_back_gives_the_same(target, aligned, subtracted, tmp_path):
    aligned.copy().save(str(tmp_path / "x_psfalign.fits"))
    target.copy().save(str(tmp_path / "x_calints.fits"))
    result = KlipStep.call(str(tmp_path / "x_calints.fits"), str(tmp_path / "x_psfalign.fits"))
    np.testing.assert_array_equal(result.data, subtracted.data)
    np.testing.assert_array_equal(result.err, subtracted.err)
    with datamodels.open(str(tmp_path / "x_psfalign.fits")) as host:
        again = KlipStep.call(target, host)
    good = np.isfinite(again.data) & np.isfinite(subtracted.data)
    assert np.abs((again.data - subtracted.data)[good]).mean() < 0.05


def test_one_reference_and_duplicates(target, references):
    one = AlignRefsStep.call(target, references[0])
    assert KlipStep.call(target, one).meta.coronx.kl_modes == 1
    twice = CubeModel(
        data=np.concatenate([references[0].data] * 2),
        err=np.concatenate([references[0].err] * 2),
        dq=np.concatenate([references[0].dq] * 2),
    )
    twice.update(references[0])
    both = KlipStep.call(target, AlignRefsStep.call(target, twice))
    assert both.meta.coronx.kl_modes == 1
    assert np.isfinite(both.data).mean() > 0.97


def test_nan_in_err_stays_local(target, aligned, subtracted):
    spoilt = target.copy()
    spoilt.err[0, 70, 80] = np.nan
    result = KlipStep.call(spoilt, aligned)
    np.testing.assert_array_equal(result.data, subtracted.data)
    where = np.argwhere(np.isnan(result.err) & ~np.isnan(subtracted.err))
    assert where.tolist() == [[0, 70, 80]]


def test_references_for_another_count_are_refused(aligned, make_exposure):
    three = make_exposure("three_calints.fits", seed=1, nints=3)
    with pytest.raises(InputError, match=r"aligned to 2 .*, but three_calints\.fits has 3"):
        KlipStep.call(three, aligned)


def test_a_bare_second_name_is_looked_for_here_then_beside_the_first(
    target, aligned, tmp_path, monkeypatch, subtracted
):
    scene, here = tmp_path / "scene", tmp_path / "here"
    scene.mkdir()
    here.mkdir()
    target.copy().save(str(scene / "a_calints.fits"))
    aligned.copy().save(str(here / "a_psfalign.fits"))
    aligned.copy().save(str(scene / "b_psfalign.fits"))
    monkeypatch.chdir(here)
    for name in ("a_psfalign.fits", "b_psfalign.fits"):
        result = KlipStep.call("../scene/a_calints.fits", name)
        np.testing.assert_allclose(result.data, subtracted.data, atol=1e-3)
    with pytest.raises(InputError, match=r"c_psfalign.fits: no such file"):
        KlipStep.call("../scene/a_calints.fits", "c_psfalign.fits")
