import numpy as np
import pytest

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.sectors import Sectors

GRID = FluxGrid(40, 0.1)
ALL = np.ones(GRID.shape, bool)


def counted(row, col, *, length, width, told=ALL):
    """Return which pixels a place's two sectors hold, one by one."""
    radius, angle = GRID.separation, np.arctan2(GRID.east, GRID.north)
    apart = np.abs((angle - angle[row, col] + 0.5 * np.pi) % np.pi - 0.5 * np.pi)
    inside = (np.abs(radius - radius[row, col]) <= length) & (
        apart <= width / max(radius[row, col], 0.1)
    )
    return inside & told


@pytest.mark.parametrize("place", [(40, 65), (12, 25), (70, 41), (41, 10), (33, 30)])
def test_sums_are_those_over_the_pixels_of_both_sectors(place):
    rng = np.random.default_rng(2)
    values, told = rng.gamma(2.0, size=GRID.shape), rng.random(GRID.shape) < 0.9
    sectors = Sectors(GRID, told, length=0.6, width=0.7)
    inside = counted(*place, length=0.6, width=0.7, told=told)
    assert sectors.sums(np.ones(GRID.shape))[place] == pytest.approx(inside.sum(), rel=0.12)
    assert sectors.sums(values)[place] == pytest.approx(values[inside].sum(), rel=0.15)


def test_both_sides_count_and_no_other_place():
    values = np.zeros(GRID.shape)
    values[65, 40], values[15, 40], values[40, 65] = 1.0, 2.0, 5.0  # north, south, and beside
    sums = Sectors(GRID, ALL, length=0.5, width=0.5).sums(values)
    assert sums[64, 41] == sums[16, 39] == 3.0
    assert sums[40, 66] == sums[40, 14] == 5.0
    assert sums[65, 48] == sums[40, 40] == 0.0


def test_what_is_not_told_is_no_part():
    values = np.where(GRID.east > 0.0, np.nan, 1.0)
    sums = Sectors(GRID, GRID.east <= 0.0, length=0.5, width=0.5).sums(values)
    whole = Sectors(GRID, ALL, length=0.5, width=0.5).sums(np.ones(GRID.shape))
    east = (GRID.east > 1.0) & (GRID.separation < 3.4)
    np.testing.assert_allclose(sums[east], 0.5 * whole[east], atol=6.0)
