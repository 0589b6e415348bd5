"""The PSF beside the mask with genuine optics (see tests/realdata/test_psf_model.py)."""

import numpy as np
import pytest

from coronx.errors import InputError
from coronx.refdata.modes import MODES
from coronx.refdata.off_axis_psf import read_psf_image
from coronx.refdata.psf_beside_mask import PsfBesideMask
from coronx.refdata.psf_model import star_model
from coronx.refdata.transmission import transmission

pytestmark = pytest.mark.realdata

ROUND = MODES["nircam-335r"]
PLACE, FRAME = (80.2, 79.7), (160, 160)


def test_places_between_the_grid_and_the_mask_itself(realdata, tmp_path):
    for path in (realdata / "stpsf_subset").iterdir():
        if path.name != "version.txt":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "version.txt").write_text("2.2.0\n")
    (tmp_path / "JWST_OTE_OPD_none.fits").touch()
    model = star_model(ROUND, "F356W", data_path=tmp_path, nlambda=3, fov_pixels=33)
    psf = PsfBesideMask(model, mask_place=PLACE, shape=FRAME)
    for off in ((0.31, 0.22), (-0.7, 0.5), (1.9, -1.1)):
        pixels = np.multiply(1e3, off) / model.scale
        at = np.add(PLACE, pixels)
        rest = at - np.rint(at)
        wanted = model.moved(tuple(rest - pixels)).image(np.multiply(1e3, off))[3:-3, 3:-3]
        found = psf(*at).values[3:-3, 3:-3]
        assert np.abs(found - wanted).max() < 0.003 * wanted.max()
    analytic = transmission(ROUND, shape=FRAME, center=PLACE)
    assert np.abs(psf.transmission(FRAME) - analytic).max() < 0.03


def test_coefficients_are_no_image(realdata):
    path = next((realdata / "psf_real_opd").glob("*CLEAR_NONE*.fits"))
    with pytest.raises(InputError, match="give one of two dimensions"):
        read_psf_image(path, ROUND, "F356W")
