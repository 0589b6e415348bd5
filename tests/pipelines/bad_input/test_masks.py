"""A PSFMASK that is not there, or that does not fit."""

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import PsfMaskModel

from coronx.refdata.modes import MODES
from coronx.refdata.transmission import transmission
from tests.pipelines.bad_input.altered_members import PSF, TARGET, edit

# The host leaves a file that it fails to read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def test_no_psfmask_for_the_mode(asn, refused):
    for path in sorted(asn.parent.glob("*.fits")):
        edit(asn, path.name, lambda m: setattr(m.meta.instrument, "filter", "F200W"))
    message = refused(asn)
    assert message.startswith("target_00001_nrcalong_calints.fits: no PSFMASK reference file")
    assert "; set CRDS_PATH or give one with --steps.align_refs.override_psfmask" in message
    message = refused(asn.parent / TARGET, asn.parent / PSF, alias="coronx_align_refs")
    assert message.endswith("give one with --override_psfmask")


def test_an_override_that_is_not_there(asn, refused):
    message = refused(asn, "--steps.align_refs.override_psfmask=absent.fits")
    assert "absent.fits" in message


@pytest.fixture
def mask_file(tmp_path):
    def write(data, start=None):
        model = PsfMaskModel(data=data.astype("f4"))
        if start is not None:
            model.meta.subarray.xstart, model.meta.subarray.ystart = start
        model.save(str(tmp_path / "data" / "mask.fits"))
        return tmp_path / "data" / "mask.fits"

    return write


@pytest.mark.parametrize("start", [None, (1, 1)])
def test_a_mask_of_a_shape_that_nothing_explains(asn, refused, mask_file, start):
    mask = mask_file(np.ones((400, 400)), start)
    message = refused(asn, f"--steps.align_refs.override_psfmask={mask}")
    assert "mask.fits: the mask's shape (400, 400) does not fit the frame (320, 320)" in message
    assert "; give a mask of that frame with override_psfmask" in message


def test_a_mask_that_blocks_everything(asn, refused, mask_file):
    mask = mask_file(np.zeros((320, 320)))
    message = refused(asn, f"--steps.align_refs.override_psfmask={mask}")
    assert "mask.fits: the mask blocks every pixel; give mask_convention" in message


def test_a_mask_that_is_no_fits_file(asn, refused, tmp_path):
    mask = tmp_path / "data" / "mask.fits"
    mask.write_text("no mask")
    message = refused(asn, f"--steps.align_refs.override_psfmask={mask}")
    assert "mask.fits" in message


def test_a_mask_of_a_larger_array_is_cut(asn, mask_file):
    from coronx import AlignRefsStep

    mode = MODES["nircam-335r"]
    center = (mode.center[0] + 40, mode.center[1] + 30)
    start = (mode.start[0] - 40, mode.start[1] - 30)
    mask = mask_file(transmission(mode, shape=(400, 420), center=center), start)
    target, stack = str(asn.parent / TARGET), str(asn.parent / PSF)
    cut = AlignRefsStep.call(target, stack, override_psfmask=str(mask))
    own = AlignRefsStep.call(target, stack)
    np.testing.assert_allclose(cut.reference_shifts["dx"], own.reference_shifts["dx"], atol=1e-4)
