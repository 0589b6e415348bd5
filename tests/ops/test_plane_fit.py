import numpy as np
import pytest

from coronx.ops.plane_fit import boxes, plane_residuals


@pytest.mark.parametrize("shape", [(100, 130), (48, 48), (30, 99), (47, 20)])
def test_boxes_cover_an_image_once(shape):
    seen = np.zeros(shape, int)
    for at in boxes(shape, 48):
        seen[at] += 1
        assert min(seen[at].shape) >= min(48, *shape)
    assert (seen == 1).all()


def test_the_width_is_right_whatever_slope_and_outliers():
    rng = np.random.default_rng(1)
    y, x = np.indices((300, 300))
    data = 7.0 + 0.5 * x - 0.2 * y + rng.normal(0, 3.0, x.shape)
    data[rng.random(x.shape) < 0.01] += 500.0
    good = rng.random(x.shape) < 0.9
    data[~good] = np.nan
    rest = plane_residuals(data, good)
    assert rest.std() == pytest.approx(3.0, rel=0.01)
    assert abs(rest.mean()) < 0.05
    small = [plane_residuals(data[at], good[at]) for at in boxes(x.shape, 6)]
    assert np.concatenate(small).std() == pytest.approx(3.0, rel=0.02)


def test_too_few_pixels_give_none():
    assert plane_residuals(np.ones((3, 3)), np.ones((3, 3), bool)).size == 0
