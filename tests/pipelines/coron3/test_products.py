"""From an association to its products: what is written, and what is in it."""

import json

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from jwst import datamodels
from jwst.stpipe import Step
from scipy.ndimage import center_of_mass

from coronx import Coron3Pipeline
from coronx.refdata.modes import MODES
from tests.pipelines.coron3.quick_runs import (
    ALIGNED,
    CLEANED,
    COMBINED,
    MEASURED,
    STACKED,
    STAR,
    SUBTRACTED,
    names,
    quick,
)

MODE = MODES["nircam-335r"]
COMPANION = (1.6, -1.2)  # arcsec east and north of the star


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


def test_a_parameter_file_is_taken(small, tmp_path):
    pipeline = Coron3Pipeline()
    for name in ("outlier_detection", "hlsp", "resample"):
        getattr(pipeline, name).skip = True
    pipeline.klip.truncate = 2
    pipeline.align_refs.bad_bits = ["DO_NOT_USE", "OUTLIER"]
    pipeline.export_config(str(tmp_path / "mine.asdf"))
    Step.from_cmdline([str(tmp_path / "mine.asdf"), str(small), f"--output_dir={tmp_path}/out"])
    assert names(tmp_path / "out") == SUBTRACTED | STACKED | ALIGNED
    for name in SUBTRACTED:
        header = fits.getheader(tmp_path / "out" / name)
        assert header["KLMODES"] == 2
    for name in ALIGNED - {"target_f356w_psfsub_asn.json"}:
        assert "OUTLIER" in "".join(fits.getheader(tmp_path / "out" / name)["HISTORY"])
