import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

# The arrays are small: threads of the linear algebra would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from astropy.io import fits
from numpy.fft import fft2, fftfreq, ifft2

# CRDS keeps what it once read: the environment is set before anything imports it.
if "PYTEST_XDIST_WORKER" in os.environ:
    # Below the folder of the process that started the workers, which removes it.
    _CRDS = Path(os.environ["CRDS_PATH"]).parent / os.environ["PYTEST_XDIST_WORKER"]
else:
    _CRDS = Path(tempfile.mkdtemp(prefix="coronx-crds-"))
for _name in ("CRDS_SERVER_URL", "CRDS_CONTEXT", "CRDS_MODE"):
    os.environ.pop(_name, None)
os.environ["CRDS_PATH"] = str(_CRDS / "cache")

import asdf  # noqa: E402
from astropy import coordinates, units  # noqa: E402
from astropy.modeling import models  # noqa: E402
from gwcs import WCS, coordinate_frames  # noqa: E402
from jwst.assign_wcs.util import update_s_region_imaging  # noqa: E402
from stdatamodels.jwst.datamodels import CubeModel  # noqa: E402
from stdatamodels.jwst.datamodels.dqflags import pixel  # noqa: E402

from coronx.refdata.modes import MODES  # noqa: E402
from coronx.simulate.astrometry import point_at  # noqa: E402
from coronx.simulate.calints import Visit, calints_model  # noqa: E402
from coronx.simulate.crds_cache import build_crds_cache  # noqa: E402
from coronx.simulate.detector import bad_pixels, expose  # noqa: E402
from coronx.simulate.scene import SCENES  # noqa: E402
from coronx.simulate.stpsf_data import build_stpsf_data  # noqa: E402

# asdf parses a schema anew for each value that is checked: a fifth of what the tests take.
_load_schema = cache(asdf.schema._make_schema_loader())
asdf.schema._make_schema_loader = lambda: _load_schema

MODE = MODES["nircam-335r"]
STAR = (311.2897, -31.3411)  # where the star is on the sky, degrees
SCALE = 0.063  # arcsec a pixel


def pytest_collection_finish(session):
    del session
    # Every run of a step collects garbage; what is imported need not be searched each time.
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session")
def stpsf_data(tmp_path_factory) -> Path:
    """Return a folder of stand-in data for stpsf."""
    return build_stpsf_data(tmp_path_factory.mktemp("stpsf"))


@pytest.fixture(scope="session")
def strun():
    """Return a function that runs strun, or another script, in a process of its own."""

    def run(*args, script="strun", **environment):
        env = {k: v for k, v in os.environ.items() if k != "COVERAGE_PROCESS_START"}
        for name, value in environment.items():
            env.pop(name, None) if value is None else env.update({name: str(value)})
        command = [str(Path(sys.executable).with_name(script)), *(str(a) for a in args)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return run


def _speckles(seed, width=0.12):
    """Return a field of speckles of unit mean, with no power beyond twice `width` cycles/pixel."""
    ny, nx = MODE.shape
    rng = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.fftfreq(nx))
    spectrum = rng.normal(size=(ny, nx)) + 1j * rng.normal(size=(ny, nx))
    field = np.abs(np.fft.ifft2(spectrum * (radius < width))) ** 2
    return field / field.mean()


def _moved(image, dx, dy):
    ramp = np.exp(
        -2j
        * np.pi
        * (np.fft.fftfreq(image.shape[0])[:, None] * dy + np.fft.fftfreq(image.shape[1]) * dx)
    )
    return np.fft.ifft2(np.fft.fft2(image) * ramp).real


def _star(seed):
    """Return a star at the mask's centre: all alike, but for a thirtieth of its own."""
    y, x = np.indices(MODE.shape)
    radius = np.hypot(x - MODE.center[0], y - MODE.center[1])
    halo = 400.0 * np.exp(-0.5 * (radius / 9.0) ** 2) + 60.0 * np.exp(-0.5 * (radius / 32.0) ** 2)
    return halo * (_speckles(1) + 0.03 * _speckles(100 + seed))


def sky_wcs(star, roll, sky):
    """Return a tangential WCS that puts a sky position on a pixel, north turned by the roll."""
    tangent = (
        (models.Shift(-star[0]) & models.Shift(-star[1]))
        | models.Rotation2D(roll)
        | (models.Scale(-SCALE / 3600.0) & models.Scale(SCALE / 3600.0))
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(*sky, 180.0)
    )
    detector = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    world = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    wcs = WCS([(detector, tangent), (world, None)])
    ny, nx = MODE.shape
    wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    return wcs


def _describe(model, name, star, roll, sky, is_psf, filter_name):
    meta = model.meta
    meta.filename = name
    meta.telescope = "JWST"
    meta.target.catalog_name = "REFERENCE" if is_psf else "TARGET"
    meta.instrument.name, meta.instrument.detector = MODE.instrument, MODE.detector
    meta.instrument.filter, meta.instrument.pupil = filter_name, MODE.pupil
    meta.instrument.coronagraph, meta.instrument.channel = MODE.coronmsk, "LONG"
    meta.subarray.name = MODE.subarray
    meta.subarray.xstart, meta.subarray.ystart = MODE.start
    meta.subarray.ysize, meta.subarray.xsize = MODE.shape
    meta.exposure.type, meta.exposure.nints = MODE.exp_type, model.shape[0]
    meta.exposure.psf_reference = is_psf
    for key in ("exposure_time", "effective_exposure_time", "measurement_time", "duration"):
        setattr(meta.exposure, key, 100.0)
    meta.exposure.start_time, meta.exposure.end_time = 59789.0, 59789.1
    meta.observation.date, meta.observation.time = "2022-07-29", "10:00:00.0"
    meta.bunit_data = meta.bunit_err = "MJy/sr"
    meta.photometry.pixelarea_arcsecsq = SCALE**2
    meta.photometry.pixelarea_steradians = (SCALE * units.arcsec.to("rad")) ** 2
    info = meta.wcsinfo
    info.wcsaxes, info.ctype1, info.ctype2 = 2, "RA---TAN", "DEC--TAN"
    info.cunit1 = info.cunit2 = "deg"
    info.crpix1, info.crpix2 = star[0] + 1.0, star[1] + 1.0
    info.crval1, info.crval2 = info.ra_ref, info.dec_ref = sky
    info.cdelt1, info.cdelt2 = -SCALE / 3600.0, SCALE / 3600.0
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    info.pc1_1, info.pc1_2, info.pc2_1, info.pc2_2 = cos, -sin, sin, cos
    info.v3yangle, info.vparity, info.roll_ref = 0.0, -1, roll
    meta.wcs = sky_wcs(star, roll, sky)
    if filter_name == "F335M":
        # As in flight, the reference pixel is the mask's centre wherever the star is.
        info.crpix1, info.crpix2 = np.add(MODE.center, 1.0).tolist()
        info.crval1, info.crval2 = (float(v) for v in meta.wcs(*MODE.center))
    update_s_region_imaging(model)


@pytest.fixture(scope="session")
def make_exposure():
    """Return a function that makes exposures like NIRCam's MASKA335R.

    A star of band-limited speckles stands off the mask's centre by `dither` (x, y), and by
    `jitter` more from the second integration on. North is turned by `roll`; `companion` is a
    flux and the true (east, north) offset from the star in arcsec; the WCS is wrong by
    `wcs_error` (east, north) arcsec. CRPIX is the star's place, but in F335M, the filter of target
    acquisition, the mask's centre.
    """
    stars = {}

    def make(
        name="star_00001_nrcalong_calints.fits",
        *,
        seed=0,
        nints=2,
        dither=(0.0, 0.0),
        jitter=(0.0, 0.0),
        roll=0.0,
        companion=None,
        wcs_error=(0.0, 0.0),
        is_psf=False,
        brightness=1.0,
        noise=1.0,
        blemishes=True,
        filter_name="F356W",
    ):
        if seed not in stars:
            stars[seed] = _star(seed)
        rng = np.random.default_rng(1000 + seed)
        shape = (nints, *MODE.shape)
        image = np.empty(shape)
        for n in range(nints):
            offset = np.add(dither, np.multiply(jitter, n))
            image[n] = _moved(brightness * stars[seed], *offset)
            if companion is not None:
                flux, east, north = companion
                place = np.add(MODE.center, offset)
                ra = STAR[0] + east / 3600.0 / np.cos(np.radians(STAR[1]))
                x, y = sky_wcs(place, roll, STAR).invert(
                    ra, STAR[1] + north / 3600.0, with_bounding_box=False
                )
                rows, cols = np.indices(MODE.shape)
                image[n] += flux * np.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / 1.2**2)
        poisson = noise**2 * 0.01 * np.clip(image, 0.0, None)
        read = np.full(shape, noise**2)
        image += rng.normal(size=shape) * np.sqrt(poisson + read)
        model = CubeModel(data=image.astype("f4"))
        model.err = np.sqrt(poisson + read).astype("f4")
        model.var_poisson, model.var_rnoise = poisson.astype("f4"), read.astype("f4")
        model.var_flat = np.zeros(shape, "f4")
        model.dq = np.zeros(shape, "u4")
        if blemishes:
            at = rng.integers(8, 312, (2, 20))
            model.data[:, *at] = 1e4
            model.dq[:, *at] = pixel["DO_NOT_USE"]
            model.data[0, 100, 90] = np.nan  # with DQ = 0, as real frames have
            model.data[:, :, :2] = np.nan
            model.err[:, :, :2] = np.nan
            model.dq[:, :, :2] = pixel["DO_NOT_USE"]
        star = tuple(np.add(MODE.center, dither))
        east, north = np.divide(wcs_error, 3600.0)
        sky = (STAR[0] + east / np.cos(np.radians(STAR[1])), STAR[1] + north)
        _describe(model, name, star, roll, sky, is_psf, filter_name)
        return model

    return make


DITHERS = ((0.6, -0.4), (-0.3, 0.8), (1.1, 0.2))


@pytest.fixture(scope="session")
def make_association(make_exposure):
    """Return a function that writes 2 science (two rolls) and 3 psf exposures and their ASN.

    Keywords are those of `make_exposure`, for the science exposures.
    """

    def make(folder, *, nints=2, asn_id="a3001", product="target_f356w", **options):
        members = []
        for n, roll in enumerate((30.0, 40.0), start=1):
            model = make_exposure(
                f"target_{n:05d}_nrcalong_calints.fits",
                seed=n,
                nints=nints,
                roll=roll,
                dither=(0.0, 0.0) if n == 1 else (-0.25, 0.35),
                jitter=(0.05, -0.03),
                wcs_error=(0.0, 0.0) if n == 1 else (0.07, 0.057),
                companion=options.get("companion", (60.0, 1.6, -1.2)),
                filter_name="F335M",
            )
            model.save(str(folder / model.meta.filename))
            members.append({"expname": model.meta.filename, "exptype": "science"})
        for n, dither in enumerate(DITHERS, start=1):
            model = make_exposure(
                f"psfstar_{n:05d}_nrcalong_calints.fits",
                seed=10 + n,
                nints=nints,
                dither=dither,
                is_psf=True,
                brightness=2.0,
                filter_name="F335M",
            )
            model.save(str(folder / model.meta.filename))
            members.append({"expname": model.meta.filename, "exptype": "psf"})
        table = {
            "asn_type": "coron3",
            "asn_rule": "DMS_Level3_Base",
            "asn_id": asn_id,
            "asn_pool": "none",
            "program": "noprogram",
            "products": [{"name": product, "members": members}],
        }
        path = folder / f"{product}_asn.json"
        path.write_text(json.dumps(table, indent=2))
        return path

    return make


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
def coron3_run(tmp_path_factory, make_association, psf_file, strun) -> Run:
    """Run the pipeline once, by strun, for all tests that look at its products."""
    folder = tmp_path_factory.mktemp("coron3")
    asn = make_association(folder)
    out = folder / "out"
    done = strun(
        "coronx_coron3", asn, "--output_dir", out,
        "--steps.klip.save_psf=true", "--steps.recenter_frames.save_results=true",
        "--steps.recenter_frames.method=mask",  # speckles of noise have no symmetry
        "--psf_file", psf_file, "--star_jy=1.5",
        "--steps.detect.star_sigma=2", "--steps.extract.star_sigma=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Run(asn, out, done.stdout + done.stderr)


@cache
def _wide_scene(size: int, seed: int) -> np.ndarray:
    """Return the spectrum of speckles under an envelope, on a grid wider than the frame."""
    rng = np.random.default_rng(seed)
    freq = np.hypot(*np.meshgrid(fftfreq(size), fftfreq(size)))
    inside = freq < 0.18  # of the field; its square, the intensity, reaches twice as far
    field = ifft2(
        np.where(inside, rng.normal(size=freq.shape) + 1j * rng.normal(size=freq.shape), 0)
    )
    y, x = np.indices((size, size)) - size // 2
    envelope = np.exp(-(x**2 + y**2) / (2.0 * (size / 16) ** 2))
    image = np.abs(field) ** 2 * envelope
    return fft2(image / image.max())


@pytest.fixture(scope="session")
def speckles() -> Callable[..., np.ndarray]:
    """Return a maker of coronagraphic stars: speckles of peak 1, sampled after an exact shift.

    The frame is cut from one twice as wide, so that nothing wraps around its edges.
    """

    def make(size: int = 64, shift: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> np.ndarray:
        wide = 2 * size
        ramp = np.exp(-2j * np.pi * fftfreq(wide) * shift[0])[None, :]
        ramp = ramp * np.exp(-2j * np.pi * fftfreq(wide) * shift[1])[:, None]
        image = ifft2(_wide_scene(wide, seed) * ramp).real
        low = wide // 2 - size // 2
        return image[low : low + size, low : low + size]

    return make


@pytest.fixture(scope="session")
def hole() -> Callable[[int], np.ndarray]:
    """Return a maker of weights with a smooth hole in the middle, as a PSFMASK has."""

    def make(size: int = 64, radius: float = 5.0) -> np.ndarray:
        y, x = np.indices((size, size)) - size // 2
        return np.clip(np.hypot(x, y) - radius, 0.0, 1.0)

    return make


@pytest.fixture(scope="session")
def make_miri():
    """Return a function that makes exposures of MIRI's 4QPM_1140, with times and all metadata."""
    scene = replace(SCENES["miri-4qpm"], bad_pixel_fraction=0.002)
    mode = scene.coronagraph
    bad = bad_pixels(scene, rng=np.random.default_rng(5))
    y, x = np.indices(mode.shape)

    @cache
    def made(number, nints, is_psf, roll):
        light = 800.0 * np.exp(
            -0.5 * ((x - mode.center[0]) ** 2 + (y - mode.center[1]) ** 2) / 4.0**2
        )
        own = replace(scene, integrations=nints)
        readout = expose(
            np.broadcast_to(light, (nints, *mode.shape)),
            own,
            bad,
            rng=np.random.default_rng(number),
        )
        visit = Visit(number, 1, "A STAR", STAR, is_psf)
        pointing = point_at(mode, roll, STAR, np.array(mode.center))
        return calints_model(own, visit, pointing, readout)

    def make(number=1, *, nints=3, is_psf=False, roll=0.0):
        return made(number, nints, is_psf, roll).copy()

    return make
