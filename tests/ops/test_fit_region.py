import numpy as np
import pytest

from coronx.ops.fit_region import fit_region

FRAME, STAR = (40, 60), (20.0, 12.0)


def test_shapes_are_about_the_star_and_x_is_width():
    y, x = np.indices(FRAME)
    radius = np.hypot(x - 20, y - 12)
    np.testing.assert_array_equal(fit_region("circle", [6.0], FRAME, STAR), radius <= 6)
    np.testing.assert_array_equal(
        fit_region("annulus", [4.0, 9.0], FRAME, STAR), (radius >= 4) & (radius <= 9)
    )
    box = fit_region("rectangle", [20.0, 6.0], FRAME, STAR)
    np.testing.assert_array_equal(box, (np.abs(x - 20) <= 10) & (np.abs(y - 12) <= 3))
    assert box.dtype == np.float64


@pytest.mark.parametrize(
    ("shape", "size", "message"),
    [
        ("circle", [], "radius"),
        ("circle", [-1.0], "radius"),
        ("annulus", [9.0, 4.0], "inner, outer"),
        ("rectangle", [1.0, 2.0, 3.0], "width, height"),
        ("ellipse", [1.0], "not one of circle, annulus, rectangle"),
        ("annulus", [100.0, 120.0], "no pixel"),
    ],
)
def test_what_makes_no_shape_is_refused(shape, size, message):
    with pytest.raises(ValueError, match=message):
        fit_region(shape, size, FRAME, STAR)
