import numpy as np
import pytest
from astropy.io import fits

from coronx.refdata.field_edges import field_edges
from coronx.refdata.mask_center import find_hole, recenter
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import is_bar, occulter, transmission

REAL = [
    ("jwst_nircam_psfmask_0003", "nircam-lwb", (150.7, 159.5)),
    ("jwst_nircam_psfmask_0019", "nircam-335r", (159.5, 159.5)),
    ("jwst_nircam_psfmask_0027", "nircam-430r", (159.5, 159.5)),
    ("jwst_nircam_psfmask_0036", "nircam-swb", (318.2, 319.5)),
    ("jwst_nircam_psfmask_0049", "nircam-210r", (319.5, 319.5)),
    ("jwst_nircam_psfmask_mask335r_shift", "nircam-335r", (148.933, 173.357)),
    ("new_jwst_miri_psfmask_0001", "miri-1065", (121.0, 113.0)),
    ("new_jwst_miri_psfmask_0003", "miri-1140", (120.0, 110.0)),
    ("new_jwst_miri_psfmask_0002", "miri-1550", (120.0, 109.0)),
    ("new_jwst_miri_psfmask_0004", "miri-lyot", (144.0, 166.0)),
    ("jwst_miri_psfmask_0009", "miri-lyot", (144.0, 164.0)),
]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (10.3, -14.6), (-7.52, 12.08)])
def test_hole_is_found_to_a_hundredth_of_a_pixel(mode, dx, dy):
    x, y = mode.center
    center = (x if is_bar(mode) else x + dx, y + dy)
    hole = find_hole(transmission(mode, center=center), mode)
    np.testing.assert_allclose(hole, center, atol=0.01)


def test_noise_and_nan_do_not_carry_the_hole_away():
    mode = MODES["nircam-335r"]
    rng = np.random.default_rng(4)
    mask = transmission(mode, center=(159.5, 159.5)) + rng.normal(0.0, 0.05, mode.shape)
    mask[140:142, 150:153] = np.nan
    np.testing.assert_allclose(find_hole(mask, mode), (159.5, 159.5), atol=0.1)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_no_hole_is_none(mode):
    assert find_hole(np.ones(mode.shape), mode) is None
    assert find_hole(1.0 - transmission(mode), mode) is None


def test_a_hole_beyond_the_search_is_none():
    mode = MODES["nircam-335r"]
    mask = transmission(mode, center=(159.5, 159.5))
    assert find_hole(mask, mode, search=8) is None


def test_wrong_shape_and_search_are_refused():
    mode = MODES["nircam-335r"]
    with pytest.raises(ValueError, match="shape"):
        find_hole(np.ones((64, 64)), mode)
    with pytest.raises(ValueError, match="search"):
        find_hole(np.ones(mode.shape), mode, search=0)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_recenter_moves_the_hole_only(mode):
    x, y = mode.center
    old = (x if is_bar(mode) else x + 9.6, y - 12.7)
    mask = field_edges(mode) * occulter(mode, center=old)
    before = mask.copy()
    result = recenter(mask, old, mode.center, mode=mode)
    np.testing.assert_array_equal(mask, before)
    difference = result - transmission(mode)
    assert np.sqrt(np.mean(difference**2)) < 0.005
    # No spline follows an edge one pixel wide exactly; away from it, all is as it was.
    assert np.abs(difference).max() < (0.4 if mode.instrument == "MIRI" else 2e-3)
    y, x = np.indices(mode.shape)
    outside = np.hypot(y - old[1], x - old[0]) > 60.0
    outside &= np.hypot(y - mode.center[1], x - mode.center[0]) > 60.0
    if not is_bar(mode):
        np.testing.assert_allclose(result[outside], mask[outside], atol=1e-6)
    np.testing.assert_allclose(find_hole(result, mode), mode.center, atol=0.05)


def test_recenter_is_exact_over_whole_pixels_and_limited_to_0_and_1():
    mode = MODES["miri-1065"]
    mask = np.where(transmission(mode, center=(121.0, 113.0)) > 0.5, 1.0, 0.0)
    result = recenter(mask, (121.0, 113.0), (118.0, 115.0), mode=mode)
    expected = np.where(transmission(mode, center=(118.0, 115.0)) > 0.5, 1.0, 0.0)
    inner = np.s_[20:200, 30:210]
    np.testing.assert_allclose(result[inner], expected[inner], atol=1e-12)
    half = recenter(mask, (121.0, 113.0), (121.5, 112.5), mode=mode)
    assert half.min() >= 0.0
    assert half.max() <= 1.0


def test_recenter_refuses_other_orders():
    mode = MODES["miri-1065"]
    with pytest.raises(ValueError, match="order"):
        recenter(np.ones(mode.shape), (1.0, 1.0), (2.0, 2.0), mode=mode, order=0)


@pytest.mark.realdata
@pytest.mark.parametrize(("stem", "name", "hole"), REAL)
def test_real_holes_are_found(realdata, stem, name, hole):
    mask = fits.getdata(realdata / "psfmask" / f"{stem}.fits", "SCI")
    np.testing.assert_allclose(find_hole(mask, MODES[name]), hole, atol=0.01)


@pytest.mark.realdata
def test_recentred_file_equals_the_file_that_was_moved_by_hand(realdata):
    folder = realdata / "psfmask"
    mode = MODES["nircam-335r"]
    by_hand = fits.getdata(folder / "jwst_nircam_psfmask_mask335r_shift.fits", "SCI")
    original = fits.getdata(folder / "jwst_nircam_psfmask_0019.fits", "SCI")
    place = find_hole(by_hand, mode)
    assert np.hypot(place[0] - mode.center[0], place[1] - mode.center[1]) < 0.5
    result = recenter(original, find_hole(original, mode), place, mode=mode)
    np.testing.assert_allclose(result, by_hand, atol=0.005)
