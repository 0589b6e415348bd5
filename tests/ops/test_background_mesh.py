"""The sky over an image: level, noise, and what is left out of it."""

import numpy as np
import pytest

from coronx.ops.background_mesh import measure_background

RMS = 5.0


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(2)


def sky(shape):
    """Return an uneven sky: over the image it changes by ten times its noise."""
    y, x = np.mgrid[: shape[0], : shape[1]] / np.array(shape).reshape(2, 1, 1)
    return 300.0 + 40.0 * x - 25.0 * y + 20.0 * (x - 0.5) ** 2


def stars(shape, rng, count, flux):
    """Return stars with the wide wings of a seeing disc (Moffat, beta 2.5)."""
    image = np.zeros(shape)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    for y, x, f in zip(
        rng.uniform(0, shape[0], count), rng.uniform(0, shape[1], count),
        flux * rng.uniform(0.01, 1, count) ** 3, strict=True,
    ):  # fmt: skip
        y0, x0 = int(y), int(x)
        part = np.s_[max(y0 - 60, 0) : y0 + 61, max(x0 - 60, 0) : x0 + 61]
        image[part] += f / 20 * (1 + ((yy[part] - y) ** 2 + (xx[part] - x) ** 2) / 9) ** -2.5
    return image


@pytest.fixture(scope="module")
def field(rng):
    shape = (500, 640)
    truth = sky(shape)
    scene = truth + stars(shape, rng, 60, 1e5) + RMS * rng.standard_normal(shape)
    bad = np.zeros(shape, bool)
    scene[200:203], bad[200:203] = 1e5, True  # a flagged streak
    scene[:, 100], scene[50, 50] = np.nan, np.inf  # not flagged
    return scene.astype("f4"), bad, truth


def test_an_uneven_sky_under_stars(field):
    scene, bad, truth = field
    result = measure_background(scene, bad)
    assert result.level.dtype == result.rms.dtype == np.float32
    error = result.level - truth
    assert abs(error.mean()) < 0.1 * RMS
    assert error.std() < 0.15 * RMS
    assert np.abs(error).max() < RMS
    np.testing.assert_allclose(result.rms, RMS, rtol=0.12)
    assert result.rms.mean() == pytest.approx(RMS, rel=0.03)
    assert result.box == (50, 50)
    # ten boxes by thirteen of 640 / 13


def test_sources_are_left_out(field):
    scene, bad, truth = field
    found = measure_background(scene, bad).sources
    bright = np.nan_to_num(scene - truth, posinf=0) > 30 * RMS
    assert found[bright & ~bad].all()
    assert found.mean() < 0.5
    without = measure_background(scene, bad, source_pixels=0)
    assert not without.sources.any()
    assert (without.level - truth).mean() > 2 * (
        measure_background(scene, bad).level - truth
    ).mean()


def test_growth_threshold_and_size_of_sources(rng):
    image = 100.0 + rng.standard_normal((200, 200))
    image[100:103, 100:103] += 50.0
    image[30:32, 30:32] += 50.0  # four pixels
    clean = np.zeros(image.shape, bool)
    grown = measure_background(image, clean, source_sigma=6.0).sources
    assert grown[101, 101 + 7] and not grown[101, 101 + 9]
    assert not grown[30, 30]
    assert measure_background(image, clean, source_sigma=6.0, source_pixels=4).sources[30, 30]
    same = measure_background(image, clean, source_sigma=6.0, source_grow=1).sources
    assert same.sum() == 9
    assert not measure_background(image, clean, source_sigma=60.0).sources.any()


def test_boxes_and_smoothing(rng):
    image = RMS * rng.standard_normal((640, 320)) + 1000.0
    clean = np.zeros(image.shape, bool)
    assert measure_background(image, clean).box == (50, 54)
    assert measure_background(image, clean, boxes=4).box == (160, 80)
    assert measure_background(image, clean, smallest_box=100).box == (107, 107)
    rough = measure_background(image, clean, filter_size=1).level.std()
    assert measure_background(image, clean, filter_size=5).level.std() < 0.6 * rough


def test_error_of_the_level(rng):
    levels, told = [], 0.0
    clean = np.zeros((100, 100), bool)
    for _ in range(60):
        image = RMS * rng.standard_normal((100, 100))
        result = measure_background(image, clean, smallest_box=100, source_pixels=0)
        levels.append(result.level[50, 50])
        told = result.err[50, 50]
    assert np.std(levels) == pytest.approx(told, rel=0.25)


def test_clipping_and_estimators(rng):
    image = RMS * rng.standard_normal((300, 300)) + 1000.0
    image[rng.random(image.shape) < 0.05] += 60.0
    clean = np.zeros(image.shape, bool)
    options = {"source_pixels": 0, "exclude_percent": 50.0}
    clipped = measure_background(image, clean, sigma=3.0, **options).level.mean() - 1000
    loose = measure_background(image, clean, sigma=50.0, **options).level.mean() - 1000
    mode = measure_background(image, clean, sigma=3.0, estimator="mode", **options)
    assert abs(clipped) < 0.02 * RMS < 0.05 * RMS < loose
    assert abs(mode.level.mean() - 1000) < 0.03 * RMS
    assert not np.array_equal(mode.level, measure_background(image, clean, **options).level)


def test_a_crowded_box_is_filled_from_its_neighbours(rng):
    image = RMS * rng.standard_normal((300, 300)) + sky((300, 300))
    bad = np.zeros(image.shape, bool)
    image[100:150, 100:150], bad[100:150, 100:135] = 5000.0, True
    result = measure_background(image, bad)
    assert np.abs(result.level - sky(image.shape))[100:150, 100:150].max() < 2 * RMS


def test_blank_borders(rng):
    image = RMS * rng.standard_normal((300, 300)) + 50.0
    image[:60], image[:, 270:] = np.nan, np.nan
    result = measure_background(image, np.zeros(image.shape, bool))
    assert np.isfinite(result.level).all() and np.isfinite(result.err).all()
    np.testing.assert_allclose(result.level[60:, :270], 50.0, atol=0.3 * RMS)


def test_small_images_and_integers(rng):
    image = rng.poisson(900, (30, 20)).astype("u2")
    result = measure_background(image, np.zeros(image.shape, bool))
    assert result.box == (30, 20)
    assert result.level.mean() == pytest.approx(900, abs=5)


def test_what_makes_no_sense():
    image, clean = np.ones((100, 100)), np.zeros((100, 100), bool)
    with pytest.raises(ValueError, match="no box of 50 x 50 pixels"):
        measure_background(image, ~clean)
    with pytest.raises(ValueError, match="no box"):
        measure_background(np.full((100, 100), np.nan), clean)
    with pytest.raises(ValueError, match="filter_size 2"):
        measure_background(image, clean, filter_size=2)
    with pytest.raises(ValueError, match=r"'mean'.*median, mode"):
        measure_background(image, clean, estimator="mean")
    with pytest.raises(ValueError, match=r"\(100, 100\) and mask of \(99, 100\)"):
        measure_background(image, clean[1:])
