import warnings

import pytest

from coronx.refdata.modes import MODES, find_mode, plain_mask_name


@pytest.fixture(scope="module")
def siaf():
    # pysiaf asks the network, on import, whether it is the newest, and warns where it cannot.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pysiaf

        return {name: pysiaf.Siaf(name) for name in ("NIRCam", "MIRI")}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_figures_are_those_of_the_siaf(siaf, mode):
    aperture = siaf["NIRCam" if mode.instrument == "NIRCAM" else "MIRI"][mode.aperture]
    assert (aperture.YSciSize, aperture.XSciSize) == mode.shape
    assert aperture.XSciRef - 1.0 == pytest.approx(mode.center[0], abs=1e-9)
    assert aperture.YSciRef - 1.0 == pytest.approx(mode.center[1], abs=1e-9)
    assert aperture.XSciScale == pytest.approx(mode.scale[0], abs=1e-8)
    assert aperture.YSciScale == pytest.approx(mode.scale[1], abs=1e-8)
    assert aperture.V2Ref == pytest.approx(mode.v2v3[0], abs=1e-6)
    assert aperture.V3Ref == pytest.approx(mode.v2v3[1], abs=1e-6)
    assert aperture.V3IdlYAngle == pytest.approx(mode.v3_idl_y_angle, abs=1e-8)
    assert aperture.VIdlParity == mode.parity


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_start_is_the_corner_of_the_subarray_in_the_science_frame(siaf, mode):
    apertures = siaf["NIRCam" if mode.instrument == "NIRCAM" else "MIRI"]
    aperture = apertures[mode.aperture]
    full = apertures[f"{mode.aperture.split('_')[0]}_FULL"]
    x, y = aperture.corners("det")
    column, row = full.det_to_sci(x, y)
    assert (round(column.min() + 0.5), round(row.min() + 0.5)) == mode.start


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_mode_is_found_by_either_spelling(mode):
    assert find_mode(mode.coronmsk) is mode
    assert find_mode(mode.coronmsk, mode.subarray) is mode
    assert find_mode(plain_mask_name(mode.coronmsk)) is mode
    assert find_mode(mode.coronmsk, "FULL") is None


def test_no_mask_no_mode():
    assert find_mode(None) is None
    assert find_mode("") is None
    assert find_mode("NONE") is None
