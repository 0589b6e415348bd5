import json
from importlib import import_module

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from coronx import (
    CalibrateAllPipeline,
    GroundImagingPipeline,
    NavigateAllPipeline,
    ResampleAllPipeline,
)
from coronx.errors import InputError
from coronx.models.ground_association import read_ground_association
from coronx.models.ground_reading import open_frame
from coronx.models.ground_wcs import wcs_of
from coronx.models.make_ground_asn import make_ground_asn
from coronx.pipelines._frames import PREPARED
from coronx.simulate import Night, simulate_night
from coronx.simulate.night_plan import BANDS

RESAMPLE = {"save_resampled": True, "steps": {"resample_to_wcs": {"method": "interp"}}}
NIGHT = Night(
    size=200, biases=4, darks=3, flats=3, lights=3, filters=("R", "G", "B"), stars=60,
    hot_pixels=60, cosmic_rays=100.0, write_wcs=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small night, and its association."""
    folder = tmp_path_factory.mktemp("small")
    made = simulate_night(folder, NIGHT)
    (association,) = make_ground_asn(folder)
    return made, association


@pytest.fixture(scope="module")
def run(small, strun, tmp_path_factory):
    """Return the folder of what strun made of the night, two frames at a time."""
    folder = tmp_path_factory.mktemp("products")
    done = strun(
        "coronx_ground", small[1], f"--output_dir={folder}", "--workers=2",
        "--steps.resample_all.save_resampled=True", "--continuum=R:G",
        "--steps.resample_all.steps.resample_to_wcs.method=interp",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, done.stderr + done.stdout


@pytest.fixture(scope="module")
def red(small):
    """Return the association of the lights in R, and of what they need."""
    table = json.loads(small[1].read_text())
    table["products"] = [p for p in table["products"] if not {"G", "B"} & set(p["name"].split("_"))]
    path = small[1].with_name("red_asn.json")
    path.write_text(json.dumps(table))
    return path


@pytest.fixture(scope="module")
def calibrated(red, tmp_path_factory):
    """Return the association of the calibrated lights, made one frame at a time."""
    folder = tmp_path_factory.mktemp("calibrated")
    return CalibrateAllPipeline.call(str(red), output_dir=str(folder))


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.fits")}


def one(folder, pattern):
    (found,) = folder.glob(pattern)
    return found


def test_products_of_a_night(run):
    folder, _ = run
    names = [path.name for path in folder.iterdir()]
    count = {
        suffix: sum(f"_{suffix}." in name for name in names if name.endswith(".fits"))
        for suffix in ("masterbias", "masterdark", "masterflat", "badpix", "badcols", "readnoise",
                       "calibrated", "navigated", "passed", "rejected", "resampled", "mosaic",
                       "consub", "picture")
    }  # fmt: skip
    assert count == {
        "masterbias": 1, "masterdark": 1, "masterflat": 3, "badpix": 1, "badcols": 1,
        "readnoise": 1, "calibrated": 9, "navigated": 9, "passed": 7, "rejected": 2,
        "resampled": 7, "mosaic": 3, "consub": 1, "picture": 1,
    }  # fmt: skip
    picture = one(folder, "*_picture.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert not [name for name in names if name.startswith(".")]


def test_bad_frames_are_left_out_and_the_reason_is_told(run):
    folder, log = run
    table = Table.read(one(folder, "*_passed.ecsv"))
    reasons = {}
    for path in folder.glob("*_rejected.fits"):
        ground = open_frame(path).meta.ground
        reasons[ground.filter] = ground.rejected
    assert set(reasons) == {"R", "G"}
    assert "FWHM" in reasons["R"]
    assert "transparency" in reasons["G"]
    assert len(table) == 9
    assert "7 of 9 frames pass" in log


def test_messages_of_other_processes_are_seen(run):
    _, log = run
    assert log.count("pixels repaired") >= 9
    assert log.count("parameters are:") == 1


def test_other_processes_begin_with_what_is_there():
    # A module that is not there would be passed over in silence.
    assert import_module(PREPARED).GroundImageModel


def test_combined_images_have_the_stars_light_on_one_grid(run, small):
    folder, _ = run
    truth = small[0].truth
    with fits.open(small[0].truth_file) as hdulist:
        stars = Table(hdulist["STARS"].data)
    colors, corners = {}, []
    for path in sorted(folder.glob("*_mosaic.fits")):
        model = open_frame(path)
        name = model.meta.ground.filter
        colors[name] = model
        corners.append(wcs_of(model).all_pix2world([[0.0, 0.0], [199.0, 199.0]], 0))
        assert np.isfinite(model.err[np.isfinite(model.data)]).all()
        assert len(model.inputs) == {"R": 2, "G": 2, "B": 3}[name]
    np.testing.assert_allclose(corners, corners[:1] * 3, atol=1e-12)
    assert truth["frames"]
    bright = stars[np.argsort(stars["flux_R"])[-14:-4]]
    model = colors["R"]
    x, y = wcs_of(model).all_world2pix(bright["ra"], bright["dec"], 0)
    rows, cols = np.indices(model.shape)
    near = [np.hypot(cols - a, rows - b) <= 10.0 for a, b in zip(x, y, strict=True)]
    found = np.array([np.nansum(model.data[inside]) for inside in near])
    expected = np.asarray(bright["flux_R"]) * BANDS["R"].exposure / NIGHT.gain
    assert np.median(found / expected) == pytest.approx(1.0, abs=0.05)


def test_what_was_made_is_not_made_again(run, small):
    folder, _ = run
    before = times(folder)
    options = {
        "output_dir": str(folder), "continuum": ["R:G"],
        "steps": {"resample_all": RESAMPLE, "compose_rgb": {"skip": True}},
    }  # fmt: skip
    GroundImagingPipeline.call(str(small[1]), **options)
    assert times(folder) == before
    options["steps"]["navigate_all"] = {"steps": {"filter_quality": {"skip": True}}}
    GroundImagingPipeline.call(str(small[1]), **options)
    after = times(folder)
    # Without the filter the target has other frames, and other combined images.
    kept = [name for name in before if "_mosaic" not in name and "_consub" not in name
            and "_resampled" not in name]  # fmt: skip
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert any(after[name] != before[name] for name in before if "_mosaic" in name)


def test_frames_one_by_one_are_those_of_two_at_a_time(run, calibrated):
    folder, _ = run
    for path in calibrated.parent.glob("*_calibrated.fits"):
        first, second = open_frame(path), open_frame(folder / path.name)
        for name in ("data", "err", "dq"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        assert first.meta.ground_steps.instance == second.meta.ground_steps.instance


def test_settings_that_changed_take_effect(red, calibrated):
    folder = calibrated.parent
    before = times(folder)
    options = {"steps": {"remove_cosmic_rays": {"sigclip": 6.0}}, "output_dir": str(folder)}
    CalibrateAllPipeline.call(str(red), **options)
    after = times(folder)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name in before if name.endswith("_calibrated.fits")}


def test_a_run_that_was_stopped_goes_on(red, tmp_path):
    association = red
    source = tmp_path / "raw"
    source.mkdir()
    asn = read_ground_association(association)
    table = json.loads(association.read_text())
    for path, _ in asn.members:
        (source / path.name).symlink_to(path)
    (source / association.name).write_text(json.dumps(table))
    last = asn.of("science")[-1].name
    whole = (source / last).read_bytes()
    (source / last).unlink()
    (source / last).write_bytes(whole[: len(whole) // 2])
    folder = tmp_path / "products"
    with pytest.raises(InputError, match=last):
        CalibrateAllPipeline.call(str(source / association.name), output_dir=str(folder))
    before = times(folder)
    assert sum(name.endswith("_calibrated.fits") for name in before) == 2
    (source / last).write_bytes(whole)
    CalibrateAllPipeline.call(str(source / association.name), output_dir=str(folder))
    after = times(folder)
    assert len(after) == len(before) + 1
    assert {name: after[name] for name in before} == before


def test_lights_without_darks(red, tmp_path, caplog):
    table = json.loads(red.read_text())
    table["products"] = [p for p in table["products"] if "dark" not in p["name"]]
    path = red.with_name("nodark_asn.json")
    path.write_text(json.dumps(table))
    made = CalibrateAllPipeline.call(str(path), output_dir=str(tmp_path))
    ground = open_frame(read_ground_association(made).of("science")[0]).meta.ground
    assert ground.bias_subtracted
    assert not ground.dark_subtracted
    assert "no frames to make a master of: dark" in caplog.text


def test_flats_of_other_filters_are_left_out(small, tmp_path, caplog):
    _, association = small
    table = json.loads(association.read_text())
    table["products"] = [
        p for p in table["products"]
        if "_R" in p["name"] or p["name"].endswith(("_bias", "_flat_B"))
    ]  # fmt: skip
    for product in table["products"]:
        if product["name"].endswith("_flat_B"):
            del product["members"][1:]  # of one alone no master could be made
    path = association.with_name("onlyr_asn.json")
    path.write_text(json.dumps(table))
    CalibrateAllPipeline.call(str(path), output_dir=str(tmp_path))
    assert len(list(tmp_path.glob("*_masterflat.fits"))) == 1
    assert "no light through B" in caplog.text


@pytest.mark.parametrize("pipeline", [CalibrateAllPipeline, NavigateAllPipeline,
                                      ResampleAllPipeline, GroundImagingPipeline])  # fmt: skip
def test_what_is_no_association(pipeline, small, tmp_path):
    light = read_ground_association(small[1]).of("science")[0]
    with pytest.raises(InputError, match="not an association"):
        pipeline.call(str(light), output_dir=str(tmp_path))
    calibration = tmp_path / "bias_asn.json"
    calibration.write_text(json.dumps({"products": []}))
    with pytest.raises(InputError, match="no member"):
        pipeline.call(str(calibration), output_dir=str(tmp_path))


def test_astrometry_that_is_required(calibrated, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="solve-field"):
        NavigateAllPipeline.call(
            str(calibrated), output_dir=str(tmp_path), astrometry="required",
            steps={"solve_astrometry": {"solver": "solve-field"}},
        )  # fmt: skip


def test_pairs_of_filters(small, tmp_path):
    with pytest.raises(InputError, match="not a pair"):
        GroundImagingPipeline.call(str(small[1]), output_dir=str(tmp_path), continuum=["Ha"])


def test_the_record_of_a_product(run):
    folder, _ = run
    header = fits.getheader(one(folder, "*_R_mosaic.fits"))
    history = str(header["HISTORY"])
    for alias in ("coronx_apply_masters", "coronx_find_stars", "coronx_resample_to_wcs",
                  "coronx_combine_images"):  # fmt: skip
        assert alias in history.replace("\n", "")
    assert len(header["CRXDIGST"]) == 16
