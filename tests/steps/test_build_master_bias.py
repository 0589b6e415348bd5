import json

import numpy as np
import pytest
from astropy.io import fits

from coronx.errors import InputError
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.build_master_bias import BuildMasterBiasStep
from tests.steps.ccd_frames import NX, NY, Ccd, pull_of


@pytest.fixture(scope="module")
def ccd():
    return Ccd()


@pytest.fixture(scope="module")
def biases(ccd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bias")
    return [
        ccd.write(folder / f"b{n}.fits", "Bias Frame", level=1000.0 + 5 * n, hits=2e-4)
        for n in range(7)
    ]


@pytest.fixture(scope="module")
def master(biases):
    return BuildMasterBiasStep.call(biases)


def test_it_is_the_truth_within_its_errors(master, ccd):
    assert master.shape == (NY, NX)
    pull = pull_of(master, ccd.bias)
    assert pull.std() == pytest.approx(1.0, abs=0.05)
    assert np.abs(pull).max() < 5.0
    assert (np.abs(pull) > 2.0).mean() < 0.055
    assert np.median(master.err) == pytest.approx(np.hypot(4.0, 12**-0.5) / 7**0.5, rel=0.03)


def test_it_says_what_it_is_made_of(master, biases, ccd):
    told = master.meta.ground
    assert (told.image_type, told.master) == ("bias", True)
    assert told.overscan_region is None
    assert told.overscan_level == pytest.approx(1015.0, abs=0.5)
    assert master.inputs["file"].astype(str).tolist() == [f"b{n}.fits" for n in range(7)]
    np.testing.assert_allclose(master.inputs["level"], np.median(ccd.bias), atol=1.0)
    assert master.meta.ground_steps.build_master_bias == "COMPLETE"
    assert len(biases) == 7


def test_overscan_options(biases, ccd):
    trimmed = BuildMasterBiasStep.call(biases, overscan="none")
    assert np.median(trimmed.data - ccd.bias) == pytest.approx(1015.0, abs=0.5)
    assert trimmed.meta.ground.overscan_level is None
    noisy, one = (BuildMasterBiasStep.call(biases[:3], overscan=o) for o in ("rows", "constant"))
    # A level of its own adds noise to each row.
    scatter = [np.std((m.data - ccd.bias).mean(axis=1)) for m in (noisy, one)]
    assert scatter[0] > 1.2 * scatter[1]


def test_sigma(biases):
    tight = BuildMasterBiasStep.call(biases, sigma=2.0)
    assert np.median(tight.err) > 0.0
    assert (tight.err > 1.05 * np.median(tight.err)).mean() > 0.1  # samples left out


def test_an_association_gives_its_biases(biases, master, tmp_path):
    folder = tmp_path
    members = []
    for path in biases:
        with fits.open(path) as hdulist:
            hdulist.writeto(folder / path.rsplit("/", 1)[1])
        members.append({"expname": path.rsplit("/", 1)[1], "exptype": "bias"})
    with fits.open(biases[0]) as hdulist:
        hdulist[0].header["IMAGETYP"] = "Light Frame"
        hdulist.writeto(folder / "light.fits")
    members.append({"expname": "light.fits", "exptype": "science"})
    table = {"asn_id": "night", "products": [{"name": "night", "members": members}]}
    asn = folder / "night_asn.json"
    asn.write_text(json.dumps(table))
    result = BuildMasterBiasStep.call(str(asn), save_results=True, output_dir=str(tmp_path / "out"))
    np.testing.assert_array_equal(result.data, master.data)
    (saved,) = (tmp_path / "out").glob("*_masterbias.fits")
    again = open_frame(saved)
    np.testing.assert_array_equal(again.err, master.err)
    assert again.meta.ground.master
    assert len(again.inputs) == 7
    only = {"asn_id": "x", "products": [{"name": "x", "members": members[-1:]}]}
    asn.write_text(json.dumps(only))
    with pytest.raises(InputError, match=r"0 frame.s. of type bias"):
        BuildMasterBiasStep.call(str(asn))


def test_saturated_and_flagged_samples_are_left_out(biases, ccd):
    models = [open_frame(path) for path in biases]
    models[0].data[10, 10] = 65535.0
    models[1].dq[20, 20], models[1].data[20, 20] = 1, 1200.0
    for model in models:
        model.data[30, 30] = 65535.0
        model.data[40, 40] = np.nan
    before = [model.data.copy() for model in models]
    result = BuildMasterBiasStep.call(models)
    for model, array in zip(models, before, strict=True):
        np.testing.assert_array_equal(model.data, array)
    for at in ((10, 10), (20, 20)):
        assert abs(result.data[at] - ccd.bias[at]) < 5 * result.err[at]
        assert result.dq[at] == 0
    assert np.isnan(result.data[30, 30])
    assert (result.dq[30, 30], result.dq[40, 40]) == (1 | 2, 1 | 128)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"XBINNING": 2, "YBINNING": 2}, "odd.fits: binning 2 x 2, where 2 of 3 .* have 1 x 1"),
        ({"TELESCOP": "T11"}, "odd.fits: telescope T11, where 2 of 3 frames have T05"),
        ({"SET-TEMP": -15.0}, "odd.fits: set temperature -15.0 C"),
        ({"CCD-TEMP": -18.0}, "odd.fits: CCD at -18 C, set to -20 C"),
        ({"IMAGETYP": "Dark Frame"}, "odd.fits: image type dark, not bias"),
        ({"BIASSEC": "[161:192,1:60]"}, "odd.fits: overscan .* does not run along"),
        ({"TRIMSEC": "[1:150,1:120]"}, "odd.fits: shape 150 x 120"),
    ],
)
def test_the_odd_frame_is_named(biases, ccd, tmp_path, cards, message):
    odd = ccd.write(tmp_path / "odd.fits", "Bias Frame", cards=cards)
    with pytest.raises(InputError, match=message):
        BuildMasterBiasStep.call([biases[0], odd, biases[1]])


def test_frames_of_another_shape_or_too_few(biases, ccd, tmp_path):
    odd = ccd.write(tmp_path / "odd.fits", "Bias Frame", overscan=False)
    with pytest.raises(InputError, match=r"odd.fits: shape 160 x 120, where 2 of 3 frames"):
        BuildMasterBiasStep.call([odd, *biases[:2]])
    with pytest.raises(InputError, match=r"b0.fits: 1 frame\(s\) of type bias; give 2"):
        BuildMasterBiasStep.call([biases[0]])


def test_temperature_tolerance_and_a_shared_offset(biases, ccd, tmp_path, caplog):
    warm = [
        ccd.write(tmp_path / f"w{n}.fits", "Bias Frame", cards={"CCD-TEMP": -18.0}) for n in "ab"
    ]
    BuildMasterBiasStep.call([*biases[:2], warm[0]], temperature_tolerance=3.0)
    BuildMasterBiasStep.call(warm)
    assert "+2.0 C from its set temperature" in caplog.text


@pytest.mark.realdata
def test_lowell(realdata):
    folder = realdata / "ground" / "lowell"
    result = BuildMasterBiasStep.call([str(folder / f"z0{n}.fits") for n in range(1, 6)])
    assert result.shape == (1370, 1365)
    assert np.median(result.err) == pytest.approx(1.18 / 5**0.5, rel=0.05)
