"""Steps of the pipeline that are skipped."""

import numpy as np
import pytest

from coronx import Coron3Pipeline
from coronx.errors import InputError
from tests.pipelines.coron3.quick_runs import (
    ALIGNED,
    CLEANED,
    COMBINED,
    STACKED,
    SUBTRACTED,
    names,
    quick,
    warnings_of,
)


def test_skipped_alignment_uses_references_as_they_are(small, expected, caplog):
    result = quick(str(small), align_refs={"skip": True})
    assert any("align_refs is skipped" in line for line in warnings_of(caplog))
    assert result.meta.cal_step.align_psfs == "SKIPPED"
    assert result.meta.cal_step.klip == "COMPLETE"
    # A target subtracted by itself would be zero; one by misaligned references is not gone.
    inner = np.s_[150:250, 130:220]
    assert np.nanstd(result.data[inner]) > 1.5 * np.nanstd(expected.data[inner])


def test_skipped_klip_combines_the_star(small, tmp_path, caplog):
    result = Coron3Pipeline.call(
        str(small), steps={"klip": {"skip": True}}, save_results=True, output_dir=str(tmp_path)
    )
    assert sum("klip is skipped" in line for line in warnings_of(caplog)) == 2
    assert result.meta.cal_step.klip == "SKIPPED"
    star = result.meta.coronx
    x, y = round(star.star_x - 1), round(star.star_y - 1)
    assert np.nanmax(result.data[y - 20 : y + 20, x - 20 : x + 20]) > 400.0
    assert names(tmp_path) == COMBINED | SUBTRACTED | CLEANED


def test_skipped_stack_refs_is_an_error_unless_klip_is_skipped_too(small):
    with pytest.raises(InputError, match=r"stack_refs is skipped.*; skip klip too"):
        quick(str(small), stack_refs={"skip": True})
    result = quick(str(small), stack_refs={"skip": True}, klip={"skip": True})
    assert result.meta.cal_step.klip == "SKIPPED"


def test_skipped_resample_leaves_the_subtracted_exposures(small, tmp_path, caplog):
    steps = {"resample": {"skip": True}, "outlier_detection": {"skip": True}}
    result = Coron3Pipeline.call(
        str(small), steps=steps, save_results=True, output_dir=str(tmp_path)
    )
    assert result is None
    assert any("resample is skipped" in line for line in warnings_of(caplog))
    assert names(tmp_path) == SUBTRACTED | STACKED | ALIGNED


def test_skipped_hlsp_and_outlier_detection(small, tmp_path):
    steps = {"hlsp": {"skip": True}, "outlier_detection": {"skip": True}}
    result = Coron3Pipeline.call(
        str(small), steps=steps, save_results=True, output_dir=str(tmp_path)
    )
    assert result.meta.cal_step.outlier_detection != "COMPLETE"
    assert names(tmp_path) == {"target_f356w_i2d.fits"} | SUBTRACTED | STACKED | ALIGNED
