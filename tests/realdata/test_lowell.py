"""Frames of Lowell Observatory's Hall telescope: is ERR right, and are hits no stars?"""

from itertools import pairwise

import numpy as np
import pytest

from coronx import AddMetadataStep, ApplyMastersStep, FixCcdBadPixelsStep, RemoveCosmicRaysStep
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_reading import open_frame
from coronx.ops.overscan import subtract_overscan
from coronx.ops.photon_transfer import measure_gain

pytestmark = pytest.mark.realdata

LIGHTS = ("0126", "0127", "0128", "0150", "0155")
HEADER_GAIN = 4.95
CLIPPED = 1.18  # variance of the median of five over that of the mean, its root


def less_overscan(path):
    model = open_frame(path)
    regions = model.meta.ground.overscan_region, model.meta.ground.trim_region
    return subtract_overscan(model.data, *regions).data


@pytest.fixture(scope="module")
def noise(realdata):
    """Return read noise in ADU, gain, and the bias and flats less their bias."""
    folder = realdata / "ground/lowell"
    biases = [less_overscan(folder / f"z0{n}.fits") for n in range(1, 6)]
    pairs = [np.clip(a - b, -6, 6) for a, b in pairwise(biases)]
    read_noise = float(np.mean([pair.std() for pair in pairs]) / 2**0.5)
    bias = np.median(biases, axis=0)
    flats = [less_overscan(folder / f"{name}.fits") - bias for name in ("f101", "f110", "f111")]
    gains = [measure_gain(flats[a], flats[b], read_noise=read_noise)
             for a, b in ((0, 1), (0, 2), (1, 2))]  # fmt: skip
    return read_noise, gains, bias, flats


@pytest.fixture(scope="module")
def options(noise, tmp_path_factory):
    """Return options of apply_masters with masters and the measured gain."""
    read_noise, gains, bias, flats = noise
    gain = float(np.mean([g for g, _ in gains]))
    folder = tmp_path_factory.mktemp("masters")
    error = np.full(bias.shape, CLIPPED * read_noise / 5**0.5)
    levels = [np.median(flat) for flat in flats]
    flat = np.mean([f / level for f, level in zip(flats, levels, strict=True)], axis=0)
    variance = sum(
        (np.maximum(f, 1) / gain + read_noise**2) / level**2
        for f, level in zip(flats, levels, strict=True)
    )
    made = {"bias": (bias, error), "flat": (flat, np.sqrt(variance) / 3)}
    for kind, (data, err) in made.items():
        model = GroundImageModel(data=data.astype("f4"), err=err.astype("f4"))
        own = model.meta.ground
        own.image_type, own.filter, own.binning_x, own.binning_y = kind, "VR", 3, 3
        if kind == "bias":
            own.overscan_level = 1625.0
        else:
            own.normalization = float(np.mean(levels))
        model.save(str(folder / f"{kind}.fits"))
    return {kind: str(folder / f"{kind}.fits") for kind in made} | {
        "gain": gain, "read_noise": read_noise * gain,
    }  # fmt: skip


def test_the_flats_tell_another_gain_than_the_header(noise):
    read_noise, gains, _, _ = noise
    assert read_noise == pytest.approx(1.2, abs=0.1)
    for gain, error in gains:
        assert gain == pytest.approx(3.69, abs=0.03)
        assert error < 0.01
        assert HEADER_GAIN - gain > 100 * error


@pytest.mark.parametrize("name", LIGHTS)
def test_blank_sky_scatters_as_err_says(realdata, options, name, caplog):
    path = realdata / f"ground/lowell/{name}.fits"
    model = ApplyMastersStep.call(str(path), **options)
    assert model.shape == (1370, 1365)
    assert model.meta.ground.noise_ratio == pytest.approx(1.0, abs=0.05)
    assert "scatters" not in caplog.text
    saturated = (model.dq & FLAGS["SATURATED"]) != 0
    assert 500 < saturated.sum() < 5000


def test_the_gain_of_the_header_is_doubted(realdata, options, caplog):
    path = realdata / "ground/lowell/0150.fits"
    masters = {kind: options[kind] for kind in ("bias", "flat")}
    model = ApplyMastersStep.call(str(path), **masters)
    assert model.meta.ground.gain == HEADER_GAIN
    assert model.meta.ground.noise_ratio > 1.1
    assert "blank sky scatters" in caplog.text


def test_hits_are_found_and_are_no_stars(realdata, options):
    path = realdata / "ground/lowell/0150.fits"
    model = ApplyMastersStep.call(str(path), **options, check_noise=False)
    done = RemoveCosmicRaysStep.call(model)
    hit = (done.dq & FLAGS["COSMIC_RAY"]) != 0
    # 300 s on 37 cm^2 at 2200 m: some hundred hits of a few pixels.
    assert 500 < hit.sum() < 2500
    # A star has light beside its core, a hit has not: what is 3 to 4 pixels off is sky.
    y, x = np.nonzero(hit)
    inner = (y > 4) & (y < 1365) & (x > 4) & (x < 1360)
    around = [
        model.data[y[inner] + dy, x[inner] + dx] for dy, dx in ((3, 0), (-3, 0), (0, 3), (0, -3))
    ]
    above = np.median(around, axis=0) - np.median(model.data)
    assert (above < 0.1 * model.data[hit][inner]).mean() > 0.8
    mended = (done.dq & FLAGS["REPAIRED"]) != 0
    assert mended.sum() >= 0.95 * hit.sum()
    assert np.isfinite(done.err[mended]).all()
    assert FixCcdBadPixelsStep.call(done).meta.ground.unrepaired is not None


def test_airmass_is_that_of_the_header(realdata):
    model = open_frame(realdata / "ground/lowell/0126.fits")
    told, model.meta.ground.airmass = model.meta.ground.airmass, None
    ground = AddMetadataStep.call(model).meta.ground
    assert ground.airmass == pytest.approx(told, abs=0.01)
    assert ground.site_altitude == 2206.0
