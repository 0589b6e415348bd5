import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.build_master_bias import BuildMasterBiasStep
from coronx.steps.ground.build_master_dark import BuildMasterDarkStep
from tests.steps.ccd_frames import Ccd, pull_of, saved


@pytest.fixture(scope="module")
def ccd():
    return Ccd(1)


@pytest.fixture(scope="module")
def bias(ccd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bias")
    frames = [ccd.write(folder / f"b{n}.fits", "Bias Frame") for n in range(5)]
    return saved(BuildMasterBiasStep.call(frames), folder, "bias")


@pytest.fixture(scope="module")
def darks(ccd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dark")
    return [ccd.write(folder / f"d{n}.fits", "Dark Frame", 300.0, hits=1e-3) for n in range(5)]


def test_it_is_the_truth_within_its_errors(darks, bias, ccd):
    result = BuildMasterDarkStep.call(darks, bias=bias)
    pull = pull_of(result, 300.0 * ccd.dark)
    assert pull.std() == pytest.approx(1.0, abs=0.05)
    assert np.abs(pull).max() < 5.5
    assert (np.abs(pull) > 2.0).mean() < 0.055
    told = result.meta.ground
    assert (told.image_type, told.exposure_time, told.bias_subtracted) == ("dark", 300.0, True)
    assert told.bias_file == "bias.fits"
    assert len(result.inputs) == 5
    assert result.meta.ground_steps.build_master_dark == "COMPLETE"


def test_without_a_bias_it_stays_in(darks, ccd):
    result = BuildMasterDarkStep.call(darks)
    assert pull_of(result, 300.0 * ccd.dark + ccd.bias).std() == pytest.approx(1.0, abs=0.05)
    assert not result.meta.ground.bias_subtracted


def test_bad_pixels_of_the_bias_stay(darks, bias, tmp_path):
    spoiled = open_frame(bias)
    spoiled.dq[5, 5] = 1 | 8
    spoiled.save(str(tmp_path / "bias.fits"))
    result = BuildMasterDarkStep.call(darks, bias=str(tmp_path / "bias.fits"))
    assert result.dq[5, 5] == 1 | 8
    assert result.meta.ground.bias_file == "bias.fits"


def test_options_of_the_stack(darks, bias):
    whole = BuildMasterDarkStep.call(darks, bias=bias)
    tight = BuildMasterDarkStep.call(darks, bias=bias, sigma=1.5)
    assert np.median(tight.err) >= np.median(whole.err)
    assert (tight.err > whole.err * 1.05).mean() > 0.1
    with pytest.raises(InputError, match="made without its overscan's level"):
        BuildMasterDarkStep.call(darks, bias=bias, overscan="none")


@pytest.mark.parametrize(
    ("seconds", "cards", "message"),
    [
        (60.0, {}, "odd.fits: exposure time 60 s, where 2 of 3 frames have 300 s"),
        (300.0, {"EXPTIME": None}, "odd.fits: no exposure time; add EXPTIME"),
        (300.0, {"EXPTIME": 0.0}, "odd.fits: exposure time 0 s; add EXPTIME"),
        (300.0, {"CALSTAT": "B"}, "odd.fits: its bias was subtracted, unlike that of the others"),
        (300.0, {"CCD-TEMP": -10.0}, "odd.fits: CCD at -10 C, set to -20 C"),
    ],
)
def test_the_odd_frame_is_named(darks, ccd, tmp_path, seconds, cards, message):
    odd = ccd.write(tmp_path / "odd.fits", "Dark Frame", seconds, cards=cards)
    with pytest.raises(InputError, match=message):
        BuildMasterDarkStep.call([darks[0], odd, darks[1]])
    if "CCD-TEMP" in cards:
        BuildMasterDarkStep.call([darks[0], odd, darks[1]], temperature_tolerance=12.0)


def test_a_bias_is_not_subtracted_twice(ccd, bias, tmp_path):
    done = [
        ccd.write(tmp_path / f"d{n}.fits", "Dark Frame", 300.0, cards={"CALSTAT": "B"})
        for n in range(2)
    ]
    with pytest.raises(InputError, match=r"d0.fits: its bias was subtracted before; leave out"):
        BuildMasterDarkStep.call(done, bias=bias)
    assert BuildMasterDarkStep.call(done).meta.ground.bias_subtracted
    # A header that says nothing: the level tells.
    frames = [
        ccd.write(tmp_path / f"b{n}.fits", "Bias Frame", overscan=False, level=1000.0)
        for n in range(2)
    ]
    whole = saved(BuildMasterBiasStep.call(frames), tmp_path, "whole")
    silent = [
        ccd.write(tmp_path / f"s{n}.fits", "Dark Frame", 300.0, overscan=False, level=0.0)
        for n in range(2)
    ]
    with pytest.raises(InputError, match=r"s0.fits: median .* where the bias has 10"):
        BuildMasterDarkStep.call(silent, bias=whole)


def test_a_master_of_another_kind_is_refused(darks, bias, tmp_path):
    dark = saved(BuildMasterDarkStep.call(darks, bias=bias), tmp_path, "dark")
    with pytest.raises(InputError, match="image type dark; give a master bias"):
        BuildMasterDarkStep.call(darks, bias=dark)
    model = open_frame(bias)
    cut = GroundImageModel(data=model.data[:50], err=model.err[:50], dq=model.dq[:50])
    with pytest.raises(InputError, match=r"cut.fits: shape"):
        BuildMasterDarkStep.call(darks, bias=saved(cut, tmp_path, "cut"))


def test_inputs_are_left_alone(darks, bias):
    models = [open_frame(path) for path in darks]
    before = [model.data.copy() for model in models]
    BuildMasterDarkStep.call(models, bias=bias)
    for model, array in zip(models, before, strict=True):
        np.testing.assert_array_equal(model.data, array)
