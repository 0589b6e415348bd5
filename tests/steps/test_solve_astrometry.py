import os
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from coronx import SolveAstrometryStep
from coronx.errors import InputError
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import wcs_of
from coronx.refdata import plate_solvers
from coronx.refdata.plate_solvers import Solution

SIZE = 1024


def truth(center, width, angle):
    """Return the WCS of a field so many arcminutes wide."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = center, [SIZE / 2 + 0.5, SIZE / 2 + 0.5]
    c, s = width / 60 / SIZE * np.cos(angle), width / 60 / SIZE * np.sin(angle)
    wcs.wcs.cd = [[-c, s], [s, c]]
    return wcs


def frame(x, y, flux):
    model = GroundImageModel(data=np.zeros((SIZE, SIZE), "f4"))
    model.meta.filename = "light_stars.fits"
    table = np.zeros(len(x), model.get_dtype("stars"))
    table["x"], table["y"], table["flux"] = x, y, flux
    table["ra"] = table["dec"] = np.nan
    model.stars = table
    return model


def apart(a, b, x, y):
    return (
        SkyCoord(*a.all_pix2world(x, y, 1), unit="deg")
        .separation(SkyCoord(*b.all_pix2world(x, y, 1), unit="deg"))
        .arcsec
    )


@pytest.fixture(scope="module")
def index():
    """The folder of the index files made of Tycho-2."""
    pytest.importorskip("astrometry", reason="the package astrometry is not installed")
    folder = Path(os.environ.get("CORONX_ASTROMETRY_INDEX", "/usr/share/astrometry"))
    if not list(folder.glob("index-tycho2-0*.fits")):
        pytest.skip(f"no index-tycho2 files in {folder}: install astrometry-data-tycho2")
    return folder


@pytest.fixture(scope="module")
def catalogue(index):
    """RA, Dec and magnitude of the stars of the finest index there is: its tree of places."""
    with fits.open(sorted(index.glob("index-tycho2-*.fits"))[0]) as file:
        tables = {hdu.columns.names[0]: hdu.data for hdu in file[1:]}
        least = np.frombuffer(tables["kdtree_range_stars"].tobytes(), "<f8")
        whole = np.frombuffer(tables["kdtree_data_stars"].tobytes(), "<u4").reshape(-1, 3)
        magnitude = np.asarray(tables["MAG_VT"]["MAG_VT"], float)
    x, y, z = (least[:3] + whole / least[6]).T
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arcsin(z)), magnitude


@pytest.mark.parametrize("width", [60, 90, 180])
def test_synthetic_fields_of_a_real_catalogue(index, catalogue, width):
    ra, dec, magnitude = catalogue
    rng = np.random.default_rng(width)
    for _ in range(4):
        center = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-0.9, 0.9)))
        wcs = truth(center, width, rng.uniform(0, 6.28))
        near = np.abs(dec - center[1]) < width / 60
        x, y = wcs.all_world2pix(ra[near], dec[near], 1, quiet=True)
        facing = np.cos(np.radians(ra[near] - center[0])) > 0
        inside = (x > 1) & (y > 1) & (x < SIZE) & (y < SIZE) & facing
        x, y = x[inside], y[inside]
        model = frame(
            x + rng.normal(0, 0.2, x.size), y + rng.normal(0, 0.2, x.size),
            10 ** (-0.4 * magnitude[near][inside]),
        )  # fmt: skip
        model.meta.ground.ra, model.meta.ground.dec = center[0] + 0.3, center[1] - 0.3
        found = SolveAstrometryStep.call(
            model, solver="package", index=str(index), pixel_scale=60 * width / SIZE * 1.1
        )
        solved = wcs_of(found)
        assert apart(solved, wcs, SIZE / 2 + 0.5, SIZE / 2 + 0.5) < 0.5
        assert found.meta.ground.position_error == pytest.approx(0.2 * 60 * width / SIZE, rel=0.4)
        stars = SkyCoord(found.stars["ra"], found.stars["dec"], unit="deg")
        true = SkyCoord(ra[near][inside], dec[near][inside], unit="deg")
        assert stars.separation(true).arcsec.max() < 8 * 0.2 * 60 * width / SIZE


def test_a_field_elsewhere_is_not_found(index):
    rng = np.random.default_rng(1)
    model = frame(*rng.uniform(1, SIZE, (2, 40)), rng.uniform(size=40))
    with pytest.raises(
        InputError, match=r"light_stars.fits: package finds .* not within 1 degrees"
    ):
        SolveAstrometryStep.call(
            model, solver="package", index=str(index), ra=10.0, dec=20.0, radius=1.0,
            pixel_scale=3.5, scale_factor=1.05,
        )  # fmt: skip


@pytest.fixture
def solver(monkeypatch):
    """A program that knows the answer, nearly, and a record of what it is asked."""
    wcs, asked = truth((200.0, 30.0), 100, 0.3), []
    rng = np.random.default_rng(2)
    ra, dec = wcs.all_pix2world(*rng.uniform(1, SIZE, (2, 60)), 1)
    rough = wcs.deepcopy()
    rough.wcs.crpix += [1.5, -1.0]
    answers = {"now": Solution(rough, ra, dec)}

    def solve(field, folder, timeout):
        asked.append((field, folder, timeout))
        return answers["now"]

    monkeypatch.setattr(plate_solvers, "SOLVERS", {"package": (lambda _: "", solve)})
    return wcs, ra, dec, asked, answers


def test_wcs_and_places_are_written(solver, tmp_path):
    wcs, ra, dec, asked, _ = solver
    model = frame(*wcs.all_world2pix(ra, dec, 1), np.arange(60.0))
    before = model.stars.copy()
    found = SolveAstrometryStep.call(
        model, index=str(tmp_path), max_stars=10, timeout=9.0, output_dir=str(tmp_path),
        save_results=True,
    )  # fmt: skip
    assert apart(wcs_of(found), wcs, 300.0, 700.0) < 1e-3
    np.testing.assert_allclose(found.stars["ra"], ra, atol=1e-6)
    np.testing.assert_allclose(found.stars["dec"], dec, atol=1e-6)
    assert model.stars.tobytes() == before.tobytes()
    assert wcs_of(model) is None
    assert found.meta.ground_steps.solve_astrometry == "COMPLETE"
    field, folder, timeout = asked[0]
    assert (len(field.x), folder, timeout) == (10, str(tmp_path), 9.0)
    np.testing.assert_allclose(field.x, before["x"][::-1][:10])  # the brightest, the first first
    with fits.open(tmp_path / "light_wcs.fits") as file:
        again = WCS(file["SCI"].header)
        assert apart(again, wcs, 300.0, 700.0) < 1e-3
    twice = SolveAstrometryStep.call(found)
    assert len(asked) == 1
    assert apart(wcs_of(twice), wcs, 300.0, 700.0) < 1e-3


def test_hints(solver):
    wcs, ra, dec, asked, _ = solver
    model = frame(*wcs.all_world2pix(ra, dec, 1), np.arange(60.0))
    SolveAstrometryStep.call(model)
    assert (asked[-1][0].center, asked[-1][0].scale) == (None, None)
    model.meta.ground.ra, model.meta.ground.dec = 200.0, 30.0
    model.instance["extra_fits"] = {
        "PRIMARY": {"header": [["XPIXSZ", 9.0, ""], ["FOCALLEN", 1000.0, ""]]}
    }
    SolveAstrometryStep.call(model, scale_factor=2.0, radius=1.5)
    assert asked[-1][0].center == (200.0, 30.0)
    assert asked[-1][0].radius == 1.5
    assert asked[-1][0].scale == pytest.approx((1.8564 / 2, 1.8564 * 2), rel=1e-4)
    SolveAstrometryStep.call(model, ra=10.0, dec=-5.0, pixel_scale=3.0)
    assert asked[-1][0].center == (10.0, -5.0)
    assert asked[-1][0].scale == pytest.approx((3.0 / 1.3, 3.0 * 1.3))
    SolveAstrometryStep.call(model, blind=True)
    assert asked[-1][0].center is None


def test_max_order(solver):
    wcs, ra, dec, _, _ = solver
    x, y = wcs.all_world2pix(ra, dec, 1)
    x = x + 1e-5 * (x - 512) ** 2
    model = frame(x, y, np.arange(60.0))
    assert wcs_of(SolveAstrometryStep.call(model, max_order=2)).sip is not None
    assert wcs_of(SolveAstrometryStep.call(model, max_order=1)).sip is None


def test_a_program_that_tells_no_stars(solver):
    wcs, ra, dec, _, answers = solver
    answers["now"] = Solution(wcs)
    found = SolveAstrometryStep.call(frame(*wcs.all_world2pix(ra, dec, 1), np.arange(60.0)))
    assert apart(wcs_of(found), wcs, 300.0, 700.0) < 1e-3
    assert found.meta.ground.position_error is None


def test_refusals(solver):
    wcs, ra, dec, _, answers = solver
    bare = GroundImageModel(data=np.zeros((9, 9), "f4"))
    bare.meta.filename = "bare.fits"
    with pytest.raises(InputError, match=r"bare.fits: no table of stars; run coronx_find_stars"):
        SolveAstrometryStep.call(bare)
    with pytest.raises(InputError, match="3 stars; at least 4"):
        SolveAstrometryStep.call(frame([1.0, 2, 3], [1.0, 2, 3], [1.0, 1, 1]))
    answers["now"] = None
    with pytest.raises(
        InputError, match=r"light_stars.fits: .* anywhere in the sky with any pixel"
    ):
        SolveAstrometryStep.call(frame(*wcs.all_world2pix(ra, dec, 1), np.arange(60.0)))
    with pytest.raises(InputError, match="only one of them"):
        SolveAstrometryStep.call(bare, ra=3.0)
    with pytest.raises(InputError, match="dec = 99"):
        SolveAstrometryStep.call(bare, ra=3.0, dec=99.0)
    with pytest.raises(InputError, match="pixel_scale = -1"):
        SolveAstrometryStep.call(bare, pixel_scale=-1.0)


def test_without_any_program(monkeypatch, tmp_path):
    monkeypatch.setattr(plate_solvers, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"1\. 'package'.* 2\. 'solve-field'.* 3\. 'web'"):
        SolveAstrometryStep.call(frame([1.0], [1.0], [1.0]))
