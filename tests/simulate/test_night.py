"""A simulated CCD night: frames are what the truth says, by statistics and by measurement."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from coronx.simulate import Night, simulate_night
from coronx.simulate.night import main
from coronx.simulate.night_psf import Seeing
from coronx.simulate.night_sky import make_field

NIGHT = Night(
    size=192,
    biases=2,
    darks=2,
    flats=2,
    lights=3,
    filters=("R", "Ha"),
    stars=40,
    hot_pixels=60,
    dead_pixels=5,
    defocused=(("R", 2),),
    clouded=(("R", 3),),
    satellite=(("Ha", 2),),
    trailed=(("Ha", 3),),
)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return simulate_night(tmp_path_factory.mktemp("night"), NIGHT)


@pytest.fixture(scope="module")
def truth(night):
    with fits.open(night.truth_file) as hdus:
        return {hdu.name: hdu.data.copy() for hdu in hdus[1:]}


def image(path):
    return fits.getdata(path).astype(float)


def numbers(night, kind):
    return [n for n, frame in enumerate(night.truth["frames"]) if frame["kind"] == kind]


def good_of(truth):
    return truth["BAD"] == 0


def light_of(night, truth, number):
    """Electrons before the flat field, sky and cosmic rays taken off, and the frame's truth."""
    frame = night.truth["frames"][number]
    adu = image(night.truth_file.parents[1] / frame["file"]) - truth["BIAS"]
    electrons = adu * NIGHT.gain - truth["DARK"] * frame["exposure_s"]
    rays = truth["COSMICRAYS"]
    rays = rays[rays["frame"] == number]
    electrons[rays["y"], rays["x"]] -= rays["electrons"]
    electrons /= truth[f"FLAT_{frame['filter'].upper()}"]
    return electrons - np.median(electrons), frame


def stars_of(truth, number, least=8e3):
    """Stars of a frame that are bright, alone, whole, and not saturated."""
    rows = truth["FRAMESTARS"]
    rows = rows[rows["frame"] == number]
    for row in rows:
        near = np.hypot(rows["x"] - row["x"], rows["y"] - row["y"]) < 16
        brighter = (
            near & (rows["electrons"] > 0.002 * row["electrons"]) & (rows["star"] != row["star"])
        )
        inside = all(12 < row[axis] < NIGHT.size - 13 for axis in "xy")
        galaxy = np.hypot(row["x"] - 0.38 * NIGHT.size, row["y"] - 0.4 * NIGHT.size)
        bright = row["electrons"] > least and not row["saturated"]
        if bright and inside and galaxy > 40 and not brighter.any():
            yield row


def test_biases_have_level_and_read_noise(night, truth):
    first, second = (image(path) for path in night.bias)
    assert abs((first - truth["BIAS"]).mean()) < 5 * 6 / 192
    noise = (first - second).std() / np.sqrt(2)
    assert noise == pytest.approx(np.hypot(NIGHT.read_noise / NIGHT.gain, 12**-0.5), rel=0.02)
    assert truth["BIAS"].std() > 1.0


def test_darks_have_dark_current_hot_pixels_and_columns(night, truth):
    dark = np.mean([image(path) for path in night.dark], axis=0) - truth["BIAS"]
    rays = np.zeros(dark.shape, bool)
    rows = truth["COSMICRAYS"]
    rows = rows[np.isin(rows["frame"], numbers(night, "dark"))]
    rays[rows["y"], rows["x"]] = True
    variance = (truth["DARKFRAME"] / NIGHT.gain + (9 / 1.5) ** 2 + 1 / 12) / 2
    far = (dark - truth["DARKFRAME"]) / np.sqrt(variance)
    assert far[~rays].std() == pytest.approx(1.0, abs=0.02)
    assert abs(far[~rays].mean()) < 0.03
    assert np.median(dark[rays] - truth["DARKFRAME"][rays]) > 100
    hot = (truth["BAD"] & 1) > 0
    assert hot.sum() == 60
    assert truth["DARK"][hot].min() > 0.14
    for found in night.truth["bad_columns"]:
        column = slice(found["first_row"], found["last_row"] + 1), found["column"]
        assert ((truth["BAD"][column] & 4) > 0).all()
        assert np.median(dark[column]) - np.median(dark) > 15
    assert [found["first_row"] > 0 for found in night.truth["bad_columns"]] == [0, 0, 0, 1]


def test_gain_is_that_of_photon_transfer(night, truth):
    (first, second), good = (image(path) for path in night.flat[:2]), good_of(truth)
    level, next_level = (
        night.truth["frames"][n]["level_electrons"] for n in numbers(night, "flat")[:2]
    )
    first, second = (
        (frame - truth["BIAS"])[good] / truth["FLAT_R"][good] for frame in (first, second)
    )
    assert first.mean() == pytest.approx(level / 1.5, rel=1e-3)
    assert second.mean() / first.mean() == pytest.approx(next_level / level, rel=1e-3)
    # Variance of an ADU / f: (level f / gain + noise^2) / f^2.
    shot = (1 / truth["FLAT_R"][good]).mean()
    noise = 36 * (1 / truth["FLAT_R"][good] ** 2).mean()
    for frame in (first, second):
        gain = frame.mean() * shot / (frame.var() - noise)
        assert gain == pytest.approx(1.5, rel=0.03)


def test_flats_are_dim_in_corners_and_under_dust(truth):
    red, alpha = truth["FLAT_R"], truth["FLAT_HA"]
    assert np.median(red) == pytest.approx(1.0, abs=1e-6)
    assert red[:10, :10].mean() < 0.85 < 1.0 < red[90:100, 90:100].mean()
    assert (red / alpha).min() < 0.99  # each filter has dust of its own
    dead = (truth["BAD"] & 2) > 0
    assert dead.sum() == 5
    assert red[dead].max() < 0.6


@pytest.mark.parametrize("index", [0, 2, 3])
def test_stars_have_the_flux_and_place_of_the_truth(night, truth, index):
    number = numbers(night, "light")[index]
    electrons, frame = light_of(night, truth, number)
    y, x = np.indices(electrons.shape)
    wcs = WCS(fits.Header(frame["wcs"]))
    columns = (truth["BAD"] & 4) > 0
    seen = 0
    for star in stars_of(truth, number):
        around = np.hypot(x - star["x"], y - star["y"])
        inside = around < 10
        if (inside & columns).any():
            continue
        seen += 1
        sky = np.median(electrons[(around > 15) & (around < 22) & ~columns])
        light = (electrons - sky) * inside
        dark = (truth["DARK"] * inside).sum() * frame["exposure_s"]
        sigma = np.sqrt(star["electrons"] + dark + 314 * (81 + 500))
        assert light.sum() == pytest.approx(star["electrons"], abs=5 * sigma, rel=0.004)
        core = light * (around < 5)
        found = [(core * axis).sum() / core.sum() for axis in (x, y)]
        table = Table(truth["STARS"])[star["star"]]
        place = wcs.wcs_world2pix([[table["ra"], table["dec"]]], 0)[0]
        assert np.hypot(*np.subtract(found, place)) < 3000 / star["electrons"] + 0.1
        flux = table["flux_R" if frame["filter"] == "R" else "flux_Ha"]
        expected = flux * frame["transparency"] * frame["exposure_s"]
        assert star["electrons"] == pytest.approx(expected)
    assert seen >= 1


def test_faults_are_where_they_are_said_to_be(night, truth):
    frames = [night.truth["frames"][n] for n in numbers(night, "light")]
    assert [frame["faults"] for frame in frames] == [
        [], ["defocused"], ["clouded"], [], ["satellite"], ["trailed"],
    ]  # fmt: skip
    assert frames[1]["fwhm_pixels"] > 1.9 * frames[0]["fwhm_pixels"]
    assert frames[2]["transparency"] < 0.4 * frames[0]["transparency"]
    electrons, frame = light_of(night, truth, numbers(night, "light")[4])
    (x0, y0), (x1, y1) = frame["satellite"]
    columns = np.arange(5, 187)
    rows = np.rint(y0 + (y1 - y0) * (columns - x0) / (x1 - x0)).astype(int)
    assert np.median(electrons[rows, columns]) == pytest.approx(380, abs=60)
    assert frames[3]["satellite"] is None


def test_three_stars_are_saturated(night, truth):
    assert night.truth["frames"][numbers(night, "light")[0]]["saturated_stars"] >= 1
    rows = truth["FRAMESTARS"]
    for row in rows[rows["saturated"]]:
        adu = image(night.truth_file.parents[1] / night.truth["frames"][row["frame"]]["file"])
        x, y = (min(max(round(row[axis]), 0), NIGHT.size - 1) for axis in "xy")
        assert adu[y, x] == 65535


def test_the_line_has_its_flux_in_any_seeing():
    night = replace(NIGHT, size=256)
    field = make_field(night, rng=np.random.default_rng(2))
    continuum = sum(blob.continuum for blob in field.blobs)
    for fwhm, offset in ((2.5, (0.0, 0.0)), (5.0, (7.3, -4.6))):
        light = {
            name: field.extended(256, Seeing(256, fwhm), offset, name).sum()
            for name in ("R", "Ha", "Cont")
        }
        assert light["Cont"] == pytest.approx(0.13 * continuum, rel=1e-4)
        assert light["Ha"] - light["Cont"] * 0.10 / 0.13 == pytest.approx(
            field.line_flux(), rel=1e-3
        )
        assert light["R"] == pytest.approx(continuum + 0.9 * field.line_flux(), rel=1e-4)


@pytest.mark.parametrize("place", [(31.0, 31.0), (30.6, 33.3), (22.2, 40.7)])
def test_a_star_is_one_star_wherever_it_falls(place):
    for seeing in (Seeing(64, 3.0, 0.1), Seeing(64, 4.0, trail=2.0)):
        image = np.zeros((64, 64))
        seeing.add_star(image, *place, 1e5)
        assert image.sum() == pytest.approx(1e5, rel=2e-3)
        y, x = np.indices(image.shape)
        assert (image * x).sum() / image.sum() == pytest.approx(place[0], abs=0.05)
        assert (image * y).sum() / image.sum() == pytest.approx(place[1], abs=0.05)
    assert seeing.kernel().sum() == pytest.approx(1.0)


def test_full_width_is_at_half_maximum():
    places = np.arange(64.0)
    star = Seeing(64, 6.0).profile(32.0, 32.0, places, np.array([[32.0]]))[0]
    left = np.interp(star.max() / 2, star[:33], places[:33])
    assert 2 * (32 - left) == pytest.approx(6.0, abs=0.15)


def test_headers_and_names(tmp_path):
    night = replace(NIGHT, overscan=20, pedestal=100, binning=2, write_wcs=True, flats=1, lights=1)
    made = simulate_night(tmp_path, night)
    light = made.light[0]
    assert light.name == "raw-T05-coronx-SimField-20210709-050000-R-BIN2-E-120-001.fits"
    assert {path.name for path in (*made.bias[:1], *made.dark[:1], *made.flat[:1])} == {
        "Bias-BIN2-001.fits", "Dark-BIN2-300s-001.fits", "Flat-R-BIN2-001.fits",
    }  # fmt: skip
    header = fits.getheader(light)
    assert (header["BITPIX"], header["BZERO"], header["NAXIS1"]) == (16, 32768, 212)
    assert (header["BIASSEC"], header["TRIMSEC"]) == ("[193:212,1:192]", "[1:192,1:192]")
    assert (header["EXPTIME"], header["EGAIN"], header["PEDESTAL"]) == (120.0, 1.5, -100)
    assert (header["IMAGETYP"], header["FILTER"], header["XBINNING"]) == ("Light Frame", "R", 2)
    assert (header["OBJCTRA"], header["OBJCTDEC"]) == ("20 45 36.00", "+30 42 00.0")
    assert abs(header["CCD-TEMP"] - header["SET-TEMP"]) < 0.5
    np.testing.assert_allclose(WCS(header).wcs.crval, (311.4, 30.7))
    assert "FILTER" not in fits.getheader(made.bias[0])
    # The overscan has the drifting level, and the pedestal is on everything.
    drifts = [frame["bias_drift_adu"] for frame in made.truth["frames"]]
    assert np.std(drifts) > 1
    overscan = image(light)[:, 192:].mean()
    number = numbers(made, "light")[0]
    assert overscan == pytest.approx(1100 + drifts[number], abs=0.5)


def test_the_seed_decides_and_causes_are_apart(tmp_path):
    small = replace(NIGHT, size=64, stars=5, hot_pixels=9, lights=1, flats=1)
    one, same = (simulate_night(tmp_path / name, small) for name in ("a", "b"))
    for first, second in zip(one.light + one.dark, same.light + same.dark, strict=True):
        assert first.read_bytes() == second.read_bytes()
    other = simulate_night(tmp_path / "c", replace(small, seed=2))
    assert (image(one.bias[0]) != image(other.bias[0])).any()
    more = simulate_night(tmp_path / "d", replace(small, stars=9))
    with fits.open(one.truth_file) as first, fits.open(more.truth_file) as second:
        np.testing.assert_array_equal(first["DARK"].data, second["DARK"].data)
        np.testing.assert_array_equal(first["FLAT_R"].data, second["FLAT_R"].data)


def test_command_line(tmp_path, capsys):
    options = "--size 64 --stars 4 --hot-pixels 5 --filters Ha,R --lights 1 --flats 1 --biases 1"
    more = "--darks 1 --trailed Ha:1 --clouded none"
    assert main([str(tmp_path), *options.split(), *more.split()]) == 0
    assert "light  2" in capsys.readouterr().out
    truth = json.loads((tmp_path / "truth" / "truth.json").read_text())
    assert [frame["faults"] for frame in truth["frames"][-2:]] == [["trailed"], []]
    assert truth["night"]["size"] == 64


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--filters R,V", "filters are of R, G, B, Ha, Cont, not 'V'"),
        ("--filters R,R", "each filter once"),
        ("--size 10", "size is at least 64, not 10"),
        ("--gain 0", "gain is more than 0"),
        ("--clouded R", "FILTER:N,... or none, not 'R'"),
        ("--size 64 --hot-pixels 9999", "more bad pixels than pixels"),
    ],
)
def test_bad_options_are_refused(tmp_path, capsys, options, said):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "out"), *options.split()])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
