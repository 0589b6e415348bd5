import numpy as np
import pytest

from coronx.ops.windowed_centroid import windowed_centroid


def _star(x0, y0, width=1.1):
    y, x = np.indices((31, 41))
    return np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * width**2))


@pytest.mark.parametrize("width", [0.9, 1.1, 1.6])
def test_a_star_is_found_between_pixels(width):
    image = _star(20.37, 14.81, width) + 0.3 * _star(32.0, 6.0)
    assert windowed_centroid(image, (21.0, 14.0), sigma=1.1) == pytest.approx(
        (20.37, 14.81), abs=2e-3
    )


def test_no_star():
    with pytest.raises(ValueError, match="no star at"):
        windowed_centroid(-_star(20.0, 15.0), (20.0, 15.0), sigma=1.1)
    # A step doubled from beside the edge leaves the image.
    edge = np.zeros((31, 41))
    edge[:, 40] = 1.0
    with pytest.raises(ValueError, match="no star near"):
        windowed_centroid(edge, (39.0, 15.0), sigma=1.1)
