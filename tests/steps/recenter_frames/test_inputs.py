"""Associations and files, and masks that are not round."""

import json

import numpy as np
import pytest
from astropy.io import fits
from jwst import datamodels
from stdatamodels.jwst.datamodels import CubeModel

from coronx import RecenterFramesStep
from coronx.refdata.modes import MODES
from coronx.simulate.exposures import simulate
from coronx.simulate.scene import Scene
from tests.steps.recenter_frames.star_offsets import MODE, SCALE, error_of

pytestmark = pytest.mark.usefixtures("no_optics")


def test_an_association_file(observe, tmp_path):
    members = []
    for n, (kind, offset) in enumerate(
        (("science", (20.0, -30.0)), ("psf", (-25.0, 10.0)), ("background", (0.0, 0.0)))
    ):
        name = f"star_{n:05d}_nrcalong_calints.fits"
        observe([offset], seed=n, name=name, is_psf=kind == "psf").save(str(tmp_path / name))
        members.append({"expname": name, "exptype": kind})
    table = {
        "asn_type": "coron3", "asn_rule": "DMS_Level3_Base", "asn_id": "a3001", "asn_pool": "none",
        "program": "none", "products": [{"name": "target", "members": members}],
    }  # fmt: skip
    asn = tmp_path / "target_asn.json"
    asn.write_text(json.dumps(table))
    RecenterFramesStep.call(str(asn), save_results=True, output_dir=str(tmp_path / "out"))
    science, psf, background = (
        datamodels.open(str(tmp_path / "out" / f"star_{n:05d}_nrcalong_recenter.fits"))
        for n in range(3)
    )
    with science, psf, background:
        heads = [
            fits.getheader(m.meta.filename and str(tmp_path / "out" / m.meta.filename))
            for m in (science, psf, background)
        ]
        assert [h["S_CXREC"] for h in heads] == ["MEASURED", "MEASURED", "SKIPPED"]
        assert "STARCENX" not in heads[2]
        for head, offset in zip(heads, ((20.0, -30.0), (-25.0, 10.0)), strict=False):
            place = np.array((head["STARCENX"], head["STARCENY"])) - 1.0
            assert np.abs((place - MODE.center) * SCALE - offset).max() < 10.0
            assert head["STARSRC"] == "symmetry"
    with fits.open(tmp_path / "out" / "star_00000_nrcalong_recenter.fits") as hdus:
        assert hdus["STARPOS"].data["good"][0] == 1


def test_a_file_alone(exposure, tmp_path):
    exposure.copy().save(str(tmp_path / "star_00001_nrcalong_calints.fits"))
    result = RecenterFramesStep.call(str(tmp_path / "star_00001_nrcalong_calints.fits"))
    assert isinstance(result, CubeModel)
    assert np.abs(error_of(result)).max() < 8.0


def observed(folder, mode, name):
    """Return a scene's one exposure, and the true place of the star in it."""
    scene = Scene(
        mode, name, star_jy=8.0, reference_jy=8.0, rolls_deg=(60.0,), integrations=1, references=0,
        wavelengths=3,
    )  # fmt: skip
    made = simulate(folder, scene)
    truth = made.truth["exposures"][0]["star_pixel_integrations"][0]
    return str(made.science[0]), np.array(truth), np.multiply(MODES[mode].scale, 1e3)


def star_of(model):
    record = model.meta.coronx
    return np.array((record.star_x, record.star_y)) - 1.0


def test_a_bar_along_its_length_too(tmp_path):
    path, truth, scale = observed(tmp_path, "nircam-lwb", "F444W")
    result = RecenterFramesStep.call(path)
    assert result.meta.coronx.star_source == "symmetry"
    assert np.abs((star_of(result) - truth) * scale).max() < 15.0


def test_miri_is_at_the_mask_unless_asked_for(tmp_path):
    path, truth, scale = observed(tmp_path, "miri-1140", "F1140C")
    result = RecenterFramesStep.call(path)
    assert result.meta.coronx.star_source == "mask centre"
    np.testing.assert_allclose(star_of(result), MODES["miri-1140"].center)
    fitted = RecenterFramesStep.call(path, method="symmetry")
    assert fitted.meta.coronx.star_source == "symmetry"
    assert np.abs((star_of(fitted) - truth) * scale).max() < 30.0
