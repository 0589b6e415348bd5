"""The star's place by a model of it."""

import logging
from functools import cache

import numpy as np
import pytest

from coronx import RecenterFramesStep
from coronx.errors import InputError
from coronx.refdata import star_models
from coronx.refdata.psf_model import star_model
from coronx.refdata.psf_opd import EXAMPLE
from tests.steps.recenter_frames.star_offsets import MODE, OFFSETS, error_of

pytestmark = pytest.mark.usefixtures("no_optics")


def test_an_image_of_the_star(exposure, model_psf):
    result = RecenterFramesStep.call(exposure, model_psf=str(model_psf))
    assert result.meta.coronx.star_source == "model_psf"
    assert np.abs(error_of(result)).max() < 2.0
    assert np.isfinite(result.star_places["sigma_x"]).all()


def test_simulated_stars_get_what_is_asked_for(exposure, monkeypatch, model_psf, tmp_path):
    asked = []

    def star_model(mode, name, **options):
        asked.append((mode.name, name, options))
        return star_models.read_star_image(model_psf, mode)

    monkeypatch.setattr(star_models, "star_model", star_model)
    spectrum, opd = tmp_path / "star.txt", tmp_path / "opd.fits"
    common = {"data_path": str(tmp_path), "spectral_type": "K5V", "spectrum": str(spectrum)}
    result = RecenterFramesStep.call(exposure, opd=str(opd), drift_nm=0.0, **common)
    assert np.abs(error_of(result)).max() < 2.0
    RecenterFramesStep.call(exposure, opd=str(tmp_path), **common)
    RecenterFramesStep.call(exposure, method="model", data_path=str(tmp_path), opd="none")
    mode, name, options = asked[0]
    assert (mode, name) == ("nircam-335r", "F356W")
    assert options == {**common, "opd": str(opd), "opd_folder": None, "date": "2022-07-29"}
    # A folder is searched by date.
    assert asked[1][2]["opd"] is None
    assert asked[1][2]["opd_folder"] == tmp_path
    assert asked[2][2]["opd"] == "none"
    # Exposures that are alike share one.
    asked.clear()
    RecenterFramesStep.call([exposure, exposure], opd=str(opd), **common)
    assert len(asked) == 1


def test_stpsf_itself(make_exposure, stpsf_data, monkeypatch):
    """With stand-in data, and a perfect telescope, which is read in a third of the time."""
    monkeypatch.setenv("STPSF_PATH", str(stpsf_data))
    # Made once, with what the step asks for, since it takes seconds.
    made = cache(star_model)
    monkeypatch.setattr(star_models, "star_model", made)
    options = {"data_path": None, "spectral_type": "G2V", "spectrum": None}
    star = made(MODE, "F356W", **options, opd="none", opd_folder=None, date="2022-07-29")
    middle = np.rint(MODE.center).astype(int)
    star = star.moved(tuple(MODE.center - middle))
    exposure = make_exposure(nints=2)
    rng = np.random.default_rng(3)
    light = np.stack([star.image(np.array(offset)) for offset in OFFSETS[:2]])
    light *= 3000.0 / light.max()
    low_x, low_y = middle - star.fov // 2
    box = np.s_[:, low_y : low_y + star.fov, low_x : low_x + star.fov]
    bad = ~np.isfinite(exposure.data[box]) | (exposure.dq[box] != 0)
    sigma = np.sqrt(1.0 + 0.01 * light)
    data = light + rng.normal(size=light.shape) * sigma
    exposure.data[box] = np.where(bad, exposure.data[box], data)
    exposure.err[box] = sigma
    result = RecenterFramesStep.call(exposure, method="model", opd="none", drift_nm=0.0)
    assert result.meta.coronx.star_source == "model"
    assert made.cache_info().hits == 1
    assert np.abs(error_of(result, OFFSETS[:2])).max() < 3.0


def test_optics_that_are_missing_are_named(exposure, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="STPSF_PATH"):
        RecenterFramesStep.call(exposure, method="model")
    monkeypatch.setenv("WEBBPSF_PATH", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="gone"):
        RecenterFramesStep.call(exposure, opd="some.fits")


def test_optics_without_a_wavefront_are_worse_than_none(exposure, monkeypatch, tmp_path):
    monkeypatch.setenv("STPSF_PATH", str(tmp_path))
    asked = []
    monkeypatch.setattr(star_models, "star_model", lambda *_, **__: asked.append(1) or 1 / 0)
    for opd in (None, "none"):
        result = RecenterFramesStep.call(exposure, opd=opd)
        assert result.meta.coronx.star_source == "symmetry"
    (tmp_path / EXAMPLE).touch()
    with pytest.raises(ZeroDivisionError):
        RecenterFramesStep.call(exposure)
    assert RecenterFramesStep.call(exposure, opd="none").meta.coronx.star_source == "symmetry"
    assert asked == [1]


def test_the_choice_is_said_once(exposure, caplog):
    with caplog.at_level(logging.INFO):
        RecenterFramesStep.call([exposure, exposure])
    assert caplog.text.count("found by method = symmetry") == 1
