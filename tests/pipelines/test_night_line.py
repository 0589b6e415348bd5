"""H-alpha of a simulated galaxy: an image through a narrow filter without its continuum."""

import numpy as np
import pytest

from coronx.models.ground_flags import FLAGS
from coronx.simulate import Night, simulate_night
from tests.pipelines.night_truth import KnownNight

NIGHT = Night(
    size=320,
    biases=5,
    darks=5,
    flats=3,
    lights=1,
    filters=("Ha", "Cont"),
    stars=120,
    dither=0.0,
    hot_pixels=150,
    cosmic_rays=100,
    seed=3,
)


@pytest.fixture(scope="module")
def line_night(tmp_path_factory):
    return KnownNight(simulate_night(tmp_path_factory.mktemp("line"), NIGHT))


@pytest.fixture(scope="module")
def line(line_night, tmp_path_factory):
    """The narrow image and the light of the line, made by the steps one by one."""
    import coronx

    folder, made = tmp_path_factory.mktemp("products"), line_night.made

    def kept(model, name):
        path = str(folder / f"{name}.fits")
        model.save(path)
        return path

    bias = kept(coronx.BuildMasterBiasStep.call([str(p) for p in made.bias]), "bias")
    dark = kept(coronx.BuildMasterDarkStep.call([str(p) for p in made.dark], bias=bias), "dark")
    flats = [
        kept(
            coronx.BuildMasterFlatStep.call(
                [str(p) for p in made.flat if f"-{name}-" in p.name], bias=bias, dark=dark
            ),
            name,
        )
        for name in NIGHT.filters
    ]
    bad = kept(coronx.FindBadPixelsStep.call(dark), "bad")
    cal = coronx.ApplyMastersStep.call(
        [str(p) for p in made.light],
        bias=[bias], dark=[dark], flat=flats, bad_pixels=[bad], read_noise=NIGHT.read_noise,
    )  # fmt: skip
    narrow, broad = coronx.FixCcdBadPixelsStep.call(coronx.RemoveCosmicRaysStep.call(cal))
    line = coronx.SubtractContinuumStep.call(narrow, continuum=kept(broad, "continuum"))
    return narrow, line


def distance(x, y):
    rows, columns = np.indices((NIGHT.size, NIGHT.size))
    return np.hypot(columns - x, rows - y)


def test_the_flux_of_the_line_is_within_three_percent(line_night, line):
    _, light = line
    truth = line_night.made.truth
    frame = next(f for f in truth["frames"] if f["kind"] == "light" and f["filter"] == "Ha")
    expected = truth["line_flux_electrons_s"] * frame["transparency"] * frame["exposure_s"]
    away = distance(0.38 * NIGHT.size, 0.4 * NIGHT.size)
    unit = NIGHT.size / 64
    sky = np.nanmedian(light.data[(away > 13 * unit) & (away < 20 * unit)])
    inside = (away < 10 * unit) & np.isfinite(light.data)
    inside &= (light.dq & FLAGS["SATURATED"]) == 0
    found = (light.data - sky)[inside].sum() * NIGHT.gain
    assert found == pytest.approx(expected, rel=0.03)
    assert np.hypot.reduce(light.err[inside]) * NIGHT.gain < 0.02 * expected


def test_less_than_two_percent_of_the_stars_is_left(line_night, line):
    narrow, light = line
    left = []
    stars = line_night.stars(narrow.meta.filename)
    for star in stars:
        away = distance(star["x"], star["y"])
        near = np.hypot(stars["x"] - star["x"], stars["y"] - star["y"]) < 16
        galaxy = np.hypot(star["x"] - 0.38 * NIGHT.size, star["y"] - 0.4 * NIGHT.size) < 50
        inside, ring = away < 8, (away > 12) & (away < 20)
        whole = min(star["x"], star["y"], *(NIGHT.size - 1 - star[k] for k in "xy")) > 20
        whole &= ((light.dq[away < 5] & 127) == 0).all()
        if near.sum() > 1 or galaxy or not whole or star["electrons"] < 2e4:
            continue
        values = light.data - np.nanmedian(light.data[ring])
        left.append(values[inside].sum() * NIGHT.gain / star["electrons"])
    assert len(left) >= 5
    assert np.abs(np.mean(left)) < 0.02
    assert np.median(np.abs(left)) < 0.02
