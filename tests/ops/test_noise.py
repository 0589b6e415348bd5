import numpy as np
import pytest

from coronx.ops.noise import noise_curve


def brute_force(image, center, width):
    y, x = np.indices(image.shape)
    radius = np.hypot(x - center[0], y - center[1])
    finite = np.isfinite(image)
    rings = int(radius[finite].max() / width) + 1
    rows = []
    for k in range(rings):
        at = finite & (radius >= k * width) & (radius < (k + 1) * width)
        n = int(at.sum())
        mean = radius[at].mean() if n else (k + 0.5) * width
        rows.append((mean, image[at].std() if n > 1 else np.nan, n))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize("shape", [(40, 40), (41, 41), (30, 51)])
@pytest.mark.parametrize("center", [None, (12.3, 20.8), (-5.0, 70.0)])
@pytest.mark.parametrize("width", [1.0, 2.0, 3.5])
def test_rings_are_those_of_a_pixel_by_pixel_count(shape, center, width):
    rng = np.random.default_rng(4)
    image = rng.normal(100.0, 1.0, shape)
    image[rng.random(shape) < 0.05] = np.nan
    image[3, 3], image[4, 4] = np.inf, -np.inf
    if center is None:
        center = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    curve = noise_curve(image, center, width=width)
    radius, sigma, count = brute_force(image, center, width)
    np.testing.assert_allclose(curve.radius, radius)
    np.testing.assert_allclose(curve.sigma, sigma, rtol=1e-10)
    np.testing.assert_array_equal(curve.count, count)
    assert curve.count.sum() == np.isfinite(image).sum()


def test_a_noise_that_grows_outwards_is_recovered():
    rng = np.random.default_rng(5)
    y, x = np.indices((201, 201)) - 100
    truth = 1.0 + np.hypot(x, y) / 50.0
    curve = noise_curve(truth * rng.normal(size=truth.shape), (100.0, 100.0))
    rings = slice(5, 50)
    expected = 1.0 + curve.radius[rings] / 50.0
    error = curve.sigma[rings] / expected - 1.0
    assert np.abs(error * np.sqrt(2.0 * curve.count[rings])).max() < 4.0


def test_center_of_even_and_odd_sizes_lies_between_or_on_pixels():
    assert noise_curve(np.ones((4, 4)), (1.5, 1.5), width=1.0).count[0] == 4
    assert noise_curve(np.ones((5, 5)), (2.0, 2.0), width=1.0).count[0] == 1


def test_a_faint_noise_on_a_high_level_is_not_lost():
    rng = np.random.default_rng(6)
    image = (1e6 + rng.normal(0.0, 1.0, (64, 64))).astype(np.float32)
    curve = noise_curve(image, (31.5, 31.5), width=8.0)
    assert np.abs(curve.sigma[1:4] - 1.0).max() < 0.15


def test_rings_without_pixels_and_with_one():
    image = np.full((9, 9), np.nan)
    image[4, 4], image[4, 8] = 1.0, 2.0
    curve = noise_curve(image, (4.0, 4.0))
    np.testing.assert_array_equal(curve.count, [1, 0, 1])
    np.testing.assert_array_equal(curve.radius, [0.0, 3.0, 4.0])
    assert np.isnan(curve.sigma).all()


def test_nothing_finite_gives_no_rings():
    curve = noise_curve(np.full((9, 9), np.nan), (4.0, 4.0))
    assert curve.radius.size == curve.sigma.size == curve.count.size == 0


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_width_must_be_positive(width):
    with pytest.raises(ValueError, match="width"):
        noise_curve(np.ones((4, 4)), (1.0, 1.0), width=width)
