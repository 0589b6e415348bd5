import numpy as np
import pytest
from astropy.io import fits

from coronx.refdata.glow_stick import (
    boundary_distance,
    is_phase_mask,
    near_glow_sticks,
    near_star,
)
from coronx.refdata.modes import MODES

PHASE_MASKS = ("miri-1065", "miri-1140", "miri-1550")
# The masks of other software are of frames cut by this much.
LEFT, RIGHT, BOTTOM, TOP = 13, 60, 7, 7


@pytest.mark.parametrize("name", PHASE_MASKS)
def test_boundaries_cross_at_the_centre_at_right_angles(name):
    mode = MODES[name]
    x0, y0 = mode.center
    row, column = boundary_distance(mode, shape=mode.shape, center=mode.center)
    y, x = np.indices(mode.shape)
    radius = np.hypot((x - x0) * mode.scale[0], (y - y0) * mode.scale[1])
    assert np.allclose(np.hypot(row, column), radius)
    # Clockwise by 4.835 degrees: to the right of the centre the line is lower.
    right = np.abs(row[:, 220]).argmin()
    assert right == pytest.approx(y0 - (220 - x0) * np.tan(np.radians(4.835)), abs=1.5)
    above = np.abs(column[210]).argmin()
    assert above == pytest.approx(x0 + (210 - y0) * np.tan(np.radians(4.835)), abs=1.5)


def test_half_width_is_in_arcsec_and_the_place_is_given():
    mode = MODES["miri-1140"]
    place = (100.0, 90.0)
    thin = near_glow_sticks(mode, shape=(224, 288), center=place, half_width=0.4)
    thick = near_glow_sticks(mode, shape=(224, 288), center=place, half_width=0.8)
    assert thin[90, 100]
    assert thick[thin].all()
    rows = np.flatnonzero(thick[:, 180])
    assert rows.size == pytest.approx(1.6 / mode.scale[1] / np.cos(np.radians(4.835)), abs=1)
    assert rows.mean() == pytest.approx(90 - 80 * np.tan(np.radians(4.835)), abs=1)
    cut = near_glow_sticks(mode, shape=(210, 215), center=(87.0, 83.0), half_width=0.8)
    assert np.array_equal(cut, thick[7:217, 13:228])


def test_only_phase_masks_have_boundaries():
    assert [name for name, mode in MODES.items() if is_phase_mask(mode)] == list(PHASE_MASKS)
    lyot = MODES["miri-lyot"]
    assert not near_glow_sticks(lyot, shape=lyot.shape, center=lyot.center).any()


def test_disc_about_the_star():
    mode = MODES["miri-1140"]
    disc = near_star(mode, shape=(60, 70), center=(30.2, 25.4), radius=1.5)
    area = np.pi * 1.5**2 / (mode.scale[0] * mode.scale[1])
    assert disc.sum() == pytest.approx(area, rel=0.02)
    assert disc[25, 30]


@pytest.mark.realdata
@pytest.mark.parametrize("name", PHASE_MASKS)
def test_masks_drawn_from_real_frames_agree(name, realdata):
    """What they leave out is left out here, their line lies where the boundary is said to be."""
    mode = MODES[name]
    file = realdata / "miri_bg_masks" / f"godoy_mask_f{name.removeprefix('miri-')}c.fits"
    theirs = np.isnan(fits.getdata(file))
    ny, nx = mode.shape
    assert theirs.shape == (ny - BOTTOM - TOP, nx - LEFT - RIGHT)
    cut = (slice(BOTTOM, ny - TOP), slice(LEFT, nx - RIGHT))  # ours is of the whole frame
    star = near_star(mode, shape=mode.shape, center=mode.center)[cut]
    sticks = near_glow_sticks(mode, shape=mode.shape, center=mode.center)[cut]
    ours = star | sticks
    # Theirs leaves speckles out one by one, ours the region: of theirs 0.79 to 0.85 is in ours, and
    # 0.84 to 0.86 of all pixels are treated alike.
    assert np.count_nonzero(ours & theirs) / np.count_nonzero(theirs) > 0.78
    assert np.mean(ours == theirs) > 0.84
    row, column = (d[cut] for d in boundary_distance(mode, shape=mode.shape, center=mode.center))
    beyond = np.hypot(row, column) > 6.6
    on_line = theirs[beyond & (np.abs(row) < 0.4) & (np.abs(row) < np.abs(column))].mean()
    aside = theirs[beyond & (np.abs(row) > 1.2) & (np.abs(row) < np.abs(column))].mean()
    assert on_line > 0.55
    assert on_line > 5 * aside
