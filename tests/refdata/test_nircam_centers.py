import importlib.util
import json
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from coronx.refdata.modes import MODES
from coronx.refdata.nircam_centers import nircam_centers

DOCS = Path(__file__).parents[2] / "docs"
TABLE = nircam_centers()
# What the measurement moved, in pixels, in the mask's own channel of module A.
STEP = {"210R": (0.8, 0.6), "335R": (0.1, 0.4), "430R": (0.5, 0.0)}
SHORT = ("F182M", "F187N", "F200W", "F210M", "F212N")


def of_kind(kind):
    return [name for name, center in TABLE.centers.items() if center.kind == kind]


def filters_of(aperture):
    long = aperture[4] == "5"
    return [name for name in TABLE.filter_shifts if (name not in SHORT) == long]


def siaf_of(folder):
    """Return the reference positions of a release, read without importing pysiaf."""
    (path,) = folder.rglob("NIRCam_SIAF.xml")
    rows = ElementTree.parse(path).iter("SiafEntry")
    names = ("AperName", "XSciRef", "YSciRef")
    found = [[row.findtext(name) for name in names] for row in rows]
    return {name: (float(x), float(y)) for name, x, y in found if x}


def test_every_figure_has_a_source():
    rows = [*TABLE.centers.values(), *TABLE.filter_shifts.values()]
    assert {row.source for row in rows} <= set(TABLE.sources)
    assert "siaf" in TABLE.sources
    assert all(len(text) > 40 for text in TABLE.sources.values())
    assert len({(row.source, row.kind) for row in TABLE.centers.values()}) == 3


@pytest.mark.realdata
def test_figures_are_the_published_ones(realdata):
    folder = realdata / "nircam_centers"
    centers = json.loads((folder / "crpix_jarron.json").read_text())
    assert {name: [c.x, c.y] for name, c in TABLE.centers.items()} == centers
    shifts = json.loads((folder / "filter_shifts_jarron.json").read_text())
    assert {name: [s.dx, s.dy] for name, s in TABLE.filter_shifts.items()} == shifts


def test_reference_positions_are_those_of_pysiaf():
    spec = importlib.util.find_spec("pysiaf")
    folder = Path(spec.origin).parent / "prd_data" / "JWST"
    releases = {int(p.name[-3:]): p for p in folder.glob("PRDOPSSOC-[0-9][0-9][0-9]")}
    changes = {row[0] for rows in TABLE.siaf.values() for row in rows}
    # Where a figure changes, the release before, and the newest.
    before = {max(r for r in releases if r < change) for change in changes}
    for release in sorted({*changes, *before, TABLE.newest} & releases.keys()):
        if release < 51:
            continue
        siaf = siaf_of(releases[release])
        for name, rows in TABLE.siaf.items():
            assert (name in siaf) == (rows[0][0] <= release), (name, release)
            if name in siaf:
                assert TABLE.siaf_reference(name, release) == pytest.approx(siaf[name], abs=1e-9)
    known = {name for name in siaf if "MASK" in name and "TA" not in name}
    assert known == TABLE.siaf.keys()


@pytest.mark.parametrize("name", [n for n, m in MODES.items() if m.instrument == "NIRCAM"])
def test_newest_reference_is_that_of_the_modes(name):
    mode = MODES[name]
    assert np.subtract(TABLE.siaf_reference(mode.aperture), 1.0) == pytest.approx(mode.center)
    assert set(mode.filters) - set(TABLE.filter_shifts) <= {"F277W"}


def test_a_release_gets_what_held_in_it():
    assert TABLE.siaf_reference("NRCA5_MASK335R", 58) == (150.1, 174.2)
    assert TABLE.siaf_reference("NRCA5_MASK335R", 64) == (150.1, 174.2)
    assert TABLE.siaf_reference("NRCA5_MASK335R", 65) == (150.2, 174.6)
    assert TABLE.siaf_reference("NRCA5_MASK335R", 999) == (150.2, 174.6)
    assert TABLE.siaf_reference("NRCA2_MASK335R", 51) == (160.03, 160.8)  # its first


def test_siaf_took_the_measured_centres_over():
    assert len(of_kind("measured")) == 6
    for name in of_kind("measured"):
        center = TABLE.centers[name]
        assert TABLE.siaf_reference(name, 65) == (center.x, center.y)
        assert TABLE.siaf_reference(name, 64) != (center.x, center.y)


def test_full_frame_is_the_subarray_at_its_corner():
    for mode in MODES.values():
        full = mode.aperture.replace("_MASK", "_FULL_MASK")
        if full in TABLE.centers:
            here, there = TABLE.centers[mode.aperture], TABLE.centers[full]
            corner = there.x - here.x + 1, there.y - here.y + 1
            assert corner == pytest.approx(mode.start, abs=1e-9)


def test_what_is_called_carried_and_copied_is():
    for name in of_kind("measured"):
        step = np.subtract((TABLE.centers[name].x, TABLE.centers[name].y),
                           TABLE.siaf_reference(name, 59))  # fmt: skip
        assert step == pytest.approx(STEP[name[-4:]], abs=1e-9)
    for name in of_kind("carried"):
        center, siaf = TABLE.centers[name], TABLE.siaf_reference(name, 59)
        assert (center.x - siaf[0], center.y - siaf[1]) == pytest.approx(STEP[name[-4:]], abs=1e-9)
    (copied,) = of_kind("copied")
    original = TABLE.centers["NRCA5_MASK430R"]
    assert (TABLE.centers[copied].x, TABLE.centers[copied].y) == (original.x, original.y)


def test_of_the_other_channel_the_table_is_up_to_3_4_pixels_off_siaf():
    center, siaf = TABLE.center("NRCA2_MASK335R", "table"), TABLE.siaf_reference("NRCA2_MASK335R")
    assert center.y - siaf[1] == pytest.approx(3.36)


@pytest.mark.parametrize(
    ("aperture", "source", "kind", "place"),
    [
        ("NRCA5_MASK335R", "measured", "measured", (150.2, 174.6)),
        ("NRCA2_MASK335R", "measured", "siaf", (159.94, 157.84)),
        ("NRCA2_MASK335R", "table", "carried", (160.13, 161.2)),
        ("NRCB5_MASK335R", "table", "carried", (160.1, 161.4)),
        ("NRCB5_MASK335R", "measured", "siaf", (160.0, 161.0)),
        ("NRCA5_MASKLWB", "table", "copied", (151.3, 175.2)),
        ("NRCA5_MASKLWB", "measured", "siaf", (151.7, 176.9)),
        ("NRCA4_MASKSWB", "table", "siaf", (319.2, 335.5)),
        ("NRCA5_MASK335R", "siaf", "siaf", (150.2, 174.6)),
    ],
)
def test_whose_centre_is_taken(aperture, source, kind, place):
    center = TABLE.center(aperture, source)
    assert center.kind == kind
    assert (center.x, center.y) == place


@pytest.mark.parametrize(
    ("aperture", "filter_name", "release", "crpix", "expected"),
    [
        ("NRCA5_MASK335R", "F335M", 58, (150.1, 174.2), (0.1, 0.4)),
        ("NRCA5_MASK335R", "F335M", 73, (150.2, 174.6), (0.0, 0.0)),  # SIAF has it by now
        ("NRCA5_MASK335R", "F335M", None, (150.2, 174.6), (0.0, 0.0)),
        ("NRCA5_MASK335R", "F444W", 58, (150.1, 174.2), (0.277, 0.195)),
        ("NRCA5_MASK335R", "F444W", 73, (150.2, 174.6), (0.177, -0.205)),
        ("NRCA2_MASK210R", "F210M", 51, (321.7, 330.7), (0.1, 0.8)),
        ("NRCA2_FULL_MASK210R", "F182M", 65, (712.8, 1516.5), (-0.071, -1.365)),
        ("NRCA5_MASKLWB_F444W", "F444W", 70, (140.1, 177.0), (0.177, -0.205)),
    ],
)
def test_correction(aperture, filter_name, release, crpix, expected):
    found = TABLE.correction(aperture, filter_name, crpix, release)
    assert found.known
    assert (found.dx, found.dy) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("crpix", [(151.0, 175.0), (162.1, 174.2)])
def test_a_crpix_that_was_moved_is_not_known(crpix):
    found = TABLE.correction("NRCA5_MASK335R", "F356W", crpix, 58)
    assert not found.known
    assert found.reference == (150.1, 174.2)
    assert found.goal == pytest.approx((150.983, 174.441))


@pytest.mark.parametrize("source", ["measured", "table", "siaf"])
def test_corrected_twice_is_corrected_once_whatever_the_header_remembers(source):
    for aperture, rows in TABLE.siaf.items():
        for filter_name in filters_of(aperture):
            for release, *crpix in rows:
                options = {"release": release, "source": source}
                once = TABLE.correction(aperture, filter_name, tuple(crpix), **options)
                assert once.known
                after = (crpix[0] + once.dx, crpix[1] + once.dy)
                assert after == pytest.approx(once.goal)
                twice = TABLE.correction(aperture, filter_name, after, **options)
                assert twice.known
                assert (twice.dx, twice.dy) == (0.0, 0.0)


def test_the_centre_of_a_bar_is_not_where_the_star_is():
    assert TABLE.mask_offset("NRCA5_MASK335R") == (0.0, 0.0)
    assert TABLE.mask_offset("NRCA5_MASKLWB") == (0.0, 0.0)
    assert TABLE.mask_offset("NRCA5_MASKLWB_F444W") == pytest.approx((11.6, -0.1))
    assert TABLE.mask_offset("NRCA4_FULL_MASKSWB_NARROW") == pytest.approx((263.0, -0.2))
    for aperture in TABLE.siaf:
        assert re.sub(r"_(F\d+\w+|NARROW)$", "", aperture) in TABLE.siaf


def test_the_page_has_the_figures_of_the_table():
    text = (DOCS / "nircam_centers.md").read_text()
    for name, c in TABLE.centers.items():
        was, now = TABLE.siaf_reference(name, 59), TABLE.siaf_reference(name)
        places = [f"{x:g}, {y:g}" for x, y in ((c.x, c.y), was, now)]
        assert f"| {name} | {places[0]} | {c.kind} | {places[1]} | {places[2]} |" in text
    for name, shift in TABLE.filter_shifts.items():
        told = f"{shift.dx:+.3f}, {shift.dy:+.3f}" if shift.dx or shift.dy else "0, 0"
        assert f"| {name} | {told} |" in text
    assert f"(table {TABLE.version})" in text


def test_the_figures_of_the_page_are_drawn(tmp_path):
    script = runpy.run_path(str(DOCS / "plot_nircam_centers.py"))
    script["draw_centers"](tmp_path / "nircam_centers.png")
    script["draw_filter_shifts"](tmp_path / "nircam_filter_shifts.png")
    for path in tmp_path.iterdir():
        assert f"]({path.name})" in (DOCS / "nircam_centers.md").read_text()
        assert (DOCS / path.name).is_file()
        assert path.stat().st_size > 20_000
