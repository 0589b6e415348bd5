import logging
from pathlib import Path

import numpy as np
import pytest
from jwst import datamodels
from stdatamodels.jwst.datamodels import CubeModel, PsfMaskModel, QuadModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import AlignRefsStep, KlipStep
from coronx.errors import InputError
from coronx.models.psfalign import PsfAlignModel
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import transmission
from tests.steps.reference_shifts import TOLERANCE, TRUE, shifts_of

MODE = MODES["nircam-335r"]


@pytest.fixture
def mask_file(tmp_path):
    def write(data, name="mask.fits"):
        PsfMaskModel(data=data.astype("f4")).save(str(tmp_path / name))
        return str(tmp_path / name)

    return write


def test_true_shifts_are_found(aligned):
    assert isinstance(aligned, QuadModel)
    assert aligned.shape == (2, 4, 320, 320)
    np.testing.assert_allclose(shifts_of(aligned.reference_shifts), TRUE, atol=TOLERANCE)
    places = shifts_of(aligned.integration_shifts)
    np.testing.assert_array_equal(places[0], 0.0)
    np.testing.assert_allclose(places[1], (0.3, -0.2), atol=TOLERANCE)
    np.testing.assert_allclose(aligned.reference_shifts["scale"], 2.0, rtol=0.03)
    for table in (aligned.reference_shifts, aligned.integration_shifts):
        assert (table["converged"] == 1).all()
        assert (table["sigma_x"] < TOLERANCE).all()
    names = np.asarray(aligned.reference_shifts)["exposure"].astype(str)
    assert list(names) == [f"psfstar_{n:05d}_nrcalong_calints.fits" for n in (1, 2, 3, 4)]
    assert aligned.meta.cal_step.align_psfs == "COMPLETE"
    assert aligned.meta.cal_step.stack_psfs == "COMPLETE"


def test_planes_lie_on_their_integrations(aligned, target):
    good = (aligned.dq & (pixel["DO_NOT_USE"] | pixel["FLUX_ESTIMATED"])) == 0
    for n in range(2):
        for m in range(4):
            ok = good[n, m] & (target.dq[n] == 0) & np.isfinite(target.data[n])
            ratio = target.data[n][ok] - aligned.data[n, m][ok] / 2.0
            assert np.std(ratio) < 3.5, "noise and what is not alike; 40 where not aligned"


def test_the_file_holds_the_same_planes(aligned, tmp_path):
    aligned.copy().save(str(tmp_path / "x_psfalign.fits"))
    with datamodels.open(str(tmp_path / "x_psfalign.fits")) as host:
        assert type(host) is QuadModel
        for name in ("data", "err", "dq"):
            np.testing.assert_array_equal(getattr(host, name), getattr(aligned, name))
    again = PsfAlignModel.open(tmp_path / "x_psfalign.fits")
    np.testing.assert_array_equal(again.shifts, aligned.shifts)
    # What lies beyond the frame is not in the file; next to it planes formed anew may differ.
    inner = np.s_[:, :, 20:-20, 20:-20]
    np.testing.assert_allclose(again.data[inner], aligned.data[inner], atol=0.05)
    np.testing.assert_array_equal(again.dq, aligned.dq)


def test_asdf_holds_the_same_planes(aligned, tmp_path):
    aligned.copy().save(str(tmp_path / "x_psfalign.asdf"))
    with datamodels.open(str(tmp_path / "x_psfalign.asdf")) as host:
        np.testing.assert_array_equal(host.data, aligned.data)


def test_per_integration_false_gives_a_cube(target, stack, aligned):
    flat = AlignRefsStep.call(target, stack, per_integration=False)
    assert isinstance(flat, CubeModel)
    for name in ("data", "err", "dq"):
        np.testing.assert_array_equal(getattr(flat, name), getattr(aligned, name)[0])
    np.testing.assert_array_equal(
        shifts_of(flat.reference_shifts), shifts_of(aligned.reference_shifts)
    )


def test_mask_convention(target, stack, aligned, mask_file):
    mask = transmission(MODE)
    use = AlignRefsStep.call(target, stack, override_psfmask=mask_file(mask))
    block = AlignRefsStep.call(
        target, stack, override_psfmask=mask_file(1.0 - mask, "i.fits"), mask_convention="block"
    )
    wrong = AlignRefsStep.call(target, stack, override_psfmask=mask_file(1.0 - mask, "j.fits"))
    np.testing.assert_allclose(
        shifts_of(use.reference_shifts), shifts_of(aligned.reference_shifts), atol=1e-6
    )
    np.testing.assert_allclose(
        shifts_of(block.reference_shifts), shifts_of(use.reference_shifts), atol=1e-6
    )
    assert not np.allclose(
        shifts_of(wrong.reference_shifts), shifts_of(use.reference_shifts), atol=1e-4
    )


def test_a_mask_may_be_a_model(target, stack, aligned):
    model = PsfMaskModel(data=transmission(MODE).astype("f4"))
    result = AlignRefsStep.call(target, stack, override_psfmask=model)
    np.testing.assert_allclose(
        shifts_of(result.reference_shifts), shifts_of(aligned.reference_shifts), atol=1e-6
    )


def test_a_misplaced_hole_is_named_and_can_be_moved(target, stack, aligned, mask_file, caplog):
    away = (MODE.center[0] + 10.0, MODE.center[1] - 10.0)
    path = mask_file(transmission(MODE, center=away), "before_flight.fits")
    kept = AlignRefsStep.call(target, stack, override_psfmask=path)
    (record,) = [r for r in caplog.records if "its hole is at" in r.getMessage()]
    assert record.levelno == logging.WARNING
    assert "before_flight.fits: its hole is at (160.2, 164.6), 14.1 pixels" in record.getMessage()
    assert "recenter_mask" in record.getMessage()
    assert kept.meta.coronx.mask_recentered is False
    assert kept.meta.coronx.mask_x == pytest.approx(away[0] + 1.0, abs=0.02)

    caplog.clear()
    moved = AlignRefsStep.call(target, stack, override_psfmask=path, recenter_mask=True)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert moved.meta.coronx.mask_recentered is True
    assert moved.meta.coronx.mask_x == pytest.approx(MODE.center[0] + 1.0, abs=0.02)
    np.testing.assert_allclose(
        shifts_of(moved.reference_shifts), shifts_of(aligned.reference_shifts), atol=1e-3
    )


def test_a_bright_companion_does_not_pull(stack, make_exposure):
    place = (0.7, 0.4)
    target = make_exposure(
        "target_00001_nrcalong_calints.fits",
        seed=1,
        nints=1,
        roll=20.0,
        companion=(1000.0, *place),
    )
    known = f"{np.hypot(*place)}:{np.degrees(np.arctan2(*place))}"
    errors = [
        np.abs(shifts_of(AlignRefsStep.call(target, stack, **o).reference_shifts) - TRUE).max()
        for o in ({}, {"companions": [known]}, {"companions": [known], "companion_radius": 0.1})
    ]
    assert errors[1] < 2.0 * TOLERANCE < errors[0]
    assert errors[1] < errors[2]


def test_companions_that_say_nothing_are_refused(target, stack):
    with pytest.raises(InputError, match="companions"):
        AlignRefsStep.call(target, stack, companions=["x"])


def test_a_reference_further_than_max_shift_is_left_out_by_name(target, stack, caplog):
    result = AlignRefsStep.call(target, stack, max_shift=1.0)
    lines = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("psfstar_00003_nrcalong_calints.fits integration 1: not registered")
    np.testing.assert_array_equal(result.reference_shifts["converged"], [1, 1, 0, 1])
    assert (result.dq[:, 2] & pixel["DO_NOT_USE"]).all()
    assert np.isnan(result.data[:, 2]).all()
    assert np.isfinite(result.data[:, [0, 1, 3]]).any()
    # ... and klip takes the other three.
    subtracted = KlipStep.call(target, result)
    assert subtracted.meta.coronx.kl_modes == 3
    assert np.isfinite(subtracted.data).mean() > 0.97


def test_no_reference_within_max_shift_is_an_error(target, make_exposure):
    far = make_exposure("far_calints.fits", seed=11, nints=1, dither=(3.0, 0.0), is_psf=True)
    with pytest.raises(InputError, match=r"far_calints.*no reference image could be registered"):
        AlignRefsStep.call(target, far, max_shift=2.0)
    with_room = AlignRefsStep.call(target, far, max_shift=5.0)
    np.testing.assert_allclose(with_room.reference_shifts["dx"], -3.0, atol=TOLERANCE)


def test_an_integration_that_is_not_registered_is_named(stack, make_exposure, caplog):
    jumps = make_exposure("jumps_calints.fits", seed=1, nints=2, jitter=(3.0, 0.0))
    result = AlignRefsStep.call(jumps, stack, max_shift=2.0)
    assert any(
        "jumps_calints.fits integration 2: not reg" in r.getMessage() for r in caplog.records
    )
    np.testing.assert_array_equal(shifts_of(result.integration_shifts), 0.0)


def test_float64_gives_the_same(target, stack, aligned):
    # The host casts arrays that a model takes; those given to its instance stay what they are.
    doubles = [model.copy() for model in (target, stack)]
    for model in doubles:
        model._instance["data"] = model.data.astype("f8")
        model._instance["err"] = model.err.astype("f8")
        assert model.data.dtype == np.float64
    result = AlignRefsStep.call(*doubles)
    np.testing.assert_allclose(
        shifts_of(result.reference_shifts), shifts_of(aligned.reference_shifts), atol=1e-5
    )
    np.testing.assert_allclose(result.data, aligned.data, atol=1e-2)
    subtracted = KlipStep.call(doubles[0], result)
    np.testing.assert_allclose(subtracted.data, KlipStep.call(target, aligned).data, atol=1e-2)


def test_no_mask_applies(target, stack, caplog, monkeypatch):
    monkeypatch.setattr(AlignRefsStep, "get_reference_file", lambda *_args: "N/A")
    result = AlignRefsStep.call(target, stack)
    assert result.meta.cal_step.align_psfs == "SKIPPED"
    np.testing.assert_array_equal(result.data, stack.data)
    assert result is not stack
    assert stack.meta.cal_step.align_psfs is None
    assert any("references are not aligned" in r.getMessage() for r in caplog.records)


def test_paths_and_models_are_alike(target, stack, aligned, tmp_path):
    paths = [str(tmp_path / name) for name in ("a_calints.fits", "a_psfstack.fits")]
    for model, path in zip((target, stack), paths, strict=True):
        model.copy().save(path)
    result = AlignRefsStep.call(*paths)
    np.testing.assert_array_equal(result.data, aligned.data)
    result = AlignRefsStep.call(Path(paths[0]), stack)
    np.testing.assert_array_equal(result.data, aligned.data)


def test_a_parameter_file_made_by_export_config(target, stack, aligned, tmp_path):
    given = AlignRefsStep(median_box_length=5, bad_bits=["DO_NOT_USE", "OUTLIER"], max_shift=9.0)
    given.export_config(str(tmp_path / "align.asdf"))
    from stpipe import Step

    step = Step.from_config_file(str(tmp_path / "align.asdf"))
    assert isinstance(step, AlignRefsStep)
    assert (step.median_box_length, step.bad_bits, step.max_shift) == (
        5, ["DO_NOT_USE", "OUTLIER"], 9.0,
    )  # fmt: skip
    result = AlignRefsStep.call(target, stack, config_file=str(tmp_path / "align.asdf"))
    np.testing.assert_allclose(
        shifts_of(result.reference_shifts), shifts_of(aligned.reference_shifts), atol=1e-3
    )
