"""The pipeline from an association to its products."""

import json
import logging
import shutil

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from jwst import datamodels
from jwst.datamodels import ModelContainer
from scipy.ndimage import center_of_mass
from stdatamodels.jwst.datamodels import CubeModel

from coronx import Coron3Pipeline
from coronx.errors import InputError
from coronx.refdata.modes import MODES

MODE = MODES["nircam-335r"]
STAR = (311.2897, -31.3411)
COMPANION = (1.6, -1.2)  # arcsec east and north of the star
SCALE = 0.063

COMBINED = {"target_f356w_i2d.fits", "target_f356w_snr.fits", "target_f356w_contrast.fits"}
SUBTRACTED = {f"target_{n:05d}_nrcalong_a3001_psfsub.fits" for n in (1, 2)}
CLEANED = {f"target_{n:05d}_nrcalong_a3001_crfints.fits" for n in (1, 2)} | {
    f"psfstar_{n:05d}_nrcalong_a3001_crfints.fits" for n in (1, 2, 3)
}
# The association lists both.
ALIGNED = {f"target_{n:05d}_nrcalong_a3001_psfalign.fits" for n in (1, 2)} | {
    "target_f356w_psfsub_asn.json"
}
MEASURED = {
    f"target_f356w_{name}.{kind}"
    for name in ("detect", "limits", "extract")
    for kind in ("fits", "ecsv")
}
STACKED = {"target_f356w_psfstack.fits"}


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.fixture(scope="module")
def small(tmp_path_factory, make_association):
    """Return an association whose exposures have one integration: it is quicker."""
    return make_association(tmp_path_factory.mktemp("small"), nints=1)


def opened(asn, kinds=str):
    container = ModelContainer()
    for member in json.loads(asn.read_text())["products"][0]["members"]:
        model = datamodels.open(str(asn.parent / member["expname"]))
        model.meta.asn.exptype = kinds(member["exptype"])
        container.append(model)
    return container


def quick(association, options=None, **steps):
    """Run without what the test does not look at, and save nothing."""
    skipped = {name: {"skip": True} for name in ("outlier_detection", "fix_bad_pixels", "hlsp")}
    steps = skipped | {"recenter_frames": {"method": "mask"}} | steps
    return Coron3Pipeline.call(association, steps=steps, **(options or {}))


@pytest.fixture(scope="module")
def expected(small):
    return quick(str(small))


def companion_pixel(model):
    """Return where a companion at its true offset from the recorded star is, and where seen."""
    record = model.meta.coronx
    star = SkyCoord(record.star_ra, record.star_dec, unit="deg")
    place = star.spherical_offsets_by(*(COMPANION * units.arcsec))
    x, y = model.meta.wcs.invert(place.ra.deg, place.dec.deg, with_bounding_box=False)
    row, column = round(float(y)), round(float(x))
    box = np.nan_to_num(model.data[row - 3 : row + 4, column - 3 : column + 4])
    cy, cx = center_of_mass(np.clip(box - 8.0, 0.0, None))
    return (float(x), float(y)), (column - 3 + cx, row - 3 + cy)


def test_products(coron3_run):
    models = {name.replace("psfsub", "psfmodel") for name in SUBTRACTED}
    asked = {name.replace("crfints", "recenter") for name in CLEANED}
    assert names(coron3_run.folder) == (
        COMBINED | SUBTRACTED | CLEANED | ALIGNED | STACKED | MEASURED | models | asked
        | {"target_f356w_recenter_asn.json"}
    )  # fmt: skip


def test_headers(coron3_run):
    header = fits.getheader(coron3_run["target_f356w_i2d"])
    assert header["ASNTABLE"] == coron3_run.asn.name
    assert header["TARGNAME" if "TARGNAME" in header else "TARGCAT"]
    assert header["STARSRC"] == "mask centre"
    assert header["STAR_RA"] == pytest.approx(STAR[0], abs=1e-7)
    # What was done to all science exposures alike.
    assert header["S_CXBAD"] == "COMPLETE"
    assert header["KLMODES"] == 6
    for n in (1, 2):
        header = fits.getheader(coron3_run[f"target_{n:05d}_nrcalong_a3001_psfsub"])
        assert header["KLMODES"] == 6
        assert header["ERRKIND"] == "propagated"
        assert header["R_PSFMAS"].startswith("crds://")


def test_rolls_are_combined_about_the_star(coron3_run):
    """By its WCS the second roll is 0.09 arcsec off: 1.4 pixels."""
    with datamodels.open(str(coron3_run["target_f356w_i2d"])) as model:
        truth, seen = companion_pixel(model)
        np.testing.assert_allclose(seen, truth, atol=0.3)
        both = np.nanmax(
            model.data[
                round(truth[1]) - 2 : round(truth[1]) + 3, round(truth[0]) - 2 : round(truth[0]) + 3
            ]
        )
    # Its light from both rolls falls on one place: the peak is not halved.
    assert both > 40.0


def test_the_star_is_found_in_each_roll(coron3_run):
    first, second = (
        fits.getheader(coron3_run[f"target_{n:05d}_nrcalong_a3001_psfsub"]) for n in (1, 2)
    )
    assert (first["STARCENX"], first["STARCENY"]) == pytest.approx((150.2, 174.6), abs=1e-6)
    assert second["STARCENX"] == pytest.approx(149.95, abs=0.03)
    assert second["STARCENY"] == pytest.approx(174.95, abs=0.03)
    # Each is written with its own WCS.
    assert (second["STAR_RA"] - STAR[0]) * np.cos(np.radians(STAR[1])) * 3600 == pytest.approx(
        0.07, abs=0.003
    )


def test_each_roll_alone_has_the_companion_at_its_place(small, tmp_path):
    for n in (1, 2):
        table = json.loads(small.read_text())
        table["products"][0]["members"].pop(2 - n)
        path = small.parent / f"roll{n}_asn.json"
        path.write_text(json.dumps(table))
        star = np.add(MODE.center, (0.0, 0.0) if n == 1 else (-0.25, 0.35)).tolist()
        truth, seen = companion_pixel(quick(str(path), {"star_center": star}))
        np.testing.assert_allclose(seen, truth, atol=0.3)
    assert not list(tmp_path.iterdir())


def test_nothing_is_saved_from_python(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = Coron3Pipeline.call(str(small))
    assert np.isfinite(result.data).mean() > 0.5
    assert result.meta.cal_step.klip == "COMPLETE"
    assert list(tmp_path.iterdir()) == []
    assert names(small.parent) == {p.name for p in small.parent.iterdir() if p.suffix != ".tmp"}


def test_intermediate_results_may_be_left_out(small, tmp_path):
    Coron3Pipeline.call(
        str(small), save_results=True, output_dir=str(tmp_path), save_intermediate_results=False
    )
    assert names(tmp_path) == COMBINED | SUBTRACTED


def test_order_and_case_do_not_matter(small, expected, tmp_path):
    table = json.loads(small.read_text())
    members = table["products"][0]["members"]
    shuffled = [
        {"exptype": members[n]["exptype"].upper(), "EXPNAME": members[n]["expname"]}
        for n in (2, 0, 3, 1, 4)
    ]
    shuffled.insert(1, {"expname": "ta_conf.fits", "exptype": "target_acquisition"})
    table["products"][0]["members"] = shuffled
    for path in small.parent.glob("*.fits"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "other_asn.json").write_text(json.dumps(table))
    result = quick(str(tmp_path / "other_asn.json"))
    np.testing.assert_array_equal(result.data, expected.data)


def test_a_container_of_open_members(small, expected):
    np.testing.assert_array_equal(quick(opened(small, str.upper)).data, expected.data)
    result = quick(ModelContainer(str(small)))
    np.testing.assert_array_equal(result.data, expected.data)
    assert result.meta.asn.table_name == small.name


def test_skipped_alignment_uses_references_as_they_are(small, expected, caplog):
    result = quick(str(small), align_refs={"skip": True})
    assert any("align_refs is skipped" in line for line in warnings_of(caplog))
    assert result.meta.cal_step.align_psfs == "SKIPPED"
    assert result.meta.cal_step.klip == "COMPLETE"
    # A target subtracted by itself would be zero; one by misaligned references is not gone.
    inner = np.s_[150:250, 130:220]
    assert np.nanstd(result.data[inner]) > 1.5 * np.nanstd(expected.data[inner])


def test_skipped_klip_combines_the_star(small, tmp_path, caplog):
    result = Coron3Pipeline.call(
        str(small), steps={"klip": {"skip": True}}, save_results=True, output_dir=str(tmp_path)
    )
    assert sum("klip is skipped" in line for line in warnings_of(caplog)) == 2
    assert result.meta.cal_step.klip == "SKIPPED"
    star = result.meta.coronx
    x, y = round(star.star_x - 1), round(star.star_y - 1)
    assert np.nanmax(result.data[y - 20 : y + 20, x - 20 : x + 20]) > 400.0
    assert names(tmp_path) == COMBINED | SUBTRACTED | CLEANED


def test_skipped_stack_refs_is_an_error_unless_klip_is_skipped_too(small):
    with pytest.raises(InputError, match=r"stack_refs is skipped.*; skip klip too"):
        quick(str(small), stack_refs={"skip": True})
    result = quick(str(small), stack_refs={"skip": True}, klip={"skip": True})
    assert result.meta.cal_step.klip == "SKIPPED"


def test_skipped_resample_leaves_the_subtracted_exposures(small, tmp_path, caplog):
    steps = {"resample": {"skip": True}, "outlier_detection": {"skip": True}}
    result = Coron3Pipeline.call(
        str(small), steps=steps, save_results=True, output_dir=str(tmp_path)
    )
    assert result is None
    assert any("resample is skipped" in line for line in warnings_of(caplog))
    assert names(tmp_path) == SUBTRACTED | STACKED | ALIGNED


def test_skipped_hlsp_and_outlier_detection(small, tmp_path):
    steps = {"hlsp": {"skip": True}, "outlier_detection": {"skip": True}}
    result = Coron3Pipeline.call(
        str(small), steps=steps, save_results=True, output_dir=str(tmp_path)
    )
    assert result.meta.cal_step.outlier_detection != "COMPLETE"
    assert names(tmp_path) == {"target_f356w_i2d.fits"} | SUBTRACTED | STACKED | ALIGNED


def test_star_center_is_believed(small, expected):
    given = Coron3Pipeline.call(
        str(small),
        star_center=[148.2, 173.6],
        steps={"outlier_detection": {"skip": True}, "hlsp": {"skip": True}},
    )
    assert given.meta.coronx.star_source == "given"
    east = given.meta.coronx.star_ra - expected.meta.coronx.star_ra
    offset = np.hypot(
        east * np.cos(np.radians(STAR[1])),
        given.meta.coronx.star_dec - expected.meta.coronx.star_dec,
    )
    assert offset * 3600 == pytest.approx(SCALE, rel=0.01)


@pytest.fixture
def edited(small, tmp_path):
    """Return a function that edits a member of a copy of the association."""

    def edit(name, change):
        for path in small.parent.glob("*.fits"):
            (tmp_path / path.name).symlink_to(path)
        shutil.copy(small, tmp_path)
        with CubeModel(str(tmp_path / name)) as model:
            change(model)
            (tmp_path / name).unlink()
            model.save(str(tmp_path / name))
        return str(tmp_path / small.name)

    return edit


FIRST = "target_00001_nrcalong_calints.fits"


def test_crpix_away_from_the_mask_is_named(edited, caplog):
    def change(model):
        model.meta.wcsinfo.crpix1 += 12.0

    result = quick(edited(FIRST, change), recenter_frames={"skip": True})
    (told,) = [line for line in warnings_of(caplog) if "pixels from the centre" in line]
    assert told.startswith(f"{FIRST}: CRPIX (162.2, 174.6) is 12.0 pixels from the centre")
    assert result.meta.coronx.star_source == "mask centre"
    assert result.meta.coronx.star_ra == pytest.approx(STAR[0], abs=1e-6)


def test_keywords_that_disagree_with_the_gwcs_are_named(edited, caplog, tmp_path):
    def change(model):
        model.meta.wcsinfo.crval2 += 0.2 / 3600.0

    path = edited(FIRST, change)
    out = tmp_path / "out"
    steps = {name: {"skip": True} for name in ("outlier_detection", "hlsp", "resample")}
    Coron3Pipeline.call(path, steps=steps, save_results=True, output_dir=str(out))
    (told,) = [line for line in warnings_of(caplog) if "gwcs" in line]
    assert told.startswith(f'{FIRST}: FITS WCS and gwcs differ by 0.200" (3.2 pixels)')
    header = fits.getheader(out / FIRST.replace("calints", "a3001_psfsub"))
    assert header["WCSDIFF"] == pytest.approx(0.2, abs=1e-4)


def test_a_parameter_file_is_taken_by_strun(small, tmp_path, strun):
    pipeline = Coron3Pipeline()
    for name in ("outlier_detection", "hlsp", "resample"):
        getattr(pipeline, name).skip = True
    pipeline.klip.truncate = 2
    pipeline.align_refs.bad_bits = ["DO_NOT_USE", "OUTLIER"]
    pipeline.export_config(str(tmp_path / "mine.asdf"))
    done = strun(tmp_path / "mine.asdf", small, "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert names(tmp_path / "out") == SUBTRACTED | STACKED | ALIGNED
    for name in SUBTRACTED:
        header = fits.getheader(tmp_path / "out" / name)
        assert header["KLMODES"] == 2
    for name in ALIGNED - {"target_f356w_psfsub_asn.json"}:
        assert "OUTLIER" in "".join(fits.getheader(tmp_path / "out" / name)["HISTORY"])
