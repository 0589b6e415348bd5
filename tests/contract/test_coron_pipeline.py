"""What a run of the coronagraphic pipeline leaves behind, and what it does without a network."""

import json
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from jwst import datamodels
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import ContrastModel

import coronx
from tests.contract.coron_products import READS, STATUS
from tests.contract.model_state import assert_same, frozen
from tests.contract.product_history import history_of


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
