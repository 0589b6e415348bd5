import numpy as np
import pytest

from coronx.refdata.segments import nearest_segment, segment_centers
from coronx.simulate.pupil import DIAMETER, primary


def test_eighteen_in_two_rings_around_none():
    centers = segment_centers()
    away = np.sort(np.hypot(*centers.T))
    assert centers.shape == (18, 2)
    np.testing.assert_allclose(centers.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(away[:6], 1.327)
    np.testing.assert_allclose(away[-6:], 2 * 1.327)


def test_there_is_glass_at_every_centre_and_none_in_the_middle():
    size = 256
    glass, axis = primary(size), (np.arange(size) - (size - 1) / 2) * (DIAMETER / size)
    x, y = np.meshgrid(axis, axis)
    for cx, cy in segment_centers():  # but for the supports, which are thin
        assert glass[np.hypot(x - cx, y - cy) < 0.6].mean() > 0.7
    assert not glass[np.hypot(x, y) < 0.6].any()


@pytest.mark.parametrize("turn", [0.0, 33.0])
def test_the_nearest_is_the_nearest(turn):
    centers = segment_centers(turn)
    assert nearest_segment(*centers.T, centers).tolist() == list(range(18))
    x, y = np.random.default_rng(1).uniform(-3.0, 3.0, (2, 40, 50))
    away = np.hypot(x[..., None] - centers[:, 0], y[..., None] - centers[:, 1])
    np.testing.assert_array_equal(nearest_segment(x, y, centers), away.argmin(axis=-1))


def test_a_turn_is_counter_clockwise():
    plain, turned = segment_centers(), segment_centers(90.0)
    np.testing.assert_allclose(turned, np.stack([-plain[:, 1], plain[:, 0]], axis=1), atol=1e-12)
