"""The host's own unit tests of jwst.coron's steps (jwst 3.0.0), put to our steps.

Its frames are broad Gaussians, brighter by two in the reference star.
"""

import numpy as np
import pytest
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel, QuadModel

from coronx.errors import InputError
from coronx.steps.coron.align_refs import AlignRefsStep
from coronx.steps.coron.klip import KlipStep
from coronx.steps.coron.stack_refs import StackRefsStep
from tests.steps.stock_replay.host_frames import DNU, cube, gaussians, untouched


@pytest.mark.parametrize("instrument", ["NIRCAM", "MIRI"])
def test_align_refs_no_shift(instrument, mask):
    target = gaussians(instrument, 5.0, 1.0)
    copy = target.copy()
    result = AlignRefsStep.call(
        target, target, override_psfmask=mask.gaussian, per_integration=False
    )
    assert result is not target
    assert result.meta.cal_step.align_psfs == "COMPLETE"
    np.testing.assert_allclose(result.data, target.data, atol=1e-5)
    untouched((target, copy))


@pytest.mark.parametrize("per_integration", [True, False])
@pytest.mark.parametrize("instrument", ["NIRCAM", "MIRI"])
def test_align_refs_with_shift(instrument, per_integration, mask):
    target, psf = gaussians(instrument, 5.0, 1.0), gaussians(instrument, 10.0, 0.0, count=4)
    copies = target.copy(), psf.copy()
    result = AlignRefsStep.call(
        target, psf, override_psfmask=mask.gaussian, per_integration=per_integration
    )
    assert result.meta.cal_step.align_psfs == "COMPLETE"
    assert isinstance(result, QuadModel if per_integration else CubeModel)
    # The host asserts only that something changed, which hid that its float32 fit moves nothing.
    table = result.reference_shifts
    np.testing.assert_allclose([table["dx"], table["dy"]], 1.0, atol=1e-4)
    np.testing.assert_allclose(table["scale"], 2.0, rtol=1e-4)
    plane = (0, 0) if per_integration else (0,)
    seen = np.isfinite(result.data[plane])
    np.testing.assert_allclose(result.data[plane][seen], 2.0 * target.data[0][seen], atol=1e-3)
    assert seen.sum() >= 63 * 59
    untouched(*zip((target, psf), copies, strict=True))


def test_no_psf_mask(monkeypatch):
    target, psf = gaussians("NIRCAM", 5.0, 1.0), gaussians("NIRCAM", 10.0, 0.0)
    copies = target.copy(), psf.copy()
    step = AlignRefsStep()
    monkeypatch.setattr(step, "get_reference_file", lambda *_: "N/A")
    result = step.run(target, psf)
    assert result.meta.cal_step.align_psfs == "SKIPPED"
    assert result is not psf
    np.testing.assert_array_equal(result.data, psf.data)
    untouched(*zip((target, psf), copies, strict=True))


def test_no_bad_bits(mask):
    # Without bits nothing is bad but what is not finite. (The host says so in its log.)
    target = gaussians("NIRCAM", 5.0, 0.0)
    psf = target.copy()
    psf.data[:, 20, 20] += 0.25
    psf.dq[:, 20, 20] = DNU
    options = {"override_psfmask": mask.gaussian, "per_integration": False}
    kept = AlignRefsStep.call(target, psf, bad_bits=None, **options)
    filled = AlignRefsStep.call(target, psf, **options)
    excess = [r.data[0, 20, 20] - target.data[0, 20, 20] for r in (kept, filled)]
    assert excess[0] > 0.2
    assert abs(excess[1]) < 0.05


def test_klip_step():
    target, psf = gaussians("NIRCAM", 5.0, 1.0), gaussians("NIRCAM", 10.0, 0.0)
    copies = target.copy(), psf.copy()
    result = KlipStep.call(target, psf)
    assert isinstance(result, CubeModel)
    assert result.meta.cal_step.klip == "COMPLETE"
    untouched(*zip((target, psf), copies, strict=True))


@pytest.mark.parametrize("container", [list, ModelContainer])
def test_stack_refs_step(container):
    models = [gaussians("NIRCAM", 5.0, 1.0), gaussians("NIRCAM", 10.0, 0.0, count=2)]
    copies = [m.copy() for m in models]
    result = StackRefsStep.call(container(models))
    assert isinstance(result, CubeModel)
    assert result.meta.cal_step.stack_psfs == "COMPLETE"
    np.testing.assert_array_equal(result.data, np.concatenate([m.data for m in models]))
    np.testing.assert_array_equal(result.planes["integration"], [1, 2, 3, 1, 2])
    untouched(*zip(models, copies, strict=True))


def test_shapes_that_differ_are_an_input_error(mask):
    # The host raises ValueError; ours names file, values and remedy, and ends strun with status 1.
    models = [cube("NIRCAM", np.ones((3, 10, 10))), cube("NIRCAM", np.ones((2, 5, 5)))]
    for call in (
        lambda: StackRefsStep.call(models),
        lambda: AlignRefsStep.call(*models, override_psfmask=mask.gaussian),
        lambda: KlipStep.call(*models),
    ):
        with pytest.raises(InputError, match=r"\(ny, nx\)"):
            call()
