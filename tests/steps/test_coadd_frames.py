import numpy as np
import pytest
from jwst import datamodels

from coronx.errors import InputError
from coronx.models.arrays import array_of
from coronx.models.schema import extend
from coronx.steps.coron.coadd_frames import CoaddFramesStep
from coronx.steps.coron.stack_refs import StackRefsStep

PARTS = ("var_poisson", "var_rnoise", "var_flat")


@pytest.fixture(scope="module")
def exposure(make_miri):
    return make_miri(nints=5)


def test_consecutive_integrations_are_averaged(exposure):
    result = CoaddFramesStep.call(exposure, ncoadd=2)
    assert result.shape == (3, *exposure.shape[1:])
    good = np.isfinite(exposure.data) & (exposure.dq & 1 == 0)
    values = np.where(good, exposure.data, np.nan)
    for n, (start, stop) in enumerate(((0, 2), (2, 4), (4, 5))):
        some = good[start:stop].any(axis=0)
        expected = np.nanmean(values[start:stop, some], axis=0, dtype=float)
        np.testing.assert_allclose(result.data[n, some], expected, rtol=1e-5)
        assert np.isnan(result.data[n, ~some]).all()
        assert (result.dq[n, ~some] & 1 == 1).all()
        assert not (result.dq[n, some] & 1).any()
    assert [tuple(row) for row in result.coadded] == [(1, 1, 2, 2), (2, 3, 4, 2), (3, 5, 5, 1)]
    assert result.meta.coronx.coadd_frames == "COMPLETE"


@pytest.mark.parametrize("method", ["mean", "median"])
def test_errors_and_variances_agree(exposure, method):
    result = CoaddFramesStep.call(exposure, method=method)
    assert result.shape[0] == 1
    total = sum(getattr(result, name) for name in PARTS)
    np.testing.assert_allclose(total, result.err**2, rtol=1e-5)
    whole = (exposure.dq & 1 == 0).all(axis=0) & np.isfinite(exposure.data).all(axis=0)
    gain = np.median(np.median(exposure.err[:, whole], axis=0) / result.err[0, whole])
    assert gain == pytest.approx((5 / (1.4342 if method == "median" else 1.0)) ** 0.5, rel=0.02)


def test_times_add_up(exposure):
    result = CoaddFramesStep.call(exposure, ncoadd=2)
    meta, then = result.meta.exposure, exposure.meta.exposure
    assert (meta.nints, meta.integration_start, meta.integration_end) == (3, 1, 3)
    assert meta.integration_time == pytest.approx(2 * then.integration_time)
    for name in ("exposure_time", "effective_exposure_time", "measurement_time", "duration"):
        assert getattr(meta, name) == getattr(then, name)
    times, before = result.int_times, exposure.int_times
    np.testing.assert_array_equal(times["int_start_MJD_UTC"], before["int_start_MJD_UTC"][::2])
    assert times["int_end_MJD_UTC"][-1] == before["int_end_MJD_UTC"][-1]


def test_flags_of_samples_to_leave_out(exposure):
    model = exposure.copy()
    model.dq[0, 50, 50], model.data[0, 50, 50] = 4, 1e6
    kept = CoaddFramesStep.call(model)
    assert kept.data[0, 50, 50] > 1e5
    assert kept.dq[0, 50, 50] & 4
    left_out = CoaddFramesStep.call(model, bad_bits=["DO_NOT_USE", "JUMP_DET"])
    assert left_out.data[0, 50, 50] == pytest.approx(model.data[1:, 50, 50].mean(), rel=1e-5)
    assert not left_out.dq[0, 50, 50] & 4
    with pytest.raises(InputError, match="bad_bits 'NOISY'"):
        CoaddFramesStep.call(model, bad_bits=["NOISY"])


def test_twice_is_twice(make_miri):
    model = make_miri(nints=4)
    for name in ("data", "err", "dq"):
        setattr(model, name, np.nan_to_num(getattr(model, name)) * (name != "dq"))
    model.dq = model.dq.astype("u4")
    twice = CoaddFramesStep.call(CoaddFramesStep.call(model, ncoadd=2), ncoadd=2)
    once = CoaddFramesStep.call(model, ncoadd=4)
    np.testing.assert_allclose(twice.data, once.data, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(twice.err, once.err, rtol=1e-5)
    assert twice.coadded.tolist() == once.coadded.tolist()
    for name in ("nints", "integration_time", "exposure_time"):
        assert getattr(twice.meta.exposure, name) == getattr(once.meta.exposure, name)


def test_exposures_of_a_stack_are_kept_apart(make_exposure):
    stars = [make_exposure(f"star_{n}_calints.fits", nints=3, seed=1) for n in (1, 2)]
    stack = StackRefsStep.call(stars)
    result = CoaddFramesStep.call(stack, ncoadd=2)
    assert [(row["first"], row["last"]) for row in result.coadded] == [
        (1, 2), (3, 3), (4, 5), (6, 6)
    ]  # fmt: skip
    assert result.planes["exposure"].astype(str).tolist() == [
        *["star_1_calints.fits"] * 2,
        *["star_2_calints.fits"] * 2,
    ]


def test_an_exposure_without_variances(make_exposure):
    model = make_exposure(nints=2)
    bare = type(model)(data=model.data, err=model.err, dq=model.dq)
    result = CoaddFramesStep.call(bare)
    assert extend(result).shape == (1, 320, 320)
    good = np.isfinite(result.data[0]) & (model.dq == 0).all(axis=0)
    good &= np.isfinite(model.data).all(axis=0)
    expected = np.sqrt((model.err.astype(float) ** 2).sum(axis=0)) / 2
    np.testing.assert_allclose(result.err[0, good], expected[good], rtol=1e-5)
    assert array_of(result, "var_rnoise") is None


def test_a_file_and_an_association(miri_association, members_of, tmp_path):
    names = [name for name, _ in members_of(miri_association)]
    alone = CoaddFramesStep.call(str(miri_association.parent / names[0]), ncoadd=2)
    CoaddFramesStep.call(
        str(miri_association), ncoadd=2, save_results=True, output_dir=str(tmp_path)
    )
    made = tmp_path / "star_coadded_asn.json"
    coadded = [name.replace("calints", "coadded") for name in names]
    assert members_of(made) == [(coadded[0], "science"), (coadded[1], "psf")]
    with datamodels.open(str(tmp_path / coadded[0])) as model:
        np.testing.assert_array_equal(model.data, alone.data)
        assert extend(model).coadded.tolist() == alone.coadded.tolist()
    with datamodels.open(str(tmp_path / coadded[1])) as model:
        assert model.shape[0] == 1
