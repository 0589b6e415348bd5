"""CCD frames that cannot be used: one line with file, value and remedy, and nothing written."""

import json

import numpy as np
import pytest
from astropy.io import fits
from stpipe import Step

from coronx.errors import InputError
from coronx.models.ground_reading import open_frame
from tests.steps.calibration_frames import masters, raw
from tests.steps.starry_frames import starry_frame

# Type, seconds and light in ADU of the raw frames.
KINDS = {
    "bias": ("Bias Frame", 0.0, 0.0),
    "dark": ("Dark Frame", 60.0, 0.0),
    "flat": ("Flat Field", 5.0, 20000.0),
    "science": ("Light Frame", 60.0, 700.0),
}
ODD = "where 2 of 3 frames have"


class Frames:
    """A folder of raw frames, three of each kind, the second of which may be unlike the others."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, kind, n, *, light=None, crop=False, **cards):
        """Write a frame; `crop` leaves out rows and columns."""
        imagetyp, seconds, usual = KINDS[kind]
        path = self.folder / f"{kind}_{n}.fits"
        seed = 10 * list(KINDS).index(kind) + n
        told = {"IMAGETYP": imagetyp} | cards
        raw(path, seconds, light=usual if light is None else light, seed=seed, **told)
        if crop:
            fits.writeto(path, fits.getdata(path)[20:, 10:], fits.getheader(path), overwrite=True)
        return path

    def association(self, *kinds, **spoilt):
        """Write frames of some kinds, of which the first is spoilt, and their association."""
        files = [
            (kind, self.write(kind, n, **(spoilt if kind == kinds[0] and n == 1 else {})))
            for kind in kinds
            for n in range(3)
        ]
        members = [{"expname": path.name, "exptype": kind} for kind, path in files]
        table = {"asn_type": "ground", "asn_id": "g1", "products": [{"name": "m"}]}
        table["products"][0]["members"] = members
        path = self.folder / "night_asn.json"
        path.write_text(json.dumps(table))
        return path


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    (tmp_path / "out").mkdir()
    return Frames(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Masters that are as they should be."""
    return masters(tmp_path_factory.mktemp("masters"))


def everything(folder):
    """Return what is in a folder: files with their times, and folders, those hidden too."""
    return {
        (path.relative_to(folder), path.is_file() and path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
    }


@pytest.fixture
def refused(tmp_path):
    """Return a function that runs strun's own entry, and returns what it refuses with."""

    def run(alias, path, *options, writes=()):
        before = everything(tmp_path)
        settings = ["--save_results=true", f"--output_dir={tmp_path / 'out'}"]
        with pytest.raises(InputError) as caught:
            Step.from_cmdline([alias, str(path), *options, *settings])
        assert caught.value.exit_status == 1
        new = {path for path, _ in everything(tmp_path) - before if path.suffix}
        assert {path.name for path in new} == set(writes)
        for name in new:
            open_frame(tmp_path / name)  # whole, with what it should have
        message = str(caught.value)
        assert "\n" not in message
        return message

    return run


@pytest.mark.parametrize(
    ("kind", "spoilt", "message"),
    [
        ("bias", {"crop": True}, f"bias_1.fits: shape 166 x 140, {ODD} 176 x 160; leave it out"),
        ("dark", {"crop": True}, f"dark_1.fits: shape 166 x 140, {ODD} 176 x 160; leave it out"),
        ("flat", {"crop": True}, f"flat_1.fits: shape 166 x 140, {ODD} 176 x 160; leave it out"),
        (
            "bias",
            {"XBINNING": 2, "YBINNING": 2},
            f"bias_1.fits: binning 2 x 2, {ODD} 1 x 1; leave it out",
        ),
        (
            "flat",
            {"XBINNING": 2, "YBINNING": 2},
            f"flat_1.fits: binning 2 x 2, {ODD} 1 x 1; leave it out",
        ),
        (
            "dark",
            {"EXPTIME": None},
            "dark_1.fits: no exposure time; add EXPTIME to its header, in seconds",
        ),
        (
            "flat",
            {"EXPTIME": None},
            "flat_1.fits: no exposure time; add EXPTIME to its header, in seconds",
        ),
        (
            "dark",
            {"CALSTAT": "B"},
            "dark_1.fits: its bias was subtracted before, and bias.fits would be subtracted again; "
            "leave out the dark, or the bias",
        ),
        (
            "flat",
            {"light": 9e4},
            "flat_1.fits: 100 % of its pixels are saturated (at 60000 ADU); leave it out",
        ),
    ],
)
def test_frames_of_a_master(frames, refused, made, kind, spoilt, message):
    options = [] if kind == "bias" else [f"--bias={made['bias']}"]
    asn = frames.association(kind, **spoilt)
    assert refused(f"coronx_build_master_{kind}", asn, *options) == message


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"crop": True}, "no master bias fits: bias.fits has 176 x 160 pixels, not 166 x 140; "),
        ({"XBINNING": 2, "YBINNING": 2}, "no master bias fits: bias.fits is binned 1 x 1, not 2"),
        ({"EXPTIME": None}, "no exposure time; add EXPTIME to its header, in seconds"),
        (
            {"FILTER": "OIII"},
            "no master flat fits: flat.fits has the filter ha, not OIII; give one made of flat "
            "frames like it, or none",
        ),
        (
            {"FILTER": None},
            "no master flat fits: flat.fits has the filter ha, and the frame does not tell its own "
            "(FILTER); give one",
        ),
    ],
)
def test_a_light_that_masters_do_not_fit(frames, refused, made, spoilt, message):
    light = frames.write("science", 0, **spoilt)
    options = [f"--{kind}={path}" for kind, path in made.items()]
    assert refused("coronx_apply_masters", light, *options).startswith(f"science_0.fits: {message}")


def test_an_image_without_stars(frames, refused):
    path = frames.folder / "clouded_cal.fits"
    starry_frame(path.name, stars=False)[0].save(str(path))
    assert refused("coronx_find_stars", path).startswith(
        "clouded_cal.fits: no star above 7 sigma of the background ("
    )
    assert refused("coronx_find_stars", path).endswith("leave the frame out, or set allow_none")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("bad_columns: [3, 177]", "bad_columns entry 177: the image has columns 1 to 176"),
        ("bad_rows: [0]", "bad_rows entry 0: the image has rows 1 to 160"),
        (
            "bad_rectangles: [[150, 161, 1, 9]]",
            "bad_rectangles entry [150, 161, 1, 9]: the image has rows 1 to 160",
        ),
    ],
)
def test_a_yaml_entry_out_of_range(frames, refused, made, entry, why):
    path = frames.folder / "user.yaml"
    path.write_text(entry + "\n")
    assert refused("coronx_find_bad_pixels", made["dark"], f"--user_file={path}") == (
        f"{path}: {why}; correct it, or give the file of dark.fits's binning"
    )


def test_lights_of_several_shapes(frames, refused):
    files = [frames.write("science", n, crop=n == 1) for n in range(2)]
    asn = frames.folder / "night_asn.json"
    members = [{"expname": path.name, "exptype": "science"} for path in files]
    asn.write_text(json.dumps({"products": [{"name": "m", "members": members}]}))
    assert refused("coronx_combine_images", asn) == (
        "science_1.fits: 166 x 140 pixels, but 176 x 160 in science_0.fits; run "
        "coronx_resample_to_wcs first"
    )


def test_errors_that_are_no_numbers(frames, refused):
    members = []
    for name in ("a_cal.fits", "b_cal.fits"):
        model = starry_frame(name)[0]
        if name[0] == "b":
            model.err = np.full_like(model.err, np.nan)
        model.save(str(frames.folder / name))
        members.append({"expname": name, "exptype": "science"})
    asn = frames.folder / "night_asn.json"
    asn.write_text(json.dumps({"products": [{"name": "m", "members": members}]}))
    assert refused("coronx_combine_images", asn) == (
        "b_cal.fits: ERR without a number; leave the image out"
    )


BIAS = ("night_bias_masterbias.fits", "night_bias_readnoise.fits")


@pytest.mark.parametrize(
    ("kinds", "spoilt", "writes", "message"),
    [
        (
            ("dark", "bias", "science"),
            {"EXPTIME": None},
            (),
            "dark_1.fits: no exposure time; add EXPTIME to its header, in seconds",
        ),
        (
            ("dark", "bias", "science"),
            {"CALSTAT": "B"},
            BIAS,
            "dark_1.fits: its bias was subtracted before, and night_bias_masterbias.fits would be "
            "subtracted again; leave out the dark, or the bias",
        ),
        (
            ("flat", "bias", "science"),
            {"light": 9e4},
            BIAS,
            "flat_1.fits: 100 % of its pixels are saturated (at 60000 ADU); leave it out",
        ),
        (
            ("science", "flat", "bias"),
            {"FILTER": "OIII"},
            (*BIAS, "night_Ha_masterflat.fits", "science_0_calibrated.fits"),
            "science_1.fits: no master flat fits: night_Ha_masterflat.fits has the filter Ha, not "
            "OIII; give one made of flat frames like it, or none",
        ),
    ],
)
def test_of_a_pipeline_only_what_is_whole_is_left(frames, refused, kinds, spoilt, writes, message):
    asn = frames.association(*kinds, **spoilt)
    found = refused("coronx_calibrate_all", asn, writes=writes)
    assert found.removeprefix(f"{frames.folder}/") == message


def test_strun_says_it_and_exits_with_1(frames, strun, tmp_path):
    asn = frames.association("bias", "science", XBINNING=2)
    before = everything(tmp_path)
    done = strun("coronx_calibrate_all", asn, f"--output_dir={tmp_path / 'out'}", CRDS_PATH=None)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert "Traceback" not in output
    said = f"bias_1.fits: binning 2 x 1, {ODD} 1 x 1; leave it out"
    assert "".join(output.split()).count("".join(said.split())) == 1  # wrapped by the host
    assert everything(tmp_path) == before
