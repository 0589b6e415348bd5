import numpy as np
import pytest

from coronx.ops.flux_grid import FluxGrid


def test_north_is_up_and_east_is_left():
    grid = FluxGrid(3, 0.1)
    assert grid.shape == grid.east.shape == grid.north.shape == (7, 7)
    assert grid.east[0, 0] == pytest.approx(0.3)
    assert grid.north[6, 0] == pytest.approx(0.3)
    assert grid.separation[3, 3] == 0.0
    assert grid.separation.max() == pytest.approx(0.3 * np.sqrt(2.0))


def test_offsets_of_a_pixel_are_those_of_the_arrays():
    grid = FluxGrid(4, 0.25)
    assert grid.offsets(1, 6) == (grid.east[1, 6], grid.north[1, 6])
    assert grid.offsets(4.5, 3.5) == pytest.approx((0.125, 0.125))


@pytest.mark.parametrize(("half", "scale"), [(0, 0.1), (5, 0.0), (5, np.nan)])
def test_a_grid_needs_extent(half, scale):
    with pytest.raises(ValueError, match="extent"):
        FluxGrid(half, scale)
