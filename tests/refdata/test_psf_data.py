import logging
import subprocess
import sys
import warnings

import pytest

from coronx.errors import InputError
from coronx.refdata import psf_data
from coronx.refdata.modes import MODES
from coronx.refdata.psf_data import find_data, stpsf_with

ROUND, BAR = MODES["nircam-335r"], MODES["nircam-lwb"]


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("STPSF_PATH", raising=False)
    monkeypatch.delenv("WEBBPSF_PATH", raising=False)


@pytest.fixture
def copy(stpsf_data, tmp_path):
    """A copy by links, of which files can be left out."""
    for path in stpsf_data.rglob("*"):
        at = tmp_path / "data" / path.relative_to(stpsf_data)
        at.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            at.symlink_to(path)
    return tmp_path / "data"


def test_either_variable_and_the_option(stpsf_data, copy, monkeypatch):
    with pytest.raises(InputError, match="neither STPSF_PATH nor WEBBPSF_PATH"):
        find_data(ROUND, "F335M")
    monkeypatch.setenv("WEBBPSF_PATH", str(stpsf_data))
    assert find_data(ROUND, "F335M") == stpsf_data
    monkeypatch.setenv("STPSF_PATH", str(copy))
    assert find_data(ROUND, "F335M") == copy
    assert find_data(ROUND, "F335M", stpsf_data) == stpsf_data


def test_every_mode_is_served_by_the_stand_in(stpsf_data):
    for mode in MODES.values():
        for filter_name in mode.filters:
            assert find_data(mode, filter_name, stpsf_data, with_opd=True) == stpsf_data


@pytest.mark.parametrize(
    "name",
    [
        "version.txt",
        "jwst_pupil_RevW_npix1024.fits.gz",
        "JWpupil_segments_RevW_npix1024.fits.gz",
        "NIRCam/filters.tsv",
        "NIRCam/filters/F335M_throughput.fits",
        "NIRCam/optics/NIRCam_Lyot_Somb.fits.gz",
        "NIRCam/IPC/KERNEL_IPC_CUBE.fits",
        "NIRCam/IPC/KERNEL_PPC_CUBE.fits",
        "si_zernikes_coron_wfe.fits",
    ],
)
def test_a_missing_file_is_named(copy, monkeypatch, name):
    (copy / name).unlink()
    monkeypatch.setenv("STPSF_PATH", str(copy))
    stem = name.removesuffix(".gz").replace(".", r"\.")
    with pytest.raises(InputError, match="STPSF_PATH.*has no " + stem):
        find_data(ROUND, "F335M")


def test_only_what_a_mode_needs(copy):
    (copy / "NIRCam/optics/NIRCam_Lyot_Somb.fits.gz").unlink()
    (copy / "NIRCam/OPD/field_dep_table_nircam.fits").unlink()
    find_data(BAR, "F335M", copy)
    find_data(MODES["miri-1550"], "F1550C", copy)
    with pytest.raises(InputError, match="field_dep_table_nircam"):
        find_data(BAR, "F335M", copy, with_opd=True)
    with pytest.raises(InputError, match="Somb"):
        find_data(ROUND, "F335M", copy)


@pytest.mark.parametrize("version", ["1.5.0", "2.0.9", "", "new"])
def test_old_data(copy, version):
    (copy / "version.txt").unlink()
    (copy / "version.txt").write_text(version + "\n")
    with pytest.raises(InputError, match=r"stpsf needs 2\.1\.0 or later"):
        find_data(ROUND, "F335M", copy)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_data(ROUND, "F335M", tmp_path / "gone")


def test_stpsf_not_installed(stpsf_data, monkeypatch):
    monkeypatch.setattr(psf_data.importlib.util, "find_spec", lambda _name: None)
    with (
        pytest.raises(InputError, match=r"pip install 'coronx\[psf\]'"),
        stpsf_with(stpsf_data),
    ):
        pass


def test_the_model_is_imported_without_stpsf():
    code = (
        "import sys, coronx.refdata.psf_model, coronx.refdata.psf_file;"
        "print(sorted({'stpsf', 'poppy', 'pysiaf', 'webbpsf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stpsf_is_quiet_and_leaves_everything_as_it_was(stpsf_data):
    log = logging.getLogger("stpsf")
    level, filters = log.level, list(warnings.filters)
    with stpsf_with(stpsf_data) as stpsf:
        assert log.level == logging.ERROR
        assert str(stpsf_data) == stpsf.conf.STPSF_PATH
    assert log.level == level
    assert list(warnings.filters) == filters
    assert stpsf.conf.STPSF_PATH == "from_environment_variable"
