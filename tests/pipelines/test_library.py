"""References from a folder of other programmes' exposures, in the pipeline."""

import json

import pytest
from astropy.io import fits
from jwst import datamodels

from coronx import Coron3Pipeline
from coronx.errors import InputError

PSF = [f"psfstar_{n:05d}_nrcalong_calints.fits" for n in (1, 2, 3)]
SKIPPED = ("outlier_detection", "fix_bad_pixels", "recenter_frames", "resample")


@pytest.fixture(scope="module")
def split(tmp_path_factory, make_association):
    """Return an association without psf members, and the folder that has them."""
    folder = tmp_path_factory.mktemp("split")
    asn = make_association(folder, nints=1)
    table = json.loads(asn.read_text())
    product = table["products"][0]
    product["members"] = [m for m in product["members"] if m["exptype"] == "science"][:1]
    asn.write_text(json.dumps(table))
    library = folder / "library"
    library.mkdir()
    for name in PSF:
        (folder / name).rename(library / name)
    return asn, library


def run(asn, folder=None, klip=None, **options):
    steps = {name: {"skip": True} for name in SKIPPED} | {"klip": klip or {}}
    if folder is not None:
        options |= {"save_results": True, "output_dir": str(folder)}
    return Coron3Pipeline.call(str(asn), steps=steps, **options)


def planes(path):
    return [str(name) for name in fits.getdata(path, "PLANES")["exposure"]]


def history(path):
    with datamodels.open(str(path)) as model:
        # FITS breaks its lines anywhere.
        return "".join(entry["description"] for entry in model._asdf.get_history_entries())


def test_a_library_takes_the_place_of_psf_members(split, tmp_path):
    asn, library = split
    run(asn, tmp_path, reference_library=str(library), reference_max=2)
    # All were taken at the same time: the first are as near as the others.
    assert planes(tmp_path / "target_f356w_psfstack.fits") == PSF[:2]
    note = f"references found in {library}: {PSF[0]}, {PSF[1]}"
    for name in ("target_f356w_psfstack", "target_00001_nrcalong_psfsub"):
        (path,) = tmp_path.glob(f"{name.replace('_psfsub', '*_psfsub')}.fits")
        assert note in history(path)


def test_what_is_a_member_is_not_added_again(split, tmp_path):
    asn, library = split
    table = json.loads(asn.read_text())
    member = asn.parent / PSF[2]
    member.symlink_to(library / PSF[2])
    table["products"][0]["members"].append({"expname": PSF[2], "exptype": "psf"})
    both = asn.with_name("both_asn.json")
    both.write_text(json.dumps(table))
    # A name alone is looked for beside the association.
    run(both, tmp_path, reference_library="library", reference_exclude=["another star"])
    assert sorted(planes(tmp_path / "target_f356w_psfstack.fits")) == PSF


def test_without_use_for_references_the_library_is_not_looked_at(split, caplog):
    asn, _ = split
    with pytest.raises(InputError, match="no member of exptype psf; add"):
        run(asn, klip={"skip": True}, reference_library="nowhere")
    assert "reference_library is not looked at" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no member of exptype psf; add"),
        ({"reference_dates": ["30"]}, r"reference_dates = .*; give reference_library, too"),
        ({"reference_catalog": "stars.csv"}, r"reference_catalog = .*; give reference_library"),
        ({"reference_library": "nowhere"}, "nowhere: no such folder or association; give"),
        (
            {"reference_library": "library", "reference_spectral_types": ["M"]},
            r"left out: 3 of another spectral type, or one not known\); add",
        ),
        (
            {"reference_library": "library", "reference_programs": ["1184"]},
            r"left out: 3 of another programme\); add",
        ),
    ],
)
def test_refused_before_anything_is_written(split, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        run(split[0], tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_no_science_member(split, tmp_path):
    asn, library = split
    path = library / "other_asn.json"
    table = json.loads(asn.read_text())
    table["products"][0]["members"] = [{"expname": PSF[0], "exptype": "psf"}]
    path.write_text(json.dumps(table))
    with pytest.raises(InputError, match="no member of exptype science; add"):
        run(path, tmp_path, reference_library=str(library))
