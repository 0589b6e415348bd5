"""Lights of a simulated night, calibrated, measured and judged, beside what is true."""

import numpy as np
import pytest

from coronx.models.ground_flags import FLAGS
from coronx.models.ground_reading import open_frame
from coronx.simulate.night_plan import BANDS
from tests.pipelines.night_truth import CLOUDED, DEFOCUSED, NIGHT

_FAINT = 0.0025  # relative error of a flux of which 1 % is four


@pytest.fixture(scope="module")
def lights(night, masters):
    """Lights through all steps until they are judged: name of the step to models."""
    import coronx

    paths = [str(path) for path in night.made.light]
    steps = {}
    steps["cal"] = coronx.ApplyMastersStep.call(
        paths,
        bias=[str(masters.bias)],
        dark=[str(masters.dark)],
        flat=[str(path) for path in masters.flats.values()],
        bad_pixels=[str(masters.bad_pixels)],
        read_noise=NIGHT.read_noise,
    )
    steps["crclean"] = coronx.RemoveCosmicRaysStep.call(steps["cal"])
    steps["ccdfix"] = coronx.FixCcdBadPixelsStep.call(steps["crclean"])
    steps["stars"] = coronx.FindStarsStep.call(steps["ccdfix"])
    steps["quality"] = coronx.MeasureQualityStep.call(steps["stars"])
    steps["passed"] = coronx.FilterQualityStep.call(steps["quality"])
    return steps


def name_of(model):
    return model.meta.filename


def light_of(night, name):
    """Electrons of the sky alone, before the flat field."""
    frame = night.frame(name)
    return frame["sky"] * BANDS[frame["filter"]].sky * frame["exposure_s"]


def test_errors_are_those_of_the_sky(night, lights):
    for model in lights["cal"]:
        assert model.meta.ground.noise_ratio == pytest.approx(1.0, abs=0.05), name_of(model)
        assert model.data.shape == (NIGHT.size, NIGHT.size)
        assert model.meta.ground.pedestal == -NIGHT.pedestal
        sky = light_of(night, name_of(model)) / NIGHT.gain
        assert np.median(model.data) == pytest.approx(sky, rel=0.05)


def test_cosmic_rays_are_flagged_and_stars_are_not(night, lights):
    found = missed = false = stars = 0
    for model in lights["crclean"]:
        name = name_of(model)
        flagged = (model.dq & FLAGS["COSMIC_RAY"]) > 0
        rays = night.cosmic_rays(name)
        bright = night.cosmic_rays(name, least=500.0) & (night.hdus["BAD"] == 0)
        found += (flagged & bright).sum()
        missed += (bright & ~flagged).sum()
        grown = np.lib.stride_tricks.sliding_window_view(np.pad(rays, 1), (3, 3)).any(axis=(2, 3))
        false += (flagged & ~grown).sum()
        for star in night.stars(name):
            stars += flagged[round(star["y"]) % NIGHT.size, round(star["x"]) % NIGHT.size]
    assert found > 50
    assert missed < 0.2 * found
    assert false < 20 * len(lights["crclean"])
    assert stars <= 3


def test_only_the_defocused_and_the_clouded_frame_are_rejected(night, lights):
    passed = {name_of(model) for model in lights["passed"]}
    for model in lights["quality"]:
        frame = night.frame(name_of(model))
        faulty = (frame["filter"], frame["number"]) in (DEFOCUSED, CLOUDED)
        assert (name_of(model) not in passed) == faulty, frame["file"]


def test_the_reasons_are_the_right_ones(night, lights, tmp_path):
    import coronx

    coronx.FilterQualityStep.call(lights["quality"], save_results=True, output_dir=str(tmp_path))
    reasons = {}
    for path in tmp_path.glob("*_rejected.fits"):
        with open_frame(path) as model:
            frame = night.frame(path.name)
            reasons[frame["filter"], frame["number"]] = model.meta.ground.rejected
    assert set(reasons) == {DEFOCUSED, CLOUDED}
    assert reasons[DEFOCUSED].startswith("FWHM")
    assert reasons[CLOUDED].startswith("transparency")
    assert ";" not in "".join(reasons.values())


def measured(night, lights):
    """For each star that stands alone, in each filter: flux over the true one, and its error."""
    found = {}
    for model in lights["stars"]:
        frame = night.frame(name_of(model))
        if frame["faults"]:  # a satellite may cross a star
            continue
        true, table = night.stars(name_of(model)), model.stars
        for star in true:
            away = np.hypot(table["x"] - 1 - star["x"], table["y"] - 1 - star["y"])
            row, expected = table[away.argmin()], star["electrons"] / NIGHT.gain
            near = np.hypot(true["x"] - star["x"], true["y"] - star["y"]) < 15
            blended = near & (true["star"] != star["star"])
            blended &= true["electrons"] > 0.003 * star["electrons"]
            if not (star["saturated"] or blended.any() or row["crowded"] or away.min() > 1):
                result = row["flux"] / expected, row["flux_sigma"] / expected
                found.setdefault((frame["filter"], int(star["star"])), []).append(result)
    for frames in found.values():
        ratio, sigma = np.array(frames).T
        weight = sigma**-2.0
        yield (ratio * weight).sum() / weight.sum(), weight.sum() ** -0.5


def test_photometry_is_within_a_percent_and_unbiased(night, lights):
    ratio, sigma = np.array([pair for pair in measured(night, lights) if pair[1] < _FAINT]).T
    assert ratio.size >= 10
    assert np.abs(ratio - 1).max() < 0.01
    weight = sigma**-2
    mean = (ratio * weight).sum() / weight.sum()
    assert mean == pytest.approx(1.0, abs=0.003)
