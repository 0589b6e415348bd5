import stat
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from coronx.errors import InputError
from coronx.refdata import plate_solvers
from coronx.refdata.plate_solvers import (
    SOLVERS,
    StarField,
    choose_solver,
    index_files,
    solve_field,
)

WAYS = ("coronx[astrometry]", "solve-field", "coronx[astroquery]", "astrometry-data-tycho2")


def header():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [10, 20], [50, 50], [-1e-3, 1e-3]
    return wcs.to_header()


@pytest.fixture
def field():
    x = np.arange(1.0, 9.0)
    return StarField(x, x[::-1] ** 2, (90, 100), (370.0, 20.0), 3.0, (3.0, 4.0))


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """A machine without any of the three."""
    monkeypatch.setattr(plate_solvers, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("nothing")
def test_without_any_the_three_ways_are_named():
    with pytest.raises(InputError) as told:
        choose_solver("any")
    for way in WAYS:
        assert way in str(told.value)
    for name in SOLVERS:
        with pytest.raises(InputError, match=f"solver = {name}: ") as told:
            choose_solver(name)
        assert all(way in str(told.value) for way in WAYS)


def test_the_package_needs_index_files(monkeypatch, tmp_path):
    monkeypatch.setattr(plate_solvers, "find_spec", lambda name: name == "astrometry" or None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="package: no index files"):
        choose_solver("any", tmp_path)
    (tmp_path / "index-1.fits").touch()
    assert choose_solver("any", tmp_path) == "package"
    monkeypatch.setenv("CORONX_ASTROMETRY_INDEX", str(tmp_path))
    assert index_files() == [tmp_path / "index-1.fits"]
    assert choose_solver("package") == "package"


def program(folder, text):
    """Put a solve-field on PATH that runs Python."""
    path = folder / "solve-field"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_solve_field_is_asked_and_answers(monkeypatch, tmp_path, field):
    monkeypatch.setenv("PATH", str(tmp_path))
    index = tmp_path / "index"
    index.mkdir()
    (index / "index-1.fits").touch()
    header().totextfile(tmp_path / "answer.txt")
    program(
        tmp_path,
        "import json, pathlib, shutil, sys\n"
        "given = pathlib.Path(sys.argv[-1])\n"
        f"keep = pathlib.Path({str(tmp_path)!r})\n"
        "config = pathlib.Path(sys.argv[sys.argv.index('--config') + 1]).read_text()\n"
        "(keep / 'asked.json').write_text(json.dumps([sys.argv[1:], config]))\n"
        "shutil.copy(given, keep / 'given.fits')\n"
        "from astropy.io import fits\n"
        "from astropy.table import Table\n"
        "header = fits.Header.fromtextfile(keep / 'answer.txt')\n"
        "fits.PrimaryHDU(header=header).writeto(given.with_suffix('.wcs'))\n"
        "table = Table({'index_ra': [10.0], 'index_dec': [20.0]})\n"
        "table.write(given.with_suffix('.corr'), format='fits')\n",
    )
    assert choose_solver("solve-field") == "solve-field"
    found = solve_field(field, "solve-field", folder=index, timeout=60)
    assert found.wcs.wcs.crval.tolist() == [10, 20]
    assert (found.ra.tolist(), found.dec.tolist()) == ([10.0], [20.0])
    asked = (tmp_path / "asked.json").read_text()
    for part in ("--scale-low", "3.0", "--ra", "--radius", "--width", f"add_path {index}"):
        assert part in asked
    given = Table.read(tmp_path / "given.fits")
    np.testing.assert_array_equal(given["X"], field.x)
    assert (np.diff(given["FLUX"]) < 0).all()


def test_solve_field_finds_nothing_or_fails(monkeypatch, tmp_path, field):
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "")
    assert solve_field(field, "solve-field", folder=tmp_path, timeout=60) is None
    program(tmp_path, "import sys; sys.exit('out of order')")
    with pytest.raises(InputError, match="out of order"):
        solve_field(field, "solve-field", folder=tmp_path, timeout=60)


def test_the_service_is_asked_and_answers(monkeypatch, field):
    net = pytest.importorskip("astroquery.astrometry_net")
    monkeypatch.setattr(net.conf, "api_key", "")
    with pytest.raises(InputError, match="web: astroquery has no api_key"):
        choose_solver("web")
    monkeypatch.setattr(net.conf, "api_key", "secret")
    assert choose_solver("web") == "web"
    asked = {}

    class Service:
        def solve_from_source_list(self, x, y, width, height, **settings):
            asked.update(settings, x=x, y=y, size=(width, height))
            return answer

    monkeypatch.setattr(net, "AstrometryNet", Service)
    answer = header()
    found = solve_field(field, "web", timeout=7.0)
    assert found.wcs.wcs.crpix.tolist() == [50, 50]
    assert found.ra is None
    assert asked["size"] == (100, 90)
    assert (asked["center_ra"], asked["radius"], asked["scale_upper"]) == (10.0, 3.0, 4.0)
    assert asked["solve_timeout"] == 7.0
    answer = fits.Header()
    assert solve_field(field, "web") is None

    def broken(*_, **__):
        raise RuntimeError("not today")

    monkeypatch.setattr(Service, "solve_from_source_list", broken)
    with pytest.raises(InputError, match=r"astrometry\.net: not today; try again"):
        solve_field(field, "web")


def test_settings_of_the_service_are_its_own(field):
    net = pytest.importorskip("astroquery.astrometry_net")
    from astroquery.astrometry_net.core import AstrometryNetClass

    service = AstrometryNetClass()
    del net
    service._validate_settings(
        {"tweak_order": 2, "publicly_visible": "n", "scale_units": "arcsecperpix",
         "scale_type": "ul", "scale_lower": 1.0, "scale_upper": 2.0, "center_ra": 1.0,
         "center_dec": 2.0, "radius": field.radius}
    )  # fmt: skip
