"""What every step that changes exposures keeps to, and the peer does not."""

import socket
import sys

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel

import coronx
from coronx.errors import InputError
from coronx.models.arrays import array_of
from coronx.steps.coron.crop_frames import CropFramesStep
from tests.contract.registry_rows import CORON_CHANGES

every_step = pytest.mark.parametrize("entry", CORON_CHANGES, ids=lambda e: e.alias)
# Where the default would refuse, or look up a reference file.
OPTIONS = {
    "coronx_remove_frames": {"integrations": ["2"]},
    "coronx_recenter_frames": {"measure_only": False},
    "coronx_align_frames": {"mask": "none"},
    "coronx_crop_frames": {"npix": ["12"]},
    "coronx_pad_frames": {"npix": ["7", "3", "0", "5"]},
    "coronx_blur_frames": {"sigma": "0.8"},
    "coronx_update_nircam_centers": {"any_crpix": True},
}


def bare(model):
    """Return an exposure that has no errors, as the host's steps may leave it."""
    result = CubeModel(data=model.data.copy(), dq=model.dq.copy())
    result.update(model)
    result.meta.wcs = model.meta.wcs
    return result


@pytest.fixture(scope="module")
def exposure(make_exposure):
    """A part of a frame, bright, so that the root of its signal is no small number."""
    model = make_exposure("x_nrcalong_calints.fits", nints=3, jitter=(0.2, -0.1))
    model.data += np.float32(400.0)
    return CropFramesStep(npix=["70"]).process(model)


@pytest.fixture(scope="module")
def background(exposure, tmp_path_factory):
    sky = bare(exposure)
    sky.data = np.full(sky.shape, 100.0, np.float32)
    sky.meta.filename = "sky_calints.fits"
    path = tmp_path_factory.mktemp("sky") / sky.meta.filename
    sky.save(str(path))
    return {"background": [str(path)]}


@pytest.fixture
def step_of(background, psf_file):
    """Return a maker of steps with options that give them something to do."""

    def make(entry):
        more = background if entry.name == "subtract_background" else {}
        if entry.name == "inject":
            more = {"companions": ["1.2:40:1e-6"], "psf_file": str(psf_file), "star_jy": 1.0}
            more["fov_pixels"] = 21
        return getattr(coronx, entry.cls)(**OPTIONS.get(entry.alias, {}), **more)

    return make


@every_step
def test_errors_that_are_not_there_are_not_made_of_the_signal(exposure, step_of, entry):
    result = step_of(entry).process(bare(exposure))
    err = array_of(result, "err")
    if err is None:
        return
    signal = np.abs(result.data) > 50.0
    assert signal.any()
    # Of a repaired pixel the error is measured, and a level has one: neither is the signal's.
    assert np.nanmedian(err[signal]) < 0.1 * np.median(np.sqrt(np.abs(result.data[signal])))


@every_step
def test_no_network_is_asked(exposure, step_of, entry, monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    # Importing it asks for a list of releases.
    monkeypatch.setitem(sys.modules, "pysiaf", None)
    assert step_of(entry).process(exposure).data is not None


@every_step
def test_a_misnamed_option_is_refused_not_ignored(exposure, entry):
    with pytest.raises(InputError, match=rf"{entry.alias}: .*sgima"):
        getattr(coronx, entry.cls).call(exposure, sgima=3.0)


def test_cleaning_does_not_raise_the_sky(make_exposure):
    # A threshold of one sigma below takes 15.8 % of good pixels, and raises it by 0.24.
    model = CropFramesStep(npix=["70"]).process(make_exposure(blemishes=False, brightness=0.0))
    result = coronx.FixBadPixelsStep().process(model)
    assert (result.dq != model.dq).mean() < 1e-3
    assert abs((result.data - model.data).mean()) < 2e-3 * np.median(model.err)
