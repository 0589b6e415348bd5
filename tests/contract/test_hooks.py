"""Every step that changes exposures serves as a hook of the host's steps."""

import json

import numpy as np
import pytest
from astropy.io import fits
from jwst.outlier_detection import OutlierDetectionStep

import coronx
from tests.contract.registry_rows import CORON_CHANGES

# Where the default would refuse, or find nothing to do.
OPTIONS = {
    "coronx_remove_frames": {"integrations": ["2"]},
    "coronx_recenter_frames": {"method": "mask"},
    "coronx_crop_frames": {"npix": ["12"]},
    "coronx_pad_frames": {"npix": ["7", "3", "0", "5"]},
    "coronx_blur_frames": {"sigma": "0.8"},
    "coronx_update_nircam_centers": {"any_crpix": True},
}


@pytest.fixture(scope="module")
def exposure(make_exposure):
    return make_exposure("x_nrcalong_calints.fits", nints=2, jitter=(0.2, -0.1))


@pytest.fixture(scope="module")
def flagged(exposure):
    """Return what the host's step makes of the exposure."""
    return OutlierDetectionStep.call(exposure)


@pytest.fixture
def options(make_exposure, psf_file, tmp_path):
    """Return a function that gives the options of a step."""

    def give(entry):
        if entry.alias == "coronx_inject":
            return {"companions": ["1.4:100:1e-6"], "psf_file": str(psf_file), "star_jy": 1.5}
        if entry.alias != "coronx_subtract_background":
            return OPTIONS.get(entry.alias, {})
        sky = make_exposure("sky_calints.fits", seed=77, nints=2, brightness=1e-6)
        path = tmp_path / "sky_calints.fits"
        sky.save(str(path))
        return {"background": [str(path)]}

    return give


def told(entry, options):
    """Return a hook as it stands in a parameter file, or an instance.

    The host takes whatever stands before the last dot for a module, options included.
    """
    inside = ", ".join(f"{name}={value!r}" for name, value in options.items())
    if "." in inside:
        return getattr(coronx, entry.cls)(**options)
    return f"coronx.{entry.cls}({inside})" if inside else f"coronx.{entry.cls}"


def assert_same_exposure(one, other):
    for name in ("data", "err", "dq", "var_poisson", "var_rnoise"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.meta.wcsinfo.crpix1 == other.meta.wcsinfo.crpix1


@pytest.mark.parametrize("entry", CORON_CHANGES, ids=lambda entry: entry.alias)
def test_after_a_step_of_the_host(entry, exposure, flagged, options):
    wanted = options(entry)
    alone = getattr(coronx, entry.cls).call(flagged, **wanted)
    hooked = OutlierDetectionStep.call(exposure, post_hooks=[told(entry, wanted)])
    assert_same_exposure(hooked, alone)
    assert getattr(hooked.meta.coronx, entry.name) == getattr(alone.meta.coronx, entry.name)
    assert getattr(hooked.meta.coronx, entry.name) in ("COMPLETE", "MEASURED")


@pytest.mark.parametrize("entry", CORON_CHANGES, ids=lambda entry: entry.alias)
def test_before_a_step_of_the_host(entry, exposure, options):
    wanted = options(entry)
    alone = OutlierDetectionStep.call(getattr(coronx, entry.cls).call(exposure, **wanted))
    hooked = OutlierDetectionStep.call(exposure, pre_hooks=[told(entry, wanted)])
    assert_same_exposure(hooked, alone)


def test_the_example_of_the_documentation(make_association, strun, tmp_path):
    asn = make_association(tmp_path, nints=1)
    table = json.loads(asn.read_text())
    members = table["products"][0]["members"]
    members[:] = [members[0], *members[-2:]]  # the host's alignment takes long
    asn.write_text(json.dumps(table))
    done = strun(
        "calwebb_coron3", asn, "--output_dir", tmp_path / "out",
        "--steps.outlier_detection.post_hooks=coronx.FixBadPixelsStep(sigma=5),",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with fits.open(tmp_path / "out" / "target_00001_nrcalong_a3001_crfints.fits") as hdulist:
        assert hdulist[0].header["S_CXBAD"] == "COMPLETE"
        assert hdulist[0].header["S_OUTLIR"] == "COMPLETE"
        assert np.isfinite(hdulist["SCI"].data[0, 100, 90])  # NaN in the exposure
