import numpy as np
import pytest

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.stim import derotated, stim, stim_map
from tests.ops.subtracted_frames import SCALE, Frames, gaussian, matrix

GRID = FluxGrid(25, SCALE)
STAR = (40.3, 38.8)
PLACE = (10 * SCALE, 6 * SCALE)
AT = (31, 15)


def turned(angles, *, flux, seed=1):
    rng = np.random.default_rng(seed)
    matrices = np.array([matrix(angle) for angle in angles])
    residual = rng.normal(size=(len(angles), 81, 81))
    for n, each in enumerate(matrices):
        x, y = each @ PLACE + STAR
        residual[n] += flux * gaussian((81, 81), x, y, 3.0)
    residual[:, rng.random((81, 81)) < 0.01] = np.nan
    residual[0, 10:13, 10:13] = np.nan
    return Frames(residual, np.ones(residual.shape), STAR, matrices)


def test_map_is_mean_over_standard_deviation():
    rng = np.random.default_rng(2)
    frames = rng.normal(3.0, 1.0, (9, 4, 5))
    frames[2, 1, 1] = np.nan
    frames[1:, 0, 0] = np.nan
    found = stim_map(frames)
    assert found[1, 1] == pytest.approx(np.nanmean(frames[:, 1, 1]) / np.nanstd(frames[:, 1, 1]))
    assert np.isnan(found[0, 0])
    assert np.isnan(stim_map(np.ones((3, 2, 2)))).all()


def test_derotated_frames_have_the_companion_in_one_place():
    part = turned((0.0, 25.0, -40.0), flux=1000.0)
    for frame in derotated([part], GRID):
        assert np.unravel_index(np.nanargmax(frame), GRID.shape) == AT
    places = [
        np.unravel_index(np.nanargmax(frame), GRID.shape)
        for frame in derotated([part], GRID, inverse=True)
    ]
    assert places[0] == AT
    apart = np.hypot(*np.subtract(places[1], AT))
    assert apart == pytest.approx(2.0 * np.hypot(10, 6) * np.sin(np.radians(25.0)), abs=1.0)


def test_bad_pixels_and_places_beyond_the_frame_are_nan():
    part = turned((0.0, 10.0), flux=0.0)
    wide = derotated([part], FluxGrid(60, SCALE))
    assert np.isnan(wide[:, 0]).all()
    part.residual[0, 39, 40] = np.nan
    assert np.isnan(derotated([part], GRID)[0, 25, 25])
    assert np.isfinite(derotated([part], GRID)[0]).mean() > 0.9


def test_a_companion_exceeds_what_noise_reaches():
    angles = np.linspace(0.0, 70.0, 24)
    found = stim([turned(angles[:12], flux=40.0), turned(angles[12:], flux=40.0, seed=3)], GRID)
    assert np.unravel_index(np.nanargmax(found.map), GRID.shape) == AT
    assert found.map[AT] > 1.2 * found.threshold
    empty = stim([turned(angles, flux=0.0, seed=4)], GRID)
    assert np.nanmax(empty.map) < 1.3 * empty.threshold


def test_threshold_is_that_of_a_ring():
    part = turned(np.linspace(0.0, 70.0, 12), flux=0.0)
    whole, ring = stim([part], GRID), stim([part], GRID, inner=0.5, outer=0.8)
    assert ring.threshold < whole.threshold
    assert np.isnan(stim([part], GRID, inner=90.0).threshold)


def test_frames_that_were_not_turned_have_no_threshold():
    found = stim([turned((5.0, 5.0, 5.0), flux=50.0)], GRID)
    assert np.isnan(found.threshold)
    assert np.isnan(found.inverse).all()
    assert np.isfinite(found.map[AT])
