import numpy as np
import pytest

from coronx.ops.summit import summit


def peak(x, y, width=1.4):
    rows, cols = np.indices((21, 21))
    return 7.0 * np.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / width**2)


@pytest.mark.parametrize("place", [(10.0, 10.0), (10.5, 9.5), (9.7, 10.4)])
def test_a_peak_between_pixels_is_met(place):
    image = peak(*place)
    row, col = np.unravel_index(image.argmax(), image.shape)
    y, x, height = summit(image, int(row), int(col))
    assert (x, y) == pytest.approx(place, abs=0.005)
    assert height == pytest.approx(7.0, rel=2e-3)


def test_with_a_pixel_missing_nearby_it_is_a_parabola():
    image = peak(10.2, 9.9)
    image[10, 13] = np.nan
    y, x, height = summit(image, 10, 10)
    assert (x, y) == pytest.approx((10.2, 9.9), abs=0.05)
    assert height == pytest.approx(7.0, rel=0.01)
    edge = peak(19.2, 18.9)
    assert summit(edge, 19, 19)[:2] == pytest.approx((18.9, 19.2), abs=0.05)


def test_an_oblique_peak_below_zero_is_met():
    rows, cols = np.indices((21, 21)) - 10.0
    image = -1.0 - (cols - 0.2) ** 2 - (rows + 0.1) ** 2 + 0.3 * rows * cols
    # Where the gradient vanishes.
    expected = np.linalg.solve([[-2.0, 0.3], [0.3, -2.0]], [0.2, -0.4]) + 10.0
    y, x, _ = summit(image, 10, 10)
    assert (y, x) == pytest.approx(tuple(expected), abs=0.06)


def test_nothing_bent_has_no_other_place():
    assert summit(np.ones((21, 21)), 10, 10) == pytest.approx((10.0, 10.0, 1.0))
