"""Associations in any order, open members, and members whose keywords disagree."""

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from jwst import datamodels
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx import Coron3Pipeline
from tests.pipelines.coron3.quick_runs import STAR, quick, warnings_of

SCALE = 0.063


def opened(asn, kinds=str):
    container = ModelContainer()
    for member in json.loads(asn.read_text())["products"][0]["members"]:
        model = datamodels.open(str(asn.parent / member["expname"]))
        model.meta.asn.exptype = kinds(member["exptype"])
        container.append(model)
    return container


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


@pytest.mark.parametrize("own", [[], ["0.5:10"]])
def test_companions_kept_out_of_the_fits_do_not_pull_at_the_references(own):
    pipeline = Coron3Pipeline()
    pipeline.klip.companions, pipeline.align_refs.companions = ["1.2:40"], own
    pipeline._set_up()
    assert pipeline.align_refs.companions == (own or ["1.2:40"])
