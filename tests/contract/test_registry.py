"""What holds for every step and pipeline of the registry."""

import importlib
import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import asdf
import numpy as np
import pytest
from astropy.io import fits
from configobj import ConfigObj
from jwst import datamodels
from jwst.datamodels import ModelContainer
from jwst.stpipe import Pipeline, Step
from stdatamodels.jwst.datamodels import ContrastModel
from stpipe import config_parser

import coronx
from coronx.models.psfalign import PsfAlignModel
from coronx.pipelines._chain import CHAIN
from coronx.registry import REGISTRY, SUFFIXES, get_steps
from tests.steps.psf_image import ring, write_model

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "cfg").glob("*.asdf"))
STEPS = [entry for entry in REGISTRY if not entry.is_pipeline]

# What each step is given: the products of the pipeline that it reads.
READS = {
    "coronx_stack_refs": [[f"psfstar_{n:05d}_nrcalong_a3001_recenter" for n in (1, 2, 3)]],
    "coronx_align_refs": ["target_00002_nrcalong_a3001_recenter", "target_f356w_psfstack"],
    "coronx_klip": [
        "target_00002_nrcalong_a3001_recenter",
        "target_00002_nrcalong_a3001_psfalign",
    ],
    "coronx_hlsp": ["target_f356w_i2d"],
}
SUBTRACTED = [
    [f"target_{n:05d}_nrcalong_a3001_{suffix}" for n in (1, 2)] for suffix in ("psfsub", "psfalign")
]
READS |= {f"coronx_{name}": SUBTRACTED for name in ("detect", "contrast", "extract")}
# What the pipeline does not do.
ASIDE = {"coronx_inject", "coronx_forward"}
READS["coronx_inject"] = [[f"target_{n:05d}_nrcalong_calints" for n in (1, 2)]]
READS["coronx_forward"] = [names[:1] for names in SUBTRACTED]
# What each writes, given an input of that name.
WRITES = {
    "coronx_stack_refs": {"target_f356w_psfstack": "psfstack"},
    "coronx_align_refs": {"target_00002_nrcalong_a3001_psfalign": "psfalign"},
    "coronx_klip": {
        "target_00002_nrcalong_a3001_psfsub": "psfsub",
        "target_00002_nrcalong_a3001_psfmodel": "psfmodel",
    },
    "coronx_hlsp": {"target_f356w_snr": "snr", "target_f356w_contrast": "contrast"},
    "coronx_detect": {"target_f356w_detect": "detect"},
    "coronx_contrast": {"target_f356w_limits": "limits"},
    "coronx_extract": {"target_f356w_extract": "extract"},
    "coronx_inject": {f"target_{n:05d}_nrcalong_injected": "injected" for n in (1, 2)},
    "coronx_forward": {},
}
STATUS = {
    "coronx_stack_refs": "S_PSFSTK",
    "coronx_align_refs": "S_PSFALI",
    "coronx_klip": "S_KLIP",
    "coronx_inject": "S_CXINJ",
}
OPTIONS = {
    "coronx_klip": {"save_psf": True},
    # Where the default would do nothing, or takes long.
    "coronx_remove_frames": {"integrations": ["target_00001*:3"]},
    "coronx_fix_bad_pixels": {"repair": ["localmed"]},
    "coronx_update_nircam_centers": {"any_crpix": True},
    "coronx_coadd_frames": {"ncoadd": 2},
    "coronx_blur_frames": {"sigma": "0.8"},
    "coronx_recenter_frames": {"method": "mask", "measure_only": False},
    "coronx_align_frames": {"recenter": True},
    "coronx_crop_frames": {"npix": ["12"]},
    "coronx_pad_frames": {"npix": ["7", "3", "0", "5"]},
}

# The steps that change exposures read those that the one before them in the chain has saved.
STEMS = ["target_00001", "target_00002", "psfstar_00001", "psfstar_00002"]
SKIES = ["sky_00001", "psfsky_00001"]
BY_NAME = {entry.name: entry for entry in REGISTRY}


def _fill_in():
    suffix = "_nrcalong_calints"
    for name in CHAIN:
        if name == "outlier_detection":
            suffix = "_nrcalong_a3001_crfints"
            continue
        entry = BY_NAME[name]
        stems = STEMS
        if list(CHAIN).index(name) <= list(CHAIN).index("subtract_background"):
            stems = [*STEMS, *SKIES]
        made = suffix.rsplit("_", 1)[0] + f"_{entry.suffixes[0]}"
        READS[entry.alias] = [[stem + suffix for stem in stems]]
        left = STEMS if name == "subtract_background" else stems
        WRITES[entry.alias] = {stem + made: entry.suffixes[0] for stem in left}
        STATUS[entry.alias] = entry.status
        suffix = made


_fill_in()

every_entry = pytest.mark.parametrize("entry", REGISTRY, ids=[e.alias for e in REGISTRY])
every_step = pytest.mark.parametrize("entry", STEPS, ids=[e.alias for e in STEPS])


def class_of(entry):
    return getattr(coronx, entry.cls)


def open_one(path):
    with fits.open(path) as hdulist:
        deep = "SCI" in hdulist and hdulist["SCI"].header["NAXIS"] == 4
    return PsfAlignModel.open(path) if deep else datamodels.open(str(path))


def history_of(path):
    """Return a product's history as one text without blanks: FITS breaks its lines anywhere."""
    with datamodels.open(str(path)) as model:
        text = "".join(entry["description"] for entry in model._asdf.get_history_entries())
    return text.replace(" ", "")


def frozen(model):
    """Return all that is in a model, for comparison later."""
    tree = model.to_flat_dict(include_arrays=False)
    arrays = {
        name: np.array(values)
        for name in ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat", "planes")
        if (values := getattr(model, name, None)) is not None
    }
    return tree, arrays


def assert_same(before, after):
    assert before[0] == after[0]
    assert before[1].keys() == after[1].keys()
    for name, values in before[1].items():
        if values.dtype.names:
            assert values.tobytes() == after[1][name].tobytes()
        else:
            np.testing.assert_array_equal(values, after[1][name], err_msg=name)


@pytest.fixture(scope="module")
def chain_run(tmp_path_factory, make_association, make_exposure, strun):
    """Run the pipeline with every step of the chain on, and everything saved."""
    folder = tmp_path_factory.mktemp("chain")
    asn = make_association(folder, nints=3)
    table = json.loads(asn.read_text())
    members = table["products"][0]["members"]
    members[:] = [member for member in members if member["expname"].startswith(tuple(STEMS))]
    for stem in SKIES:
        kind = "psf_background" if stem.startswith("psf") else "background"
        sky = make_exposure(
            f"{stem}_nrcalong_calints.fits",
            seed=50 + len(stem), nints=2, brightness=1e-6, is_psf=stem.startswith("psf"),
            filter_name="F335M",
        )  # fmt: skip
        sky.meta.observation.bkgdtarg = True
        sky.save(str(folder / sky.meta.filename))
        members.append({"expname": sky.meta.filename, "exptype": kind})
    asn.write_text(json.dumps(table))
    out = folder / "out"
    options = []
    for name in CHAIN:
        if name == "outlier_detection":
            continue
        wanted = {"skip": False, "save_results": True, **OPTIONS.get(f"coronx_{name}", {})}
        for option, value in wanted.items():
            text = ",".join(value) if isinstance(value, list) else str(value)
            options.append(f"--steps.{name}.{option}={text}")
    done = strun("coronx_coron3", asn, "--output_dir", out, "--steps.klip.truncate=5", *options)
    assert done.returncode == 0, done.stderr
    return Chain(asn, out, done.stdout + done.stderr)


class Chain(NamedTuple):
    """As `coron3_run`, the exposures it began with included."""

    asn: Path
    folder: Path
    output: str

    def __getitem__(self, name):
        path = self.folder / f"{name}.fits"
        return path if path.exists() else self.asn.parent / path.name


@pytest.fixture(scope="module")
def run_of(coron3_run, chain_run):
    """Return the run of the pipeline that a step's input is from."""
    return lambda entry: chain_run if entry.status else coron3_run


@pytest.fixture(scope="module")
def options_of(coron3_run, psf_file, tmp_path_factory):
    """Return a function that gives a step's options, those that the pipeline told it included."""
    detected = coron3_run["target_f356w_detect"]
    table = fits.getdata(detected, "CANDIDATES")
    told = {"psf_file": str(psf_file), "star_jy": 1.5}
    measuring = {
        "coronx_detect": {"star_sigma": 2.0},
        "coronx_contrast": {
            "companions": [f"{row['separation']:.3f}:{row['pa']:.2f}" for row in table]
        },
        "coronx_extract": {"candidates": str(detected), "star_sigma": 2.0},
        "coronx_inject": {"companions": ["1.4:100:1e-6"]},
        "coronx_forward": {
            "model": write_model(tmp_path_factory.mktemp("model") / "disk.fits", 1e-4 * ring()),
            "subtract": True,
        },
    }

    def options(entry):
        if entry.alias in measuring:
            return told | measuring[entry.alias]
        return OPTIONS.get(entry.alias, {})

    return options


@pytest.fixture(scope="module")
def alone(run_of, options_of, tmp_path_factory):
    """Return a function that runs a step on the pipeline's products, and keeps what it did."""
    done = {}

    def run(entry):
        if entry.alias in done:
            return done[entry.alias]
        folder = tmp_path_factory.mktemp(entry.alias)
        args = [
            [open_one(run_of(entry)[n]) for n in name]
            if isinstance(name, list)
            else open_one(run_of(entry)[name])
            for name in READS[entry.alias]
        ]
        models = [m for arg in args for m in (arg if isinstance(arg, list) else [arg])]
        before = [frozen(model) for model in models]
        result = class_of(entry).call(
            *args, save_results=True, output_dir=str(folder), **options_of(entry)
        )
        after = [frozen(model) for model in models]
        done[entry.alias] = SimpleNamespace(
            folder=folder, before=before, after=after, inputs=models, result=result
        )
        return done[entry.alias]

    return run


@every_entry
def test_importable_and_described_truly(entry):
    cls = class_of(entry)
    assert cls is getattr(importlib.import_module(entry.module), entry.cls)
    assert cls.__name__ in coronx.__all__
    assert cls.__name__ in dir(coronx)
    assert cls.class_alias == entry.alias
    assert issubclass(cls, Step)
    assert issubclass(cls, Pipeline) == entry.is_pipeline
    assert cls().suffix in entry.suffixes
    assert inspect.getdoc(cls)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="NoStep"):
        _ = coronx.NoStep


def test_aliases_are_unique_and_ours():
    aliases = [entry.alias for entry in REGISTRY]
    assert len(set(aliases)) == len(aliases)
    assert all(alias.startswith("coronx_") for alias in aliases)
    assert len(set(SUFFIXES)) == len(SUFFIXES)


def test_every_step_of_the_package_is_registered():
    for folder in ("steps", "pipelines"):
        for path in sorted((ROOT / "coronx" / folder).rglob("[a-z]*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            module = importlib.import_module(name)
            assert [entry.module for entry in REGISTRY].count(name) == 1, (name, module)


def test_stpipe_lists_them(strun):
    done = strun("list", "coronx*", script="stpipe")
    assert done.returncode == 0, done.stderr
    listed = set(done.stdout.split("\n")) - {""}
    assert listed == {f"{dotted} ({alias})" for dotted, alias, _ in get_steps()}


@every_entry
def test_every_option_has_a_comment_and_a_default_that_works(entry):
    cls = class_of(entry)
    own = ConfigObj(cls.spec.splitlines(), list_values=False, interpolation=False)
    assert own.scalars
    for name in own.scalars:
        assert own.inline_comments[name], name
        assert "default" in own[name], name
    config = config_parser.config_from_dict({}, cls.load_spec_file())
    step = cls()
    for name in own.scalars:
        np.testing.assert_equal(getattr(step, name), config[name])


@every_entry
def test_parameter_references_are_our_own(entry):
    assert class_of(entry).get_config_reftype() == f"pars-coronx-{entry.cls.lower()}"


@every_entry
def test_loggers(entry):
    assert {"coronx", "jwst", "stpipe"} <= set(class_of(entry).get_stpipe_loggers())


@every_entry
@pytest.mark.parametrize("old", [*SUFFIXES, "calints", "crfints"])
def test_suffix_is_replaced_and_names_do_not_grow(entry, old):
    step = class_of(entry)()
    for suffix in entry.suffixes:
        path = step.make_output_path(basepath=f"x_{old}.fits", suffix=suffix)
        assert Path(path).name == f"x_{suffix}.fits"


@every_entry
def test_it_has_a_page_in_the_docs(entry):
    folder = "pipelines" if entry.is_pipeline else "steps"
    page = ROOT / "docs" / folder / f"{entry.alias.removeprefix('coronx_')}.md"
    assert page.is_file()
    text = page.read_text()
    own = ConfigObj(class_of(entry).spec.splitlines(), list_values=False, interpolation=False)
    assert [name for name in own.scalars if name != "suffix" and name not in text] == []


def test_there_are_parameter_files():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_parameter_file_is_valid(path):
    step = Step.from_config_file(str(path))
    assert type(step).__name__ in {entry.cls for entry in REGISTRY}
    with asdf.open(path) as file:
        parameters = file["parameters"]
    for name, value in parameters.items():
        if name != "steps":
            assert getattr(step, name) == value


@every_step
def test_inputs_are_left_alone(alone, entry):
    done = alone(entry)
    for before, after in zip(done.before, done.after, strict=True):
        assert_same(before, after)
    several = isinstance(done.result, list | ModelContainer)
    results = done.result if several else [done.result]
    for result in results:
        for model in done.inputs:
            assert result is not model
            if getattr(result, "data", None) is not None and result.data.ndim <= 3:
                assert not np.may_share_memory(result.data, model.data)


def test_pipeline_leaves_open_members_alone(coron3_run):
    container = ModelContainer()
    for member in json.loads(coron3_run.asn.read_text())["products"][0]["members"]:
        model = datamodels.open(str(coron3_run.asn.parent / member["expname"]))
        model.meta.asn.exptype = member["exptype"]
        container.append(model)
    before = [frozen(model) for model in container]
    result = coronx.Coron3Pipeline.call(container, save_results=False)
    for model, then in zip(container, before, strict=True):
        assert_same(then, frozen(model))
    with datamodels.open(str(coron3_run["target_f356w_i2d"])) as saved:
        np.testing.assert_array_equal(result.data, saved.data)


# What is asked for a second time is done a second time: another margin, another block.
REPEATED = {"pad_frames", "crop_frames", "coadd_frames", "remove_frames", "inject"}


@pytest.mark.parametrize(
    "entry", [e for e in STEPS if e.status and e.name not in REPEATED], ids=lambda e: e.alias
)
def test_twice_is_once(alone, entry):
    once = alone(entry).result[:3]
    again = class_of(entry).call(list(once), **OPTIONS.get(entry.alias, {}))
    for before, after in zip(once, again, strict=True):
        assert after is not before
        for name in ("data", "err", "dq"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert after.meta.wcsinfo.crpix1 == before.meta.wcsinfo.crpix1
        np.testing.assert_array_equal(after.meta.wcs(9, 9), before.meta.wcs(9, 9))


@pytest.mark.parametrize("entry", [e for e in STEPS if e.alias not in ASIDE], ids=lambda e: e.alias)
def test_alone_it_makes_what_it_makes_in_the_pipeline(alone, run_of, entry):
    done = alone(entry)
    for name, suffix in WRITES[entry.alias].items():
        paths = [done.folder / f"{name}.fits"] if entry.status else []
        (path,) = paths or done.folder.glob(f"*_{suffix}.fits")
        with fits.open(path) as ours, fits.open(run_of(entry)[name]) as theirs:
            arrays = [hdu.name for hdu in theirs if hdu.data is not None and hdu.name != "ASDF"]
            assert arrays == [h.name for h in ours if h.data is not None and h.name != "ASDF"]
            for hdu in arrays:
                mine, other = ours[hdu].data, theirs[hdu].data
                if mine.dtype.names:
                    for column in set(mine.dtype.names) - {"exposure"}:
                        np.testing.assert_array_equal(mine[column], other[column], err_msg=hdu)
                else:
                    np.testing.assert_array_equal(mine, other, err_msg=hdu)


@every_step
def test_products_are_named_after_the_input(alone, entry):
    done = alone(entry)
    written = {path.name for path in done.folder.glob("*.fits")}
    if entry.status:
        assert written == {f"{name}.fits" for name in WRITES[entry.alias]}
        return
    stem = str(READS[entry.alias][0] if isinstance(READS[entry.alias][0], str) else "")
    stem = (stem or READS[entry.alias][0][0]).rsplit("_", 1)[0]
    assert written == {f"{stem}_{suffix}.fits" for suffix in entry.suffixes}


@every_step
def test_status_version_and_parameters_are_recorded(alone, entry):
    done = alone(entry)
    for path in done.folder.glob("*.fits"):
        header = fits.getheader(path)
        assert header["CRXVER"] == coronx.__version__
        assert header["CAL_VER"]
        if entry.alias in STATUS:
            assert header[STATUS[entry.alias]] == "COMPLETE"
    path = min(done.folder.glob(f"*_{class_of(entry)().suffix}.fits"))
    history = history_of(path)
    assert f"{entry.alias}(coronx{coronx.__version__})" in history
    own = ConfigObj(class_of(entry).spec.splitlines(), list_values=False, interpolation=False)
    assert [name for name in own.scalars if f"'{name}'" not in history] == []


def test_pipeline_records_itself_and_its_steps(coron3_run):
    with fits.open(coron3_run["target_f356w_i2d"]) as hdulist:
        header = hdulist[0].header
    assert header["CRXVER"] == coronx.__version__
    assert header["ASNTABLE"] == coron3_run.asn.name
    assert header["R_PSFMAS"].startswith("crds://")
    steps = (STATUS[f"coronx_{name}"] for name in ("stack_refs", "align_refs", "klip"))
    for keyword in (*steps, "S_OUTLIR", "S_RESAMP"):
        assert header[keyword] == "COMPLETE", keyword
    history = history_of(coron3_run["target_f356w_i2d"])
    assert f"coronx_coron3(coronx{coronx.__version__})" in history
    for option in ("'bad_bits'", "'truncate':[50]", "'save_psf':True", "'annuli_width'"):
        assert option in history


def test_products_open_as_the_hosts_models(coron3_run):
    kinds = {
        "target_f356w_psfstack": "CubeModel",
        "target_00001_nrcalong_a3001_psfalign": "QuadModel",
        "target_00001_nrcalong_a3001_psfsub": "CubeModel",
        "target_f356w_i2d": "ImageModel",
        "target_f356w_snr": "ImageModel",
        "target_f356w_contrast": "ContrastModel",
        "target_f356w_detect": "ImageModel",
        "target_f356w_limits": "ContrastModel",
    }
    for name, kind in kinds.items():
        with datamodels.open(str(coron3_run[name])) as model:
            assert type(model).__name__ == kind
    with ContrastModel(str(coron3_run["target_f356w_contrast"])) as model:
        assert len(model.contrast_table) > 50


def test_no_error_line_and_no_warning_line(coron3_run):
    assert " - ERROR - " not in coron3_run.output
    assert " - CRITICAL - " not in coron3_run.output
    assert "Traceback" not in coron3_run.output
    ours = [line for line in coron3_run.output.splitlines() if " - WARNING - " in line]
    assert [line for line in ours if " coronx." in line] == []


OFFLINE = """
import os, socket, sys
def refuse(*args, **options):
    raise OSError("no network here")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from stpipe._cli.strun import main
from coronx import AlignRefsStep
target, stack, mask, asn, out = sys.argv[1:]
aligned = AlignRefsStep.call(target, stack, override_psfmask=mask)
assert aligned.meta.cal_step.align_psfs == "COMPLETE"
sys.argv = ["strun", "coronx_coron3", asn, "--output_dir", out,
            "--steps.align_refs.override_psfmask", mask]
main()
"""


def test_without_crds_and_network_an_override_is_enough(coron3_run, crds_cache, strun, tmp_path):
    (mask,) = (crds_cache / "references" / "jwst" / "nircam").glob("*psfmask_0003.fits")
    target, stack = (coron3_run[name] for name in READS["coronx_align_refs"])
    done = strun(
        "-c", OFFLINE, target, stack, mask, coron3_run.asn, tmp_path / "out",
        script=Path(sys.executable).name, CRDS_PATH=None, HOME=tmp_path,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "Traceback" not in output
    assert output.count("No CRDS cache or server") == 1
    with fits.open(tmp_path / "out" / "target_f356w_i2d.fits") as hdulist:
        assert hdulist[0].header["S_KLIP"] == "COMPLETE"
        np.testing.assert_allclose(
            hdulist["SCI"].data, fits.getdata(coron3_run["target_f356w_i2d"]), rtol=1e-5
        )
