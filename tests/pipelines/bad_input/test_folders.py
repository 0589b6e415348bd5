"""Folders that cannot be written."""

from pathlib import Path

import pytest

from tests.pipelines.bad_input.altered_members import PSF, TARGET

# The host leaves a file that it fails to read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


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
