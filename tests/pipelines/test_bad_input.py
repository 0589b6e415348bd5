"""Bad input: one line that names the file and the remedy, status 1, and nothing written."""

import gc
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jwst.stpipe import Step
from stdatamodels.jwst.datamodels import CubeModel, ImageModel, PsfMaskModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError
from coronx.models.association import read_association
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import transmission

# The host leaves a file that it fails to read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

TARGET = "target_00002_nrcalong_calints.fits"
PSF = "psfstar_00002_nrcalong_calints.fits"


@pytest.fixture(scope="session")
def good(tmp_path_factory, make_association):
    return make_association(tmp_path_factory.mktemp("good"), nints=1)


@pytest.fixture
def asn(good, tmp_path, monkeypatch):
    """Return an association of its own, whose members may be replaced; run in an empty folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    for path in good.parent.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / good.name).unlink()
    shutil.copy(good, folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder / good.name


def rewrite(asn, change):
    table = json.loads(asn.read_text())
    change(table)
    asn.write_text(json.dumps(table))


def edit(asn, name, change):
    """Replace a member by a changed copy."""
    path = asn.parent / name
    with CubeModel(str(path)) as model:
        change(model)
        path.unlink()
        model.save(str(path))


def everything(folder):
    return sorted(
        (path.relative_to(folder), path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir()
    )


@pytest.fixture
def refused(tmp_path, caplog):
    """Return a function that runs strun's own entry and checks that it refuses as it should."""

    def run(*args, alias="coronx_coron3"):
        before = everything(tmp_path)
        with pytest.raises(InputError) as caught:
            Step.from_cmdline([alias, *(str(arg) for arg in args)])
        assert caught.value.exit_status == 1
        message = str(caught.value)
        assert "\n" not in message
        assert ";" in message, "what is wrong; what to do"
        assert everything(tmp_path) == before
        return message

    caplog.set_level(logging.ERROR)
    yield run
    gc.collect()


@pytest.mark.parametrize("kind", ["science", "psf"])
def test_no_member_of_a_kind(asn, refused, kind):
    def drop(table):
        product = table["products"][0]
        product["members"] = [m for m in product["members"] if m["exptype"] != kind]

    rewrite(asn, drop)
    message = refused(asn)
    assert asn.name in message
    assert f"no member of exptype {kind}; add" in message


def test_no_member_of_a_kind_in_an_open_container(make_exposure):
    from jwst.datamodels import ModelContainer

    from coronx import Coron3Pipeline

    model = make_exposure(nints=1)
    model.meta.asn.exptype = "science"
    with pytest.raises(InputError, match="no member of exptype psf; add"):
        Coron3Pipeline.call(ModelContainer([model]))


@pytest.mark.parametrize("name", [TARGET, PSF])
def test_a_member_is_missing(asn, refused, name):
    (asn.parent / name).unlink()
    message = refused(asn)
    assert asn.name in message
    assert f"{name} is missing; put it" in message


@pytest.mark.parametrize(("name", "left"), [(TARGET, 1000), (PSF, 0), (PSF, 400_000)])
def test_a_member_is_truncated(asn, refused, name, left):
    path = asn.parent / name
    content = path.read_bytes()[:left]
    path.unlink()
    path.write_bytes(content)
    message = refused(asn)
    assert name in message
    assert "cannot be read" in message
    assert "; fetch the file again" in message


def test_a_member_is_not_fits(asn, refused):
    (asn.parent / PSF).unlink()
    (asn.parent / PSF).write_text("<html>Not found</html>")
    message = refused(asn)
    assert PSF in message
    assert "; fetch the file again" in message


@pytest.mark.parametrize("name", [TARGET, PSF])
def test_a_member_is_not_a_cube(asn, refused, make_exposure, name):
    cube = make_exposure(name, nints=1)
    image = ImageModel(data=cube.data[0])
    image.update(cube, only="PRIMARY")
    (asn.parent / name).unlink()
    image.save(str(asn.parent / name))
    message = refused(asn)
    assert name in message
    assert "not a cube of integrations but a ImageModel of shape (320, 320); give" in message


def crop(model):
    for array in ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat"):
        setattr(model, array, getattr(model, array)[:, :300, :310])


@pytest.mark.parametrize(
    ("what", "change", "found"),
    [
        ("the frame (ny, nx)", crop, "(300, 310)"),
        ("FILTER", lambda m: setattr(m.meta.instrument, "filter", "F444W"), "F444W"),
        ("CORONMSK", lambda m: setattr(m.meta.instrument, "coronagraph", "MASKA430R"), "MASK430R"),
        ("SUBARRAY", lambda m: setattr(m.meta.subarray, "name", "SUB320A430R"), "SUB320A430R"),
        ("DETECTOR", lambda m: setattr(m.meta.instrument, "detector", "NRCA2"), "NRCA2"),
        ("INSTRUME", lambda m: setattr(m.meta.instrument, "name", "MIRI"), "MIRI"),
    ],
)
def test_members_differ(asn, refused, what, change, found):
    name = TARGET if what == "FILTER" else PSF
    edit(asn, name, change)
    message = refused(asn)
    assert message.startswith(f"{name}: {what} is {found}, but target_00001_nrcalong_calints")
    assert message.endswith("; take one of them out of the association")


def test_spellings_of_one_mask_are_no_difference(make_exposure):
    from coronx.models.members import check_alike

    one, other = make_exposure(nints=1), make_exposure(nints=1)
    other.meta.instrument.coronagraph = "MASK335R"
    check_alike([one, other])


def blank(model):
    model.data = np.full_like(model.data, np.nan)


def flag(model):
    model.dq = model.dq | np.uint32(pixel["DO_NOT_USE"])


@pytest.mark.parametrize(("name", "change"), [(PSF, blank), (TARGET, flag)])
def test_a_member_without_a_good_pixel(asn, refused, name, change):
    edit(asn, name, change)
    message = refused(asn)
    assert message.startswith(f"{name}: no good pixel in it")
    assert message.endswith("; take it out") or "take it out" in message


def test_a_stack_of_nan_for_the_steps_alone(asn, refused):
    edit(asn, PSF, blank)
    target, stack = asn.parent / TARGET, asn.parent / PSF
    assert PSF in refused(target, stack, alias="coronx_align_refs")
    assert PSF in refused(target, stack, alias="coronx_klip")


def test_no_psfmask_for_the_mode(asn, refused):
    for path in sorted(asn.parent.glob("*.fits")):
        edit(asn, path.name, lambda m: setattr(m.meta.instrument, "filter", "F200W"))
    message = refused(asn)
    assert message.startswith("target_00001_nrcalong_calints.fits: no PSFMASK reference file")
    assert "; set CRDS_PATH or give one with --steps.align_refs.override_psfmask" in message
    message = refused(asn.parent / TARGET, asn.parent / PSF, alias="coronx_align_refs")
    assert message.endswith("give one with --override_psfmask")


def test_an_override_that_is_not_there(asn, refused):
    message = refused(asn, "--steps.align_refs.override_psfmask=absent.fits")
    assert "absent.fits" in message


@pytest.fixture
def mask_file(tmp_path):
    def write(data, start=None):
        model = PsfMaskModel(data=data.astype("f4"))
        if start is not None:
            model.meta.subarray.xstart, model.meta.subarray.ystart = start
        model.save(str(tmp_path / "data" / "mask.fits"))
        return tmp_path / "data" / "mask.fits"

    return write


@pytest.mark.parametrize("start", [None, (1, 1)])
def test_a_mask_of_a_shape_that_nothing_explains(asn, refused, mask_file, start):
    mask = mask_file(np.ones((400, 400)), start)
    message = refused(asn, f"--steps.align_refs.override_psfmask={mask}")
    assert "mask.fits: the mask's shape (400, 400) does not fit the frame (320, 320)" in message
    assert "; give a mask of that frame with override_psfmask" in message


def test_a_mask_that_blocks_everything(asn, refused, mask_file):
    mask = mask_file(np.zeros((320, 320)))
    message = refused(asn, f"--steps.align_refs.override_psfmask={mask}")
    assert "mask.fits: the mask blocks every pixel; give mask_convention" in message


def test_a_mask_that_is_no_fits_file(asn, refused, tmp_path):
    mask = tmp_path / "data" / "mask.fits"
    mask.write_text("no mask")
    message = refused(asn, f"--steps.align_refs.override_psfmask={mask}")
    assert "mask.fits" in message


def test_a_mask_of_a_larger_array_is_cut(asn, mask_file):
    from coronx import AlignRefsStep

    mode = MODES["nircam-335r"]
    center = (mode.center[0] + 40, mode.center[1] + 30)
    start = (mode.start[0] - 40, mode.start[1] - 30)
    mask = mask_file(transmission(mode, shape=(400, 420), center=center), start)
    target, stack = str(asn.parent / TARGET), str(asn.parent / PSF)
    cut = AlignRefsStep.call(target, stack, override_psfmask=str(mask))
    own = AlignRefsStep.call(target, stack)
    np.testing.assert_allclose(cut.reference_shifts["dx"], own.reference_shifts["dx"], atol=1e-4)


@pytest.mark.parametrize(
    "option",
    [
        "--steps.klip.error=none",
        "--steps.klip.strategy=sdi",
        "--steps.klip.sectors=0",
        "--steps.align_refs.median_box_length=-1",
        "--steps.align_refs.max_shift=0.5",
        "--steps.align_refs.mask_convention=opaque",
        "--steps.hlsp.annuli_width=0",
        "--star_center=1",
    ],
)
def test_a_parameter_out_of_range(asn, refused, option):
    message = refused(asn, option)
    name = option.strip("-").partition("=")[0].replace(".", "/")
    assert f"'{name}'" in message
    assert "; see strun coronx_coron3 --help" in message


@pytest.mark.parametrize(
    ("alias", "option"),
    [
        ("coronx_klip", "--sectors=0"),
        ("coronx_align_refs", "--median_box_length=-3"),
        ("coronx_hlsp", "--annuli_width=0"),
    ],
)
def test_a_parameter_out_of_range_for_the_step_alone(asn, refused, alias, option):
    files = [asn.parent / TARGET, asn.parent / PSF][: 1 if alias == "coronx_hlsp" else 2]
    assert f"see strun {alias} --help" in refused(*files, option, alias=alias)


@pytest.mark.parametrize("given", ["-1", "many", "5,-2"])
def test_numbers_of_modes_that_are_none(asn, refused, given):
    assert f"truncate = {given.replace(',', ', ')}" in refused(
        asn, f"--steps.klip.truncate={given}"
    )
    files = [asn.parent / TARGET, asn.parent / PSF]
    refused(*files, f"--truncate={given}", alias="coronx_klip")


def test_bits_that_are_no_flags(asn, refused):
    message = refused(asn, "--steps.align_refs.bad_bits=SATURATED,UNLUCKY")
    assert "bad_bits 'SATURATED,UNLUCKY': not DQ flags; give integers or names" in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pad_frames", "npix = nothing: 0 numbers of pixels"),
        ("crop_frames", "npix and size: neither is given"),
        ("remove_frames", "integrations, exposures, max_bad_fraction, max_star_offset: none"),
        ("replace_nans", "cval = nan: not a finite number"),
        ("coadd_frames", "bad_bits 'UNLUCKY': not DQ flags"),
        ("recenter_frames", "bad_bits 'UNLUCKY': not DQ flags"),
        ("fix_bad_pixels", "medfilt_size is 4; give an odd number of pixels"),
    ],
)
def test_options_of_the_chain_are_looked_at_before_it_begins(asn, refused, name, message):
    more = {
        "replace_nans": ["cval=nan"],
        "coadd_frames": ["bad_bits=UNLUCKY"],
        "recenter_frames": ["bad_bits=UNLUCKY"],
        "fix_bad_pixels": ["medfilt_size=4"],
    }.get(name, [])
    options = [f"--steps.{name}.{option}" for option in ("skip=false", *more)]
    assert message in refused(asn, *options)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("not json {", "not JSON"),
        ("\x00\x01", "not JSON"),
        ("[1, 2]", "JSON, but not an association; give an _asn.json file"),
        ("{}", "not an association (KeyError: 'products'); it needs"),
        ('{"products": []}', "not an association (IndexError"),
        ('{"asn_id": "a", "products": [{"name": "x"}]}', "not an association (KeyError"),
        ('{"asn_id": "a", "products": [{"name": "x", "members": [1]}]}', "not an association"),
        ('{"asn_id": "a", "products": [{"name": "x", "members": []}]}', "no member of exptype"),
    ],
)
def test_not_an_association(asn, refused, text, complaint):
    asn.write_text(text)
    message = refused(asn)
    assert asn.name in message
    assert complaint in message


def test_no_association_there(asn, refused):
    assert "no such file; give the association's path" in refused(asn.with_name("other_asn.json"))


@pytest.mark.parametrize("where", ["../{name}", "/etc/{name}", "", "a/../../{name}"])
def test_an_association_names_a_path_outside(asn, refused, where):
    expname = where.format(name=PSF)
    rewrite(asn, lambda table: table["products"][0]["members"][3].update(expname=expname))
    message = refused(asn)
    assert f"{asn.name}: its member {expname!r} is outside the association's folder; put" in message


def test_a_folder_below_the_association_is_inside(asn):
    (asn.parent / "psf").mkdir()
    (asn.parent / PSF).rename(asn.parent / "psf" / PSF)
    rewrite(asn, lambda table: table["products"][0]["members"][3].update(expname=f"psf/{PSF}"))
    assert read_association(asn).of("psf")[1] == asn.parent / "psf" / PSF


@pytest.mark.parametrize("alias", ["coronx_coron3", "coronx_stack_refs", "coronx_klip"])
def test_an_unwritable_folder(asn, refused, tmp_path, alias):
    (tmp_path / "file").write_text("in the way")
    files = {
        "coronx_coron3": [asn],
        "coronx_stack_refs": [asn],
        "coronx_klip": [asn.parent / TARGET, asn.parent / PSF],
    }[alias]
    message = refused(*files, "--output_dir", tmp_path / "file" / "out", alias=alias)
    assert f"{tmp_path / 'file' / 'out'}: cannot write there" in message
    assert "; give another --output_dir" in message


def test_an_unwritable_folder_of_a_sub_step(asn, refused, tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = refused(asn, f"--steps.align_refs.output_dir={tmp_path / 'file' / 'out'}")
    assert "cannot write there" in message


@pytest.mark.parametrize("alias", ["coronx_coron3", "coronx_stack_refs"])
def test_an_unwritable_current_folder(asn, refused, monkeypatch, alias):
    monkeypatch.chdir("/proc")
    assert "/proc: cannot write there" in refused(asn, alias=alias)


def test_a_home_folder_is_expanded(asn, refused, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (asn.parent / PSF).unlink()
    refused(asn, "--output_dir=~/out")
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("alias", ["coronx_align_refs", "coronx_klip", "coronx_hlsp"])
def test_a_file_that_is_not_there_for_the_step_alone(asn, refused, alias):
    count = 1 if alias == "coronx_hlsp" else 2
    message = refused(*[asn.with_name("absent_calints.fits")] * count, alias=alias)
    assert "absent_calints.fits: no such file;" in message


@pytest.mark.usefixtures("asn")
def test_hlsp_refuses_a_curve(refused, tmp_path):
    from stdatamodels.jwst.datamodels import ContrastModel

    path = tmp_path / "data" / "x_contrast.fits"
    ContrastModel(contrast_table=np.zeros(3, [("radius", "f4"), ("sigma", "f4")])).save(str(path))
    message = refused(path, alias="coronx_hlsp")
    assert "x_contrast.fits: a ContrastModel, neither image nor cube; give" in message


def test_integrations_that_differ_in_number(asn, refused, make_exposure, tmp_path):
    from coronx import AlignRefsStep

    two = make_exposure("two_00001_calints.fits", nints=2, filter_name="F335M")
    aligned = AlignRefsStep.call(two, str(asn.parent / PSF))
    aligned.save(str(tmp_path / "data" / "two_00001_psfalign.fits"))
    message = refused(
        asn.parent / TARGET, tmp_path / "data" / "two_00001_psfalign.fits", alias="coronx_klip"
    )
    assert "two_00001_psfalign.fits: aligned to 2 integrations, but" in message
    assert "has 1; align the references to it again" in message


@pytest.mark.parametrize("item", [3, None, ImageModel((4, 4))])
def test_objects_that_are_no_exposures(item):
    from coronx import Coron3Pipeline, StackRefsStep

    with pytest.raises(InputError, match="; give"):
        StackRefsStep.call([item])
    with pytest.raises(InputError, match="; give"):
        Coron3Pipeline.call(item)


def test_nothing_to_stack():
    from coronx import StackRefsStep

    with pytest.raises(InputError, match="no reference exposures to stack; give"):
        StackRefsStep.call([])


# What the user sees: through strun itself.


def see(tmp_path, *args, **environment):
    env = {k: v for k, v in os.environ.items() if k not in environment}
    env |= {k: v for k, v in environment.items() if v is not None}
    before = everything(tmp_path)
    done = subprocess.run(
        [Path(sys.executable).with_name("strun"), *args],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert "Traceback" not in output
    assert everything(tmp_path) == before
    return "".join(output.split())  # the host wraps what it prints


@pytest.mark.parametrize(
    ("spoil", "args", "environment", "message"),
    [
        (PSF, [], {}, f"its member {PSF} is missing; put it beside the file"),
        (None, [], {"CRDS_PATH": None}, "no PSFMASK reference file (no CRDS cache or server); set"),
        (None, ["--steps.klip.sectors=0"], {}, "'steps/klip/sectors': the value \"0\" is too"),
        (None, ["--output_dir=/proc/none"], {}, "/proc/none: cannot write there"),
    ],
)
def test_strun_says_it_once_and_exits_with_1(asn, tmp_path, spoil, args, environment, message):
    if spoil:
        (asn.parent / spoil).unlink()
    output = see(tmp_path, "coronx_coron3", asn, *args, **environment)
    assert output.count("".join(message.split())) == 1, output
