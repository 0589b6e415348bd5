import filecmp
import json
import os
import subprocess
import sys
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst.datamodels import PsfMaskModel

from coronx.refdata.mask_center import find_hole
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import transmission
from coronx.simulate import crds_cache
from coronx.simulate.crds_cache import build_crds_cache

SESSION = Path(__file__).with_name("offline_session.py")


@pytest.fixture(scope="module")
def parameters(tmp_path_factory):
    path = tmp_path_factory.mktemp("parameters") / "klip.asdf"
    tree = {"class": "coronx.KlipStep", "name": "klip", "parameters": {"truncate": 7}}
    asdf.AsdfFile(tree).write_to(path)
    return {"pars-coronx-klipstep": path}


@pytest.fixture(scope="module")
def cache(tmp_path_factory, parameters):
    return build_crds_cache(tmp_path_factory.mktemp("crds") / "deep" / "cache", parameters)


@pytest.fixture(scope="module")
def session(cache, tmp_path_factory):
    """Return what a process with nothing but CRDS_PATH set got out of the cache."""
    output = tmp_path_factory.mktemp("session") / "answer.json"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CRDS")}
    done = subprocess.run(
        [sys.executable, SESSION, output],
        env=environment | {"CRDS_PATH": str(cache)},
        cwd=output.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text())


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_every_filter_and_spelling_of_a_mode_gets_its_mask(session, cache, mode):
    (path,) = session["modes"][mode.name]["psfmask"]
    assert Path(path).parent == cache / "references" / "jwst" / mode.instrument.lower()
    with PsfMaskModel(path) as model:
        assert model.data.dtype.newbyteorder("=") == np.float32
        np.testing.assert_allclose(model.data, transmission(mode), atol=1e-7)
        np.testing.assert_allclose(find_hole(model.data, mode), mode.center, atol=0.01)
        assert model.meta.instrument.name == mode.instrument
        assert model.meta.instrument.detector == mode.detector
        assert model.meta.instrument.coronagraph == mode.coronmsk
        assert model.meta.instrument.filter in mode.filters
        assert model.meta.subarray.name == mode.subarray
        assert (model.meta.subarray.xstart, model.meta.subarray.ystart) == mode.start
        assert (model.meta.subarray.ysize, model.meta.subarray.xsize) == mode.shape
        assert model.meta.reftype == "PSFMASK"
        assert model.meta.model_type == "PsfMaskModel"


def test_axes_are_those_of_the_reference_files(cache):
    folder = cache / "references" / "jwst"
    axes = {}
    for path in sorted(folder.rglob("*.fits")):
        header = fits.getheader(path)
        axes[header["DETECTOR"]] = (header["FASTAXIS"], header["SLOWAXIS"])
    assert axes == {"NRCA2": (1, -2), "NRCA4": (1, -2), "NRCALONG": (-1, 2), "MIRIMAGE": (1, 2)}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_parameter_files_serve_both_instruments(session, mode):
    (path,) = session["modes"][mode.name]["pars-coronx-klipstep"]
    assert path.endswith(f"jwst_{mode.instrument.lower()}_pars-coronx-klipstep_0001.asdf")
    assert session["modes"][mode.name]["pars-resamplestep"] == ["NOT FOUND n/a"]


def test_a_step_reads_its_parameters(session):
    assert session["parameters"]["truncate"] == 7


def test_stock_steps_run(session):
    assert set(session["stock"]) == {"miri-1065", "nircam-335r"}
    for result in session["stock"].values():
        assert result["align_psfs"] == "COMPLETE"
        assert result["psfmask"].startswith("crds://jwst_")
        assert result["outlier_detection"] == "COMPLETE"
        assert result["resample"] == "COMPLETE"
        assert result["context"] == "jwst_0001.pmap"


def test_no_error_is_logged_and_no_network_asked(session):
    assert session["errors"] == []
    assert session["reached"] == []
    assert any("Unknown reference type" in line for line in session["control"][1:])


def test_same_bytes_twice(cache, parameters, tmp_path):
    again = build_crds_cache(tmp_path / "again", parameters)
    names = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    # Those of the other that CRDS itself adds (locks) do not count.
    assert len(names) == 9 + 2 + 7 + 2
    for name in names:
        assert filecmp.cmp(again / name, cache / name, shallow=False), name


def test_a_cache_is_rebuilt_and_nothing_is_left_beside_it(tmp_path):
    folder = build_crds_cache(tmp_path / "cache")
    (folder / "references" / "stale").touch()
    assert build_crds_cache(folder) == folder
    assert not (folder / "references" / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "cache").mkdir()
    assert (build_crds_cache(tmp_path / "cache") / "mappings" / "jwst" / "jwst_0001.pmap").exists()


@pytest.mark.parametrize("config", [None, "{'observatory': 'jwst'}", "not a literal"])
def test_what_coronx_did_not_build_is_left_alone(tmp_path, config):
    folder = tmp_path / "precious"
    (folder / "config" / "jwst").mkdir(parents=True)
    if config is not None:
        (folder / "config" / "jwst" / "server_config").write_text(config)
    with pytest.raises(FileExistsError, match="left alone"):
        build_crds_cache(folder)
    assert folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="left alone"):
        build_crds_cache(tmp_path / "file")


def test_a_failed_build_leaves_the_old_cache(tmp_path, monkeypatch):
    folder = build_crds_cache(tmp_path / "cache")

    def fail(*_args):
        raise OSError("disk full")

    monkeypatch.setattr(crds_cache, "_write_psfmask", fail)
    with pytest.raises(OSError, match="disk full"):
        build_crds_cache(folder)
    assert len(list(folder.rglob("*.fits"))) == len(MODES)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_bad_parameters_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="klipstep"):
        build_crds_cache(tmp_path / "cache", {"klipstep": SESSION})
    with pytest.raises(FileNotFoundError, match="pars-x"):
        build_crds_cache(tmp_path / "cache", {"pars-x": tmp_path / "absent.asdf"})
    assert not (tmp_path / "cache").exists()
