import dataclasses

import numpy as np
import pytest
from astropy.io import fits

from coronx.refdata.field_edges import field_edges
from coronx.refdata.mask_center import find_hole
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import footprint, is_bar, occulter, transmission

# file, mode, hole's centre, pixel scale the file was drawn with (None: the mode's own),
# largest rms difference within 50 pixels
REAL = [
    ("jwst_nircam_psfmask_0019", "nircam-335r", (159.5, 159.5), 0.0630, 1e-4),
    ("jwst_nircam_psfmask_0027", "nircam-430r", (159.5, 159.5), 0.063082, 1e-4),
    ("jwst_nircam_psfmask_0049", "nircam-210r", (319.5, 319.5), 0.0311, 1e-4),
    ("jwst_nircam_psfmask_0003", "nircam-lwb", (159.5, 159.5), 0.0630, 1e-4),
    ("jwst_nircam_psfmask_0036", "nircam-swb", (319.5, 319.5), 0.0311, 1e-4),
    ("jwst_nircam_psfmask_0019", "nircam-335r", (159.5, 159.5), None, 0.005),
    ("new_jwst_miri_psfmask_0001", "miri-1065", (121.0, 113.0), None, 0.013),
    ("new_jwst_miri_psfmask_0003", "miri-1140", (120.0, 110.0), None, 0.013),
    ("new_jwst_miri_psfmask_0002", "miri-1550", (120.0, 109.0), None, 0.013),
    ("new_jwst_miri_psfmask_0004", "miri-lyot", (144.0, 166.0), None, 0.04),
    ("jwst_miri_psfmask_0009", "miri-lyot", (144.0, 164.0), None, 0.04),
]
# The file 0019 moved to where the mask is in flight, edges and all.
IN_FLIGHT = "jwst_nircam_psfmask_mask335r_shift"


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_shape_range_and_blocked_center(mode):
    image = transmission(mode)
    assert image.shape == mode.shape
    assert image.dtype == np.float64
    assert image.min() >= 0.0
    assert image.max() <= 1.0
    x, y = (round(value) for value in mode.center)
    assert image[y, x] < 0.01
    assert image.mean() > 0.5


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_whole_pixel_move_of_the_center_moves_everything(mode):
    x, y = mode.center
    here = transmission(mode)
    there = transmission(mode, center=(x + 3.0, y - 2.0))
    np.testing.assert_allclose(there[:-2, 3:], here[2:, :-3], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "radius"), [("nircam-210r", 0.40), ("nircam-335r", 0.64), ("nircam-430r", 0.82)]
)
def test_round_masks_have_their_published_half_width(name, radius):
    # Published inner working angles are 6 lambda/D at 2.1, 3.35, 4.3 um.
    mode = dataclasses.replace(MODES[name], scale=(0.01, 0.01))
    row = occulter(mode, shape=(1, 200), center=(0.0, 0.0))[0]
    assert np.interp(0.5, row[:130], np.arange(130) * 0.01) == pytest.approx(radius, abs=0.02)


@pytest.mark.parametrize(
    ("name", "narrow", "wide", "wide_side"),
    [("nircam-swb", 0.13, 0.40, 1), ("nircam-lwb", 0.29, 0.88, -1)],
)
def test_bars_taper_between_their_published_half_widths(name, narrow, wide, wide_side):
    mode = dataclasses.replace(MODES[name], scale=(0.01, 0.01))
    image = occulter(mode, shape=(200, 1801), center=(900.0, 0.0))

    def half_width(x_arcsec):
        column = image[:, round(900 + 100 * x_arcsec)]
        rising = column[: int(np.argmax(column > 0.95)) + 1]
        return np.interp(0.5, rising, np.arange(len(rising)) * 0.01)

    assert half_width(wide_side * 8.0) == pytest.approx(wide, abs=0.006)
    assert half_width(-wide_side * 8.0) == pytest.approx(narrow, abs=0.006)
    assert half_width(0.0) == pytest.approx((narrow + wide) / 2, abs=0.006)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_occulter_and_edges_do_not_touch(mode):
    image = occulter(mode)
    y, x = np.indices(mode.shape)
    away = np.abs(y - mode.center[1])
    if not is_bar(mode):
        away = np.hypot(away, x - mode.center[0])
    assert np.ptp(image[away > footprint(mode)]) < 1e-6
    edges = field_edges(mode)
    near = (away < footprint(mode)) & (np.abs(x - mode.center[0]) < 5.0 / mode.scale[0])
    assert edges[near].min() == 1.0
    assert edges.min() < 0.01


@pytest.mark.realdata
@pytest.mark.parametrize(("stem", "name", "center", "scale", "limit"), REAL)
def test_matches_the_reference_files(realdata, stem, name, center, scale, limit):
    real = fits.getdata(realdata / "psfmask" / f"{stem}.fits", "SCI").astype(float)
    mode = MODES[name]
    if scale is not None:
        mode = dataclasses.replace(mode, scale=(scale, scale))
    difference = transmission(mode, center=center) - real
    x, y = (round(value) for value in center)
    middle = difference[y - 50 : y + 50, x - 50 : x + 50]
    assert np.sqrt(np.mean(middle**2)) < limit
    # Corners, holders and stops: all but the pixels along their edges.
    assert np.mean(np.abs(difference) > 0.1) < 0.013


@pytest.mark.realdata
def test_matches_the_file_moved_to_the_centre_in_flight(realdata):
    real = fits.getdata(realdata / "psfmask" / f"{IN_FLIGHT}.fits", "SCI").astype(float)
    mode = MODES["nircam-335r"]
    x, y = (round(value) for value in mode.center)
    near = np.s_[y - 50 : y + 50, x - 50 : x + 50]
    difference = (transmission(mode) - real)[near]
    assert np.sqrt(np.mean(difference**2)) < 0.01
    # Ten pixels off, as the unmoved file is, it would be 0.2; half of what is left is the place.
    hole = find_hole(real, mode)
    assert hole == pytest.approx(mode.center, abs=0.4)
    there = transmission(mode, center=hole)[near] - real[near]
    assert np.sqrt(np.mean(there**2)) < 0.004


@pytest.mark.realdata
def test_no_reference_file_is_left_out(realdata):
    files = {path.stem for path in (realdata / "psfmask").glob("*.fits")}
    assert files == {stem for stem, *_ in REAL} | {IN_FLIGHT}
    assert {name for _, name, *_ in REAL} == MODES.keys()
