import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.build_master_bias import BuildMasterBiasStep
from coronx.steps.ground.build_master_dark import BuildMasterDarkStep
from coronx.steps.ground.build_master_flat import BuildMasterFlatStep
from tests.steps.ccd_frames import Ccd, pull_of, saved

LIGHTS = (8000.0, 15000.0, 20000.0, 30000.0)


@pytest.fixture(scope="module")
def ccd():
    return Ccd(2)


@pytest.fixture(scope="module")
def masters(ccd, tmp_path_factory):
    """Return a master bias, and darks with and without their bias."""
    folder = tmp_path_factory.mktemp("masters")
    frames = [ccd.write(folder / f"b{n}.fits", "Bias Frame") for n in range(5)]
    bias = saved(BuildMasterBiasStep.call(frames), folder, "bias")
    frames = [ccd.write(folder / f"d{n}.fits", "Dark Frame", 60.0) for n in range(5)]
    return (
        bias,
        saved(BuildMasterDarkStep.call(frames, bias=bias), folder, "dark"),
        saved(BuildMasterDarkStep.call(frames), folder, "whole"),
    )


@pytest.fixture(scope="module")
def flats(ccd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flat")
    return [
        ccd.write(folder / f"f{n}.fits", "Flat Field", 2.0 + n, light, hits=2e-4)
        for n, light in enumerate(LIGHTS)
    ]


def test_it_is_the_truth_within_its_errors(flats, masters, ccd):
    bias, dark, _ = masters
    result = BuildMasterFlatStep.call(flats, bias=bias, dark=dark)
    pull = pull_of(result, ccd.flat)
    assert pull.std() == pytest.approx(1.0, abs=0.06)
    assert np.abs(pull).max() < 5.5
    assert (np.abs(pull) > 2.0).mean() < 0.06
    assert np.median(result.data) == pytest.approx(1.0, abs=1e-3)
    told = result.meta.ground
    assert told.normalization == pytest.approx(np.mean(LIGHTS), rel=2e-3)
    np.testing.assert_allclose(result.inputs["level"], LIGHTS, rtol=2e-3)
    assert (told.bias_subtracted, told.dark_subtracted, told.image_type) == (True, True, "flat")
    assert told.dark_file == "dark.fits"
    assert result.meta.ground_steps.build_master_flat == "COMPLETE"


def test_pixels_that_respond_too_little_are_flagged(flats, masters, ccd):
    result = BuildMasterFlatStep.call(flats, bias=masters[0])
    np.testing.assert_array_equal(result.dq == 1 | 8, ccd.dead)
    assert not BuildMasterFlatStep.call(flats, bias=masters[0], low=0.05).dq.any()


def test_dark_with_its_bias(ccd, masters, tmp_path):
    _, _, dark = masters
    same = [ccd.write(tmp_path / f"s{n}.fits", "Flat Field", 60.0, 20000.0) for n in range(3)]
    result = BuildMasterFlatStep.call(same, dark=dark)
    assert pull_of(result, ccd.flat).std() == pytest.approx(1.0, abs=0.06)


def test_masters_that_do_not_go_together(flats, masters):
    bias, dark, whole = masters
    with pytest.raises(InputError, match="no bias in it; give the master bias, too"):
        BuildMasterFlatStep.call(flats, dark=dark)
    with pytest.raises(InputError, match="subtracted twice"):
        BuildMasterFlatStep.call(flats, bias=bias, dark=whole)
    with pytest.raises(InputError, match=r"its 60 s cannot be scaled to the 2 s of f0.fits"):
        BuildMasterFlatStep.call(flats, dark=whole)
    with pytest.raises(InputError, match="image type dark; give a master bias"):
        BuildMasterFlatStep.call(flats, bias=dark)


@pytest.mark.parametrize(
    ("light", "cards", "message"),
    [
        (9000.0, {"FILTER": "V"}, "odd.fits: filter V, where 2 of 3 frames have R; leave it out"),
        (70000.0, {}, "odd.fits: .* % of its pixels are saturated .at 65535 ADU.; leave it out"),
        (9000.0, {"EXPTIME": None}, "odd.fits: no exposure time"),
        (9000.0, {"FLATCOR": 1, "CALSTAT": "BDF"}, "already divided by a flat"),
        (0.0, {}, "odd.fits: .* has a median of .* ADU; leave it out"),
    ],
)
def test_the_odd_frame_is_named(flats, masters, ccd, tmp_path, light, cards, message):
    odd = ccd.write(tmp_path / "odd.fits", "Flat Field", 3.0, light, cards=cards)
    if not light:
        model = open_frame(odd)
        model.data -= np.float32(1100.0)
        odd = model
        odd.meta.ground.overscan_region = None
        odd.meta.ground.overscan_level = 0.0
    with pytest.raises(InputError, match=message):
        BuildMasterFlatStep.call([flats[0], odd, flats[1]], bias=masters[0])


def test_saturation_options(flats, masters):
    bias = masters[0]
    with pytest.raises(InputError, match=r"f2.fits: .* saturated .at 20000 ADU"):
        BuildMasterFlatStep.call(flats, bias=bias, saturation=20000.0)
    result = BuildMasterFlatStep.call(flats, bias=bias, saturation=32500.0, saturated=1.0)
    full = BuildMasterFlatStep.call(flats, bias=bias)
    bright = full.data > 1.12  # saturated in the brightest frame, which is left out there
    assert np.median(result.err[bright] / full.err[bright]) > 1.1


def test_sigma_overscan_and_tolerance(flats, masters, ccd, tmp_path):
    bias = masters[0]
    full = BuildMasterFlatStep.call(flats, bias=bias)
    tight = BuildMasterFlatStep.call(flats, bias=bias, sigma=1.5)
    assert (tight.err > 1.05 * full.err).mean() > 0.1
    with pytest.raises(InputError, match="overscan's level"):
        BuildMasterFlatStep.call(flats, bias=bias, overscan="none")
    warm = ccd.write(tmp_path / "warm.fits", "Flat Field", 2.0, 9000.0, cards={"CCD-TEMP": -17.0})
    with pytest.raises(InputError, match=r"warm.fits: CCD at -17 C"):
        BuildMasterFlatStep.call([*flats, warm], bias=bias)
    BuildMasterFlatStep.call([*flats, warm], bias=bias, temperature_tolerance=4.0)


@pytest.mark.realdata
def test_lowell(realdata, tmp_path):
    folder = realdata / "ground" / "lowell"
    bias = BuildMasterBiasStep.call([str(folder / f"z0{n}.fits") for n in range(1, 4)])
    bias = saved(bias, tmp_path, "bias")
    good = [str(folder / f"f{n}.fits") for n in (101, 110, 111)]
    with pytest.raises(InputError, match=r"f100.fits: filter V, where 3 of 4 frames have VR"):
        BuildMasterFlatStep.call([str(folder / "f100.fits"), *good], bias=bias)
    result = BuildMasterFlatStep.call(good, bias=bias)
    centre = result.data[500:800, 500:800]
    expected = np.median(result.err[500:800, 500:800])
    # Twilight flats differ by some more than the noise of their light.
    assert 1.0 < expected / np.sqrt(1 / 4.95 / 26500 / 3) < 1.3
    assert 0.9 < np.median(centre) < 1.2
