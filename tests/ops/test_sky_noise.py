import numpy as np
import pytest

from coronx.ops.sky_noise import measure_sky_noise


def field(seed=1, stars=80, size=300):
    """Return an image of stars on a sloping sky, its errors, and bad pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size))
    light = 200.0 + 0.3 * x + 40.0 * np.exp(-((y - 150) ** 2) / 2 / 100**2)
    for _ in range(stars):
        cy, cx = rng.uniform(0, size, 2)
        peak = 30 * rng.pareto(1.0) + 30
        light += min(peak, 30000) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 2 / 1.8**2)
    err = np.sqrt(light / 1.5 + 25.0)
    data = light + rng.normal(size=light.shape) * err
    bad = rng.random(light.shape) < 0.005
    data[bad] = 60000.0
    hits = rng.random(light.shape) < 0.0005
    data[hits] += rng.uniform(100, 5000, hits.sum())
    data[40:43, 100:160] = np.nan
    return data, err, bad


@pytest.mark.parametrize("scale", [1.0, 0.8])
def test_right_errors_have_the_ratio_one(scale):
    data, err, bad = field()
    found = measure_sky_noise(data, err * scale, bad)
    assert found.ratio == pytest.approx(1.0 / scale, rel=0.02)
    assert found.sigma == pytest.approx(np.median(err), rel=0.1)
    assert 30_000 < found.pixels < 85_000


def test_without_errors_it_has_the_scatter_alone():
    data, err, bad = field()
    found = measure_sky_noise(data, None, bad)
    assert np.isnan(found.ratio)
    assert found.sigma == pytest.approx(measure_sky_noise(data, err, bad).sigma)


def test_an_image_without_good_pixels_is_refused():
    data = np.zeros((40, 40))
    with pytest.raises(ValueError, match="only 0 good pixels"):
        measure_sky_noise(data, None, np.ones((40, 40), bool))


def test_errors_that_follow_the_noise_of_their_pixel_do_not_hide_it():
    rng = np.random.default_rng(4)
    data = rng.poisson(2000.0, (300, 300)).astype(float)
    found = measure_sky_noise(data, np.sqrt(data), data < 0)
    assert found.ratio == pytest.approx(1.0, rel=0.02)
