import json
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from astropy.io import fits
from jwst import datamodels

from coronx.models.psfalign import PsfAlignModel
from coronx.pipelines._chain import CHAIN
from tests.contract.coron_products import OPTIONS, READS, SKIES, STEMS
from tests.contract.model_state import frozen
from tests.contract.registry_rows import class_of
from tests.steps.psf_image import ring, write_model


class Chain(NamedTuple):
    """As `coron3_run`, the exposures it began with included."""

    asn: Path
    folder: Path
    output: str

    def __getitem__(self, name):
        path = self.folder / f"{name}.fits"
        return path if path.exists() else self.asn.parent / path.name


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


def open_one(path):
    with fits.open(path) as hdulist:
        deep = "SCI" in hdulist and hdulist["SCI"].header["NAXIS"] == 4
    return PsfAlignModel.open(path) if deep else datamodels.open(str(path))


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
