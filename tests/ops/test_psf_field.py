import numpy as np
import pytest

from coronx.ops.psf_field import REGIONS, shapes_over_field
from coronx.ops.star_fit import FWHM

SIZE = (1000, 800)


def _shapes(major, ratio, angle):
    a, b = (major / FWHM) ** 2, (ratio * major / FWHM) ** 2
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.stack(
        np.broadcast_arrays(a * c**2 + b * s**2, a * s**2 + b * c**2, (a - b) * s * c), axis=-1
    )


def _places(count, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, SIZE[1], count), rng.uniform(0, SIZE[0], count), rng


def test_a_field_that_is_wider_and_longer_to_the_right():
    x, y, rng = _places(900)
    shapes = _shapes(np.where(x > 399.5, 4.0, 3.0), np.where(x > 399.5, 0.8, 0.95), 80.0)
    shapes = shapes + 0.05 * rng.normal(size=shapes.shape)
    found = {r.region: r for r in shapes_over_field(x, y, shapes, size=SIZE)}
    assert tuple(found) == REGIONS
    for name, major, ratio in (
        ("lower left", 3.0, 0.95),
        ("upper left", 3.0, 0.95),
        ("lower right", 4.0, 0.8),
        ("upper right", 4.0, 0.8),
    ):
        region = found[name]
        assert abs(region.major - major) < 4 * region.major_sigma
        assert abs(region.minor - ratio * major) < 4 * region.minor_sigma
        assert abs(region.axis_ratio - ratio) < 4 * region.axis_ratio_sigma
        turned = (region.angle - 80.0 + 90.0) % 180.0 - 90.0
        assert abs(turned) < 4 * region.angle_sigma
        assert region.major_sigma < 0.02
        assert region.fwhm_y > region.fwhm_x
    inner = (np.abs(x - 399.5) < 200) & (np.abs(y - 499.5) < 250)
    assert found["centre"].stars == inner.sum()
    assert found["field"].stars == 900


def test_errors_are_those_of_many_trials():
    rng = np.random.default_rng(2)
    x, y, _ = _places(30)
    truth = _shapes(3.5, 0.85, 35.0)
    values, errors = [], []
    for _ in range(300):
        shapes = truth + rng.normal(size=(30, 3)) * (0.1, 0.1, 0.07)
        region = shapes_over_field(x, y, shapes, size=SIZE)[0]
        values.append((region.major, region.minor, region.axis_ratio, region.angle))
        errors.append(
            (region.major_sigma, region.minor_sigma, region.axis_ratio_sigma, region.angle_sigma)
        )
    np.testing.assert_allclose(np.median(errors, axis=0), np.std(values, axis=0), rtol=0.2)
    np.testing.assert_allclose(np.mean(values, axis=0), (3.5, 2.975, 0.85, 35.0), rtol=0.01)


def test_noise_does_not_make_round_stars_long():
    x, y, rng = _places(200)
    shapes = _shapes(3.0, 1.0, 0.0) + rng.normal(size=(200, 3)) * (0.3, 0.3, 0.2)
    field = shapes_over_field(x, y, np.broadcast_to(shapes, (200, 3)), size=SIZE)[0]
    assert field.axis_ratio > 0.95
    assert field.axis_ratio + 3 * field.axis_ratio_sigma > 1.0
    assert field.angle_sigma > 10.0


def test_galaxies_and_failed_fits_do_not_count():
    x, y, rng = _places(60)
    shapes = _shapes(np.full(60, 3.0), 0.9, 0.0) + 0.01 * rng.normal(size=(60, 3))
    shapes[:10], shapes[10:15] = _shapes(9.0, 0.5, 0.0), np.nan
    field = shapes_over_field(x, y, shapes, size=SIZE)[0]
    assert field.stars == 45
    assert field.fwhm == pytest.approx(3.0 * np.sqrt(0.9), rel=0.01)


@pytest.mark.parametrize("count", [0, 2])
def test_too_few(count):
    found = shapes_over_field(*np.ones((2, count)), np.ones((count, 3)), size=SIZE)
    assert found[0].stars == count
    assert all(np.isnan(region.fwhm) for region in found)
