"""References are found by their headers, and only those that can serve."""

import json
import logging

import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError
from coronx.models.reference_library import find_references

MODE = {
    "INSTRUME": "NIRCAM", "DETECTOR": "NRCALONG", "EXP_TYPE": "NRC_CORON", "FILTER": "F356W",
    "PUPIL": "MASKRND", "CORONMSK": "MASKA335R", "SUBARRAY": "SUB320A335R",
}  # fmt: skip
SHAPE = (1, 6, 8)
GOOD = {
    **MODE, "IS_PSF": True, "TARGPROP": "HIP17695", "TARGNAME": "G 80-21", "TARG_RA": 56.85,
    "TARG_DEC": -1.97, "PROGRAM": "01184", "EXPSTART": 59855.5,
}  # fmt: skip


@pytest.fixture
def science():
    model = CubeModel(data=np.zeros(SHAPE, "f4"))
    meta = model.meta
    meta.filename = "jw01184001001_calints.fits"
    meta.instrument.name, meta.instrument.detector = "NIRCAM", "NRCALONG"
    meta.instrument.filter, meta.instrument.pupil = "F356W", "MASKRND"
    meta.instrument.coronagraph, meta.subarray.name = "MASKA335R", "SUB320A335R"
    meta.exposure.type, meta.exposure.start_time = "NRC_CORON", 59855.3
    meta.target.proposer_name, meta.target.catalog_name = "V-AU-MIC", "V* AU Mic"
    meta.target.ra, meta.target.dec = 311.28972, -31.3409
    return model


@pytest.fixture
def put(tmp_path):
    """Return a function that writes an exposure of few pixels into the library."""

    def write(name, shape=SHAPE, folder=".", **changes):
        path = tmp_path / "library" / folder / f"{name}_calints.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        primary = fits.PrimaryHDU()
        for keyword, value in {**GOOD, **changes}.items():
            if value is not None:
                primary.header[keyword] = value
        image = fits.ImageHDU(np.zeros(shape, "f4"), name="SCI")
        fits.HDUList([primary, image]).writeto(path)
        return path

    return write


@pytest.fixture
def names(tmp_path, science):
    """Return a function that looks for references, and tells what they are called."""

    def find(**options):
        found = find_references(tmp_path / "library", science, **options)
        return [path.name.removesuffix("_calints.fits") for path in found]

    return find


def test_exposures_of_the_mode_are_found_in_all_folders(put, names, caplog):
    caplog.set_level(logging.INFO)
    put("b", folder="jw01184/deep")
    put("a")
    put("a", folder="again")
    put("plain", CORONMSK="MASK335R", PUPIL="maskrnd")
    assert names() == ["a", "b", "plain"]
    assert "3 of 3 exposures that can serve" in caplog.text
    assert "1 of the same name as another" in caplog.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({keyword: "OTHER"}, f"of another {keyword}") for keyword in MODE),
        ({"SUBARRAY": None}, "of another SUBARRAY"),
        ({"shape": (1, 6, 9)}, "of another frame size"),
        ({"shape": (6, 8)}, "not a cube of integrations"),
        ({"IS_PSF": False}, "not of a reference star"),
        ({"BKGDTARG": True}, "of the background"),
        ({"TARGPROP": "v au-mic"}, "of the science target"),
        ({"TARGNAME": "V* AU Mic", "TARGPROP": "REF"}, "of the science target"),
        ({"TARG_RA": 311.2920, "TARG_DEC": -31.3425}, "of the science target"),
    ],
)
def test_what_cannot_serve_is_left_out_and_counted(put, names, caplog, changes, reason):
    caplog.set_level(logging.INFO)
    put("good")
    put("other", **changes)
    assert names() == ["good"]
    assert f"left out: 1 {reason}" in caplog.text


def test_broken_files_are_named_once_and_left_out(put, names, caplog, tmp_path):
    put("good")
    short = put("short", shape=(200, *SHAPE[1:]))
    short.write_bytes(short.read_bytes()[:12000])
    (tmp_path / "library" / "page_calints.fits").write_text("<html>Not found</html>")
    (tmp_path / "library" / "empty_calints.fits").touch()
    (tmp_path / "library" / "notes.txt").write_text("not an exposure")
    assert names() == ["good"]
    (warning,) = (r.getMessage() for r in caplog.records if r.levelno == logging.WARNING)
    for name in ("short", "page", "empty"):
        assert f"{name}_calints.fits" in warning


def test_dates(put, names):
    put("before", EXPSTART=59830.0)
    put("near", EXPSTART=59857.0)
    put("late", EXPSTART=59900.2)
    put("by_day", EXPSTART=None, **{"DATE-OBS": "2022-10-05"})
    put("unknown", EXPSTART=None)
    assert names(date_range=["3"]) == ["by_day", "near"]
    assert names(date_range=["30"]) == ["before", "by_day", "near"]
    # MJD 59857 is 2022-10-05, 59900 is 2022-11-17.
    assert names(date_range=["2022-10-05", "2022-11-17"]) == ["by_day", "late", "near"]
    assert names(date_range=["2022-10-05", "2022-11-17T00:00:00"]) == ["by_day", "near"]


def test_programmes_stars_and_number(put, names):
    put("a", EXPSTART=59855.0)
    put("b", EXPSTART=59860.0, PROGRAM="01386", TARGPROP="HD-1", TARGNAME="HD 1")
    put("c", EXPSTART=59850.0, PROGRAM="01386", TARGPROP="BD+20-1", TARGNAME="BD+20 1")
    assert names(programs=["1386"]) == ["b", "c"]
    assert names(programs=["01386", "1184"]) == ["a", "b", "c"]
    assert names(exclude=["hd 1", "BD-20 1"]) == ["a", "c"]
    assert names(most=1) == ["a"]
    assert names(most=2) == ["a", "b"]
    assert names(most=9) == ["a", "b", "c"]


@pytest.mark.parametrize("suffix", ["csv", "ecsv"])
def test_spectral_types(put, names, tmp_path, suffix):
    from astropy.table import Table

    put("in_table")
    put("in_header", TARGPROP="OTHER", TARGNAME="OTHER", SPTYPE="M3V")
    put("other", TARGPROP="HD-1", TARGNAME="HD 1")
    put("unknown", TARGPROP="HD-2", TARGNAME="HD 2")
    catalog = tmp_path / f"stars.{suffix}"
    Table({"target": ["g80-21", "HD 1"], "spectral_type": ["M0Ve", "K7V"]}).write(catalog)
    assert names(spectral_types=["M"], catalog=catalog) == ["in_header", "in_table"]
    assert names(spectral_types=["k7", "M0"], catalog=catalog) == ["in_table", "other"]
    assert names(spectral_types=["M"]) == ["in_header"]


def test_members_of_the_association_are_left_out(put, names):
    put("a")
    assert names(known=["a_calints.fits"]) == []


def test_an_association_says_which_are_psf(put, science, tmp_path):
    members = [
        {"expname": put("named", IS_PSF=False).name, "exptype": "psf"},
        {"expname": put("marked").name, "exptype": "science"},
        {"expname": put("target", IS_PSF=False).name, "exptype": "science"},
        {"expname": put("sky").name, "exptype": "psf_background"},
    ]
    put("beside")
    path = tmp_path / "library" / "other_asn.json"
    table = {"asn_id": "c1", "products": [{"name": "other", "members": members}]}
    path.write_text(json.dumps(table))
    found = find_references(path, science)
    assert [p.name for p in found] == ["marked_calints.fits", "named_calints.fits"]


def test_nothing_serves(put, names):
    put("a", FILTER="F444W")
    put("b", FILTER="F444W")
    put("c", IS_PSF=False)
    with pytest.raises(
        InputError, match=r"2 of another FILTER, 1 not of a reference star\); add exposures"
    ):
        names()


def test_an_empty_folder(names, tmp_path):
    (tmp_path / "library").mkdir()
    with pytest.raises(InputError, match=r"left out: none\); add"):
        names()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"date_range": ["soon"]}, "dates soon: neither a number of days nor two ISO dates; give"),
        ({"date_range": ["2022-10-01", "x"]}, "neither a number of days nor two ISO dates"),
        ({"date_range": ["2022", "2023", "2024"]}, "neither a number of days nor two ISO dates"),
        ({"date_range": ["2023-01-01", "2022-01-01"]}, "the last is before the first; give"),
    ],
)
def test_bad_options(put, names, options, message):
    put("a")
    with pytest.raises(InputError, match=message):
        names(**options)


def test_bad_sources_and_catalogues(put, names, science, tmp_path):
    with pytest.raises(InputError, match=r"library: no such folder or association; give"):
        names()
    put("a")
    missing, wrong = tmp_path / "none.csv", tmp_path / "wrong.csv"
    wrong.write_text("star,type\nHD 1,M0\n")
    with pytest.raises(InputError, match=r"none.csv: no such file; give"):
        names(spectral_types=["M"], catalog=missing)
    with pytest.raises(InputError, match=r"wrong.csv: cannot be read .*; give a CSV or ECSV"):
        names(spectral_types=["M"], catalog=wrong)
    science.meta.exposure.start_time = None
    with pytest.raises(InputError, match="no date in its header; give two dates"):
        names(date_range=["30"])
