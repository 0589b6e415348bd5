import fcntl
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

# The arrays are small: threads of the linear algebra would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from astropy.io import fits

# CRDS keeps what it once read: the environment is set before anything imports it.
if "PYTEST_XDIST_WORKER" in os.environ:
    # Below the folder of the process that started the workers, which removes it.
    _CRDS = Path(os.environ["CRDS_PATH"]).parent / os.environ["PYTEST_XDIST_WORKER"]
else:
    _CRDS = Path(tempfile.mkdtemp(prefix="coronx-crds-"))
for _name in ("CRDS_SERVER_URL", "CRDS_CONTEXT", "CRDS_MODE"):
    os.environ.pop(_name, None)
os.environ["CRDS_PATH"] = str(_CRDS / "cache")

import tests.miri_exposures  # noqa: E402
import tests.speckle_images  # noqa: E402
import tests.speckled_exposures  # noqa: E402
from coronx.simulate.crds_cache import build_crds_cache  # noqa: E402
from tests.kept_schemas import check_schemas  # noqa: E402
from tests.quicker_host import make_host_quicker  # noqa: E402
from tests.script_client import ScriptServer, plain_environment  # noqa: E402

make_host_quicker()


def pytest_unconfigure(config):
    del config
    shutil.rmtree(_CRDS, ignore_errors=True)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of real frames, or skip."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CORONX_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set CORONX_DATA to the folder that has them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def crds_cache() -> Path:
    """Build the offline CRDS cache that CRDS_PATH names in every test."""
    return build_crds_cache(Path(os.environ["CRDS_PATH"]))


@pytest.fixture(scope="session", autouse=True)
def schemas():
    """Check, when all is done, that no test has changed the schemas that all share."""
    yield
    check_schemas()


@pytest.fixture(scope="session")
def stpsf_data(tmp_path_factory) -> Path:
    """Return a folder of stand-in data for stpsf."""
    # poppy is not imported by those who need none.
    from coronx.simulate.stpsf_data import build_stpsf_data

    return build_stpsf_data(tmp_path_factory.mktemp("stpsf"))


@pytest.fixture
def no_optics(monkeypatch):
    """Hide stpsf's data, wherever the environment says that it is."""
    for name in ("STPSF_PATH", "WEBBPSF_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def strun(tmp_path_factory):
    """Return a function that runs strun, or another script, in a process of its own.

    strun is forked of a process that has imported what it needs (tests/script_server.py) and has
    the host's repetitions spared as here, but where the environment is changed: then all is as a
    user has it.
    """
    server = ScriptServer(tmp_path_factory.mktemp("strun"))

    def run(*args, script="strun", **environment):
        command = [str(Path(sys.executable).with_name(script)), *(str(a) for a in args)]
        if script == "strun" and not environment:
            return server.run(command)
        env = plain_environment()
        for name, value in environment.items():
            env.pop(name, None) if value is None else env.update({name: str(value)})
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    yield run
    server.close()


@pytest.fixture(scope="session")
def make_exposure():
    """Return a function that makes exposures like NIRCam's MASKA335R."""
    return tests.speckled_exposures.speckled_exposure


@pytest.fixture(scope="session")
def make_association():
    """Return a function that writes 2 science (two rolls) and 3 psf exposures and their ASN."""
    return tests.speckled_exposures.write_speckled


@pytest.fixture(scope="session")
def make_miri():
    """Return a function that makes exposures of MIRI's 4QPM_1140."""
    return tests.miri_exposures.miri_exposure


@pytest.fixture(scope="session")
def speckles():
    """Return a maker of coronagraphic stars: speckles of peak 1, sampled after an exact shift."""
    return tests.speckle_images.speckles


@pytest.fixture(scope="session")
def hole():
    """Return a maker of weights with a smooth hole in the middle, as a PSFMASK has."""
    return tests.speckle_images.hole


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Return a function that has something made in a folder once, for all workers of a run.

    What is returned of it must pickle; the files are for reading alone.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def made(name, make):
        folder, kept = base / f"once-{name}", base / f"once-{name}.pickle"
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
            if not kept.exists():
                folder.mkdir()
                kept.write_bytes(pickle.dumps(make(folder)))
            return pickle.loads(kept.read_bytes())

    return made


@dataclass(frozen=True)
class Run:
    """One run of the pipeline: association, folder of products, what was printed."""

    asn: Path
    folder: Path
    output: str

    def __getitem__(self, name: str) -> Path:
        return self.folder / f"{name}.fits"


@pytest.fixture(scope="session")
def psf_file(tmp_path_factory) -> Path:
    """Return a FITS file with the PSF of `make_exposure`'s companions."""
    y, x = np.indices((25, 25)) - 12
    path = tmp_path_factory.mktemp("psf") / "psf.fits"
    fits.PrimaryHDU(np.exp(-0.5 * (x**2 + y**2) / 1.2**2)).writeto(path)
    return path


@pytest.fixture(scope="session")
def coron3_run(once, make_association, psf_file, strun) -> Run:
    """Run the pipeline once, by strun, for all tests that look at its products."""

    def run(folder):
        asn = make_association(folder)
        out = folder / "out"
        done = strun(
            "coronx_coron3", asn, "--output_dir", out,
            "--steps.klip.save_psf=true", "--steps.recenter_frames.save_results=true",
            "--steps.recenter_frames.method=mask",  # speckles of noise have no symmetry
            "--psf_file", psf_file, "--star_jy=1.5",
            "--steps.detect.star_sigma=2", "--steps.extract.star_sigma=2",
            *(f"--steps.{name}.psf_fraction=1" for name in ("detect", "contrast", "extract")),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return asn, out, done.stdout + done.stderr

    return Run(*once("coron3", run))
