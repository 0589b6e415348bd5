"""Exposures that cannot be aligned, backgrounds, associations."""

import json
import logging

import numpy as np
import pytest
from jwst import datamodels
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import AlignFramesStep
from coronx.errors import InputError
from coronx.models.members import role_of
from coronx.models.pointing import find_star
from tests.steps.align_frames.star_shifts import GONE, TOLERANCE, run, shifts_of, true_shifts


def test_a_frame_that_is_not_registered_is_named_and_gone(exposures, make_exposure, caplog):
    far = make_exposure("far_calints.fits", seed=12, nints=1, dither=(4.0, 0.0), is_psf=True)
    result = run([*exposures[:1], far], max_shift=2.0)
    (line,) = [r.getMessage() for r in caplog.records if "not registered" in r.getMessage()]
    assert line.startswith("far_calints.fits integration 1: not registered within max_shift")
    assert np.isnan(result[1].data).all()
    assert (result[1].dq & GONE == GONE).all()
    assert (result[1].star_places["good"] == 0).all()
    with pytest.raises(InputError, match=r"roll2.*no other frame could be registered"):
        run([exposures[1], far], max_shift=2.0)
    with_room = run([exposures[1], far], max_shift=6.0)
    assert shifts_of(with_room[1])[0, 0] == pytest.approx(-4.45, abs=TOLERANCE)


def test_a_bad_first_frame_is_named(exposures):
    first = exposures[1].copy()
    first.dq[:] = pixel["DO_NOT_USE"]
    with pytest.raises(InputError, match=r"roll2_calints.*no good pixel.*take out its first"):
        run([first, exposures[2]])
    flat = exposures[1].copy()
    flat.data[:], flat.dq[:] = 3.0, 0
    with pytest.raises(InputError, match=r"roll2_calints.*flat"):
        run([flat, exposures[2]])


def test_exposures_that_are_not_alike_are_refused(exposures):
    other = exposures[2].copy()
    other.meta.instrument.filter = "F444W"
    with pytest.raises(InputError, match="FILTER is F444W"):
        run([exposures[0], other])


def test_backgrounds_are_left_alone_and_an_exposure_is_enough(exposures, make_exposure):
    empty = make_exposure("sky_calints.fits", seed=13, nints=1)
    empty.meta.asn.exptype = "background"
    result = run([empty, exposures[0]])
    np.testing.assert_array_equal(result[0].data, empty.data)
    assert result[0].meta.coronx.align_frames == "SKIPPED"
    assert role_of(result[0]) == "background"
    np.testing.assert_allclose(shifts_of(result[1])[1], (-0.3, 0.2), atol=TOLERANCE)
    single = run(exposures[0])
    assert isinstance(single, CubeModel)
    np.testing.assert_array_equal(single.data, result[1].data)
    with pytest.raises(InputError, match="no exposure of a star"):
        run([empty])


def test_an_association(exposures, tmp_path):
    members = []
    for model, kind in zip(exposures, ("science", "science", "psf"), strict=True):
        model.copy().save(str(tmp_path / model.meta.filename))
        members.append({"expname": model.meta.filename, "exptype": kind})
    table = {
        "asn_type": "coron3", "asn_id": "a3001", "asn_pool": "none",
        "products": [{"name": "target", "members": members}],
    }  # fmt: skip
    (tmp_path / "target_asn.json").write_text(json.dumps(table))
    (tmp_path / "out").mkdir()
    AlignFramesStep.call(
        str(tmp_path / "target_asn.json"), mask="annulus", mask_shape=[8.0, 100.0],
        save_results=True, output_dir=str(tmp_path / "out"),
    )  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").glob("*.fits")) == [
        "psf1_aligned.fits", "roll1_aligned.fits", "roll2_aligned.fits",
    ]  # fmt: skip
    made = json.loads((tmp_path / "out" / "target_aligned_asn.json").read_text())
    assert made["products"][0]["members"][2] == {"expname": "psf1_aligned.fits", "exptype": "psf"}
    with datamodels.open(str(tmp_path / "out" / "psf1_aligned.fits")) as model:
        np.testing.assert_allclose(shifts_of(model), true_shifts("psf1"), atol=TOLERANCE)
        assert find_star(model).source == "coronx_align_frames"


def test_no_mask_applies(exposures, caplog, monkeypatch):
    monkeypatch.setattr(AlignFramesStep, "get_reference_file", lambda *_args: "N/A")
    with caplog.at_level(logging.WARNING):
        result = run([exposures[0], exposures[2]])
    assert any("all of the frame is fitted" in r.getMessage() for r in caplog.records)
    np.testing.assert_allclose(shifts_of(result[1]), true_shifts("psf1"), atol=TOLERANCE)
