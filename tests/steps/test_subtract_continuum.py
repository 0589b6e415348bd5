import numpy as np
import pytest

from coronx import SubtractContinuumStep
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_reading import open_frame
from tests.ops.continuum_scenes import SCALE, line_fluxes, pair
from tests.steps.ccd_images import BAD, ccd_image, tan

NONE = FLAGS["DO_NOT_USE"] | FLAGS["NO_DATA"]


@pytest.fixture(scope="module")
def scene():
    return pair(2.8, 3.8)


@pytest.fixture
def narrow(scene):
    return ccd_image(scene.narrow, scene.narrow_err, "ha_cal.fits", "Ha", tan())


@pytest.fixture
def broad(scene, tmp_path):
    model = ccd_image(scene.broad, scene.broad_err, "r_cal.fits", "R", tan(0.1))
    model.data[20, 30], model.dq[20, 30] = -1e5, BAD
    model.data[22, 30] = np.nan
    model.save(str(tmp_path / "r_cal.fits"))
    return str(tmp_path / "r_cal.fits")


def test_line_is_left(scene, narrow, broad):
    narrow.data[50, 60], narrow.dq[50, 60] = 1e6, BAD
    before = narrow.data.copy()
    result = SubtractContinuumStep.call(narrow, continuum=broad)
    np.testing.assert_allclose(line_fluxes(result.data, scene), 1.0, atol=0.03)
    ground = result.meta.ground
    assert ground.line_scale == pytest.approx(SCALE, rel=0.02)
    assert 0 < ground.line_scale_sigma < 0.03 * SCALE
    assert ground.fwhm == pytest.approx(3.8 * 1.1, rel=0.1)  # of a Gaussian fitted to a Moffat
    for place, bits in (((50, 60), BAD), ((20, 30), BAD), ((22, 30), NONE), ((0, 0), 0)):
        assert np.isnan(result.data[place]) == bool(bits)
        assert result.dq[place] == bits
    assert np.nanmedian(result.err) < np.median(scene.narrow_err)
    assert result.meta.ground_steps.subtract_continuum == "COMPLETE"
    np.testing.assert_array_equal(narrow.data, before)


def test_options(scene, narrow, broad):
    plain = SubtractContinuumStep.call(narrow, continuum=broad, match="none", scale=0.05)
    good = np.isfinite(plain.data)
    np.testing.assert_allclose(
        plain.data[good], (scene.narrow - 0.05 * scene.broad)[good], rtol=1e-4, atol=0.01
    )
    assert plain.meta.ground.line_scale == 0.05
    told = SubtractContinuumStep.call(
        narrow, continuum=broad, match="gaussian", scale=SCALE, narrow_fwhm=2.8, broad_fwhm=3.8
    )
    assert told.meta.ground.fwhm == 3.8
    np.testing.assert_allclose(line_fluxes(told.data, scene), 1.0, atol=0.03)
    back = SubtractContinuumStep.call(
        narrow, continuum=broad, match="none", scale=0.05, line_in_broad=2.0
    )
    np.testing.assert_allclose(back.data[good], plain.data[good] / 0.9, rtol=1e-4)


def test_saved_and_without_errors(scene, broad, tmp_path):
    assert broad == str(tmp_path / "r_cal.fits")
    plain = ccd_image(scene.narrow, name="ha_cal.fits")
    plain.save(str(tmp_path / "ha_cal.fits"))
    SubtractContinuumStep.call(
        str(tmp_path / "ha_cal.fits"), continuum="r_cal.fits", save_results=True,
        output_dir=str(tmp_path),
    )  # fmt: skip
    made = open_frame(tmp_path / "ha_consub.fits")
    assert "err" not in arrays_of(made)
    np.testing.assert_allclose(line_fluxes(made.data, scene), 1.0, atol=0.03)


def test_what_makes_no_sense(narrow, tmp_path):
    with pytest.raises(InputError, match="continuum: none given"):
        SubtractContinuumStep.call(narrow)
    apart = ccd_image(narrow.data, name="apart.fits", wcs=tan(2.0))
    apart.save(str(tmp_path / "apart.fits"))
    with pytest.raises(InputError, match=r"apart.fits: .*2.00 pixels beside ha_cal.fits.*resample"):
        SubtractContinuumStep.call(narrow, continuum=str(tmp_path / "apart.fits"))
    small = ccd_image(narrow.data[:50], name="small.fits")
    small.save(str(tmp_path / "small.fits"))
    with pytest.raises(InputError, match=r"small.fits: 310 x 50 pixels, but ha_cal.fits has"):
        SubtractContinuumStep.call(narrow, continuum=str(tmp_path / "small.fits"))
    empty = ccd_image(np.random.default_rng(1).normal(0, 1, narrow.data.shape), name="sky.fits")
    empty.save(str(tmp_path / "sky.fits"))
    with pytest.raises(InputError, match=r"ha_cal.fits, sky.fits: 0 stars .* give scale"):
        SubtractContinuumStep.call(narrow, continuum=str(tmp_path / "sky.fits"))
