import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.measure_read_noise import MeasureReadNoiseStep
from tests.steps.ccd_frames import GAIN, NX, NY, READ_NOISE, Ccd


@pytest.fixture(scope="module")
def ccd():
    return Ccd(3)


@pytest.fixture(scope="module")
def biases(ccd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bias")
    return [ccd.write(folder / f"b{n}.fits", "Bias Frame", hits=1e-3) for n in range(4)]


def test_read_noise_and_tables(biases, tmp_path):
    MeasureReadNoiseStep.call(biases, save_results=True, output_dir=str(tmp_path))
    result = open_frame(tmp_path / "b0_readnoise.fits")
    told = result.meta.ground
    truth = np.hypot(READ_NOISE, GAIN * 12**-0.5)  # with the rounding to whole numbers
    assert abs(told.read_noise - truth) < 4 * told.read_noise_sigma
    assert told.read_noise_sigma < 0.02 * truth
    assert told.gain == GAIN
    table = result.read_noise_table
    assert table["first"].astype(str).tolist() == ["b0.fits", "b1.fits", "b2.fits"]
    assert table["second"].astype(str).tolist() == ["b1.fits", "b2.fits", "b3.fits"]
    np.testing.assert_allclose(table["electrons"], GAIN * table["noise"])
    assert (table["used"] + table["clipped"] == NY * NX).all()
    assert table["noise"].mean() * GAIN == pytest.approx(told.read_noise)
    histogram = result.read_noise_histogram
    for pair in (1, 2, 3):
        counts = histogram["count"][histogram["pair"] == pair]
        assert counts.sum() == pytest.approx(NY * NX, rel=0.01)
    assert result.shape == (NY, NX)
    assert result.meta.ground_steps.measure_read_noise == "COMPLETE"


def test_gain_and_clip(biases, ccd, tmp_path):
    usual = MeasureReadNoiseStep.call(biases[:2]).meta.ground.read_noise
    told = MeasureReadNoiseStep.call(biases[:2], gain=5.0).meta.ground
    assert (told.read_noise, told.gain) == (pytest.approx(2.5 * usual), 5.0)
    wide = MeasureReadNoiseStep.call(biases[:2], clip=200.0).meta.ground.read_noise
    assert wide > 2.0 * usual  # the cosmic rays are in
    silent = [
        ccd.write(tmp_path / f"s{n}.fits", "Bias Frame", cards={"EGAIN": None}) for n in range(2)
    ]
    with pytest.raises(InputError, match=r"s0.fits: no gain; give the option gain"):
        MeasureReadNoiseStep.call(silent)
    MeasureReadNoiseStep.call(silent, gain=2.0)


def test_what_cannot_be_used(biases, ccd, tmp_path):
    with pytest.raises(InputError, match=r"1 frame\(s\) of type bias"):
        MeasureReadNoiseStep.call([biases[0]])
    with pytest.raises(InputError, match=r"b0.fits, b0.fits: .* same frame"):
        MeasureReadNoiseStep.call([biases[0], biases[0]])
    odd = ccd.write(tmp_path / "odd.fits", "Bias Frame", cards={"CCD-TEMP": -18.0})
    with pytest.raises(InputError, match=r"odd.fits: CCD at -18 C"):
        MeasureReadNoiseStep.call([*biases, odd])
    MeasureReadNoiseStep.call([*biases, odd], temperature_tolerance=3.0)


@pytest.mark.realdata
def test_lowell(realdata):
    folder = realdata / "ground" / "lowell"
    result = MeasureReadNoiseStep.call([str(folder / f"z0{n}.fits") for n in range(1, 6)])
    told = result.meta.ground
    assert told.read_noise / told.gain == pytest.approx(1.2, abs=0.1)
    assert told.read_noise_sigma < 0.05
