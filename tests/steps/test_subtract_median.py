from dataclasses import replace

import numpy as np
import pytest
from jwst import datamodels
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import SubtractMedianStep
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.models.field import open_field
from coronx.simulate.exposures import simulate
from coronx.simulate.scene import SCENES

METHODS = ("robust", "sigma_clipped", "border")
ADDED = np.array([0.0, 3.0], "f4")


def less(exposure, **options):
    """Run the step on a model; `call`, which looks up parameters too, takes twice as long."""
    return SubtractMedianStep(**options).process(exposure)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """One science exposure of each instrument: the path and the level of its sky."""
    result = {}
    for name in ("nircam-round", "miri-4qpm"):
        scene = replace(
            SCENES[name], integrations=2, references=0, rolls_deg=(63.76,), wavelengths=1
        )
        made = simulate(tmp_path_factory.mktemp(name), scene)
        result[name] = (made.science[0], scene.sky_mjy_sr)
    return result


@pytest.fixture
def exposure(make_exposure):
    """A faint star, real blemishes, and a level that differs between integrations."""
    model = make_exposure(brightness=0.05, seed=3)
    model.data += ADDED[:, None, None]
    return model


@pytest.mark.parametrize("name", ["nircam-round", "miri-4qpm"])
@pytest.mark.parametrize("method", METHODS)
def test_the_sky_of_a_scene_is_recovered(scenes, name, method):
    """The star's halo is as bright as the sky a long way out, the truth is known."""
    path, sky = scenes[name]
    with datamodels.open(path) as model:
        noise = float(np.median(model.err[0][open_field(model)]))
        naive = np.nanmedian(model.data[0]) - sky
    result = less(str(path), method=method)
    off = np.asarray(result.levels["level"]) - sky
    assert np.all(np.abs(off) < 3 * result.levels["sigma"])
    # Of a pixel's noise: the median of all pixels is off by 0.15 to 0.25.
    assert np.all(np.abs(off) < 0.04 * noise)
    assert naive > 0.1 * noise
    assert np.all(result.levels["sigma"] < 0.04 * noise)


@pytest.mark.parametrize("method", METHODS)
def test_one_number_for_each_integration(exposure, method):
    result = less(exposure, method=method)
    table = np.asarray(result.levels)
    assert table["integration"].tolist() == [1, 2]
    assert table["level"] == pytest.approx(ADDED, abs=0.05)
    gone = exposure.data - result.data
    for n, level in enumerate(table["level"]):
        assert gone[n][np.isfinite(gone[n])] == pytest.approx(level, rel=1e-3, abs=1e-3)
    # One level more: the rest is the same, for every method.
    more = exposure.copy()
    more.data = exposure.data + np.float32(8.0)
    again = less(more, method=method)
    assert np.allclose(again.data, result.data, atol=1e-4, equal_nan=True)


def test_errors_gain_the_level_s_and_the_rest_stays(exposure):
    before = {name: values.copy() for name, values in arrays_of(exposure).items()}
    result = less(exposure)
    sigma = np.asarray(result.levels["sigma"])[:, None, None]
    assert np.all(sigma > 0)
    assert np.allclose(result.err, np.hypot(exposure.err, sigma), rtol=1e-5, equal_nan=True)
    total = result.var_poisson + result.var_rnoise + result.var_flat
    known = np.isfinite(result.err)
    assert np.allclose(total[known], result.err[known] ** 2, rtol=1e-4)
    assert np.array_equal(result.dq, exposure.dq)
    assert np.array_equal(np.isnan(result.data), np.isnan(exposure.data))
    for name, values in before.items():
        assert np.array_equal(getattr(exposure, name), values, equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
def test_flagged_and_missing_pixels_do_not_count(exposure, method):
    """The peer's sigma_clipped takes flagged pixels for sky."""
    clean = less(exposure, method=method)
    dirty = exposure.copy()
    rng = np.random.default_rng(1)
    bad = rng.random(dirty.data.shape) < 0.3
    dirty.data[bad] = 3.5
    dirty.dq[bad] |= pixel["DO_NOT_USE"]
    dirty.data[rng.random(dirty.data.shape) < 0.05] = np.nan
    found = less(dirty, method=method)
    off = found.levels["level"] - clean.levels["level"]
    assert np.all(np.abs(off) < 4 * found.levels["sigma"])


def test_sigma_is_heeded(make_exposure):
    """The peer's sigma_clipped ignores it."""
    model = make_exposure(brightness=0.0, blemishes=False)
    model.data[:, 200:260, 200:300] = 4.0
    levels = [
        less(model, method="sigma_clipped", sigma=sigma).levels["level"][0] for sigma in (8.0, 3.0)
    ]
    assert abs(levels[1]) < 0.5 * abs(levels[0])


def test_the_border_is_the_border_of_each_frame(make_exposure):
    """Of cubes the peer takes other axes, and its border equals sigma_clipped."""
    model = make_exposure(brightness=0.0, blemishes=False)
    inner = np.zeros(model.shape[-2:], bool)
    inner[20:-20, 20:-20] = True
    model.data[:, inner] -= 0.5  # nothing that a star would do
    border = less(model, method="border", borderwidth=20)
    clipped = less(model, method="sigma_clipped")
    assert border.levels["level"] == pytest.approx(0.0, abs=0.04)
    assert np.all(clipped.levels["level"] < -0.35)
    wider = less(model, method="border", borderwidth=120)
    assert wider.levels["level"][0] < -0.2


@pytest.mark.parametrize("width", [160, 400])
def test_a_border_wider_than_the_frame_is_refused(exposure, width):
    with pytest.raises(InputError, match=rf"calints.*borderwidth = {width}: .*give a smaller"):
        less(exposure, method="border", borderwidth=width)


def test_an_unknown_method_is_refused():
    """The peer silently takes another."""
    with pytest.raises(Exception, match="method"):
        SubtractMedianStep.call("nothing_calints.fits", method="mode")


def test_no_pixel_of_sky(exposure):
    exposure.dq[:] = pixel["DO_NOT_USE"]
    with pytest.raises(InputError, match="no good pixel that sees the sky"):
        less(exposure)


def test_an_integration_without_a_good_pixel_is_left_as_it_is(exposure):
    exposure.dq[0] |= pixel["DO_NOT_USE"]
    result = less(exposure)
    assert np.isnan(result.levels["level"][0])
    assert np.array_equal(result.data[0], exposure.data[0], equal_nan=True)
    assert np.array_equal(result.err[0], exposure.err[0], equal_nan=True)
    assert result.levels["level"][1] == pytest.approx(3.0, abs=0.05)


def test_twice_is_once(exposure, caplog, tmp_path):
    once = SubtractMedianStep.call(exposure)
    path = tmp_path / "star_00001_nrcalong_medsub.fits"
    once.save(str(path))
    again = SubtractMedianStep.call(str(path))
    assert np.array_equal(again.data, once.data, equal_nan=True)
    assert np.array_equal(again.err, once.err, equal_nan=True)
    assert "was done before" in caplog.text
    assert np.array_equal(again.levels["level"], once.levels["level"])


@pytest.mark.realdata
def test_on_a_real_frame_the_methods_agree(realdata):
    path = realdata / "aumic_f356w" / "jw01184001001_03107_00001_nrcalong_calints.fits"
    found = [less(str(path), method=method).levels[0] for method in METHODS]
    for one in found[1:]:
        assert abs(one["level"] - found[0]["level"]) < 3 * np.hypot(one["sigma"], found[0]["sigma"])
