import numpy as np
import pytest

from coronx.ops.bad_pixel_map import dead_pixels, deviant_pixels

NY, NX, NOISE = 300, 400, 2.0


@pytest.fixture(scope="module")
def dark():
    """Return a dark with amplifier glow, the places of hot pixels and of cold ones."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:NY, :NX]
    glow = 100.0 * np.exp(-((x - NX) ** 2 + (y - NY) ** 2) / 200.0**2)
    image = 20.0 + glow + rng.normal(0.0, NOISE, (NY, NX))
    hot, cold = rng.random((NY, NX)) < 0.005, rng.random((NY, NX)) < 0.001
    cold &= ~hot
    # At five standard deviations from their level as measured, and far above.
    image[hot] = (20.0 + glow)[hot] + NOISE * rng.choice([5.0, 6.0, 20.0, 5000.0], hot.sum())
    image[cold] = (20.0 + glow)[cold] - 8.0 * NOISE
    return image, hot, cold


def test_pixels_of_five_sigma_are_found_and_few_others(dark):
    image, hot, cold = dark
    found = deviant_pixels(image)
    assert (found.hot & hot).sum() >= 0.99 * hot.sum()
    assert (found.cold & cold).sum() >= 0.99 * cold.sum()
    # By chance 3 in 100 000 are that far off on either side.
    false = (found.hot & ~hot).sum() + (found.cold & ~cold).sum()
    assert false < 2 * 6e-5 * image.size + 15
    assert found.noise == pytest.approx(NOISE, rel=0.03)


def test_one_median_for_all_takes_glow_for_hot_pixels(dark):
    image, hot, _ = dark
    whole = deviant_pixels(image, box=0)
    assert (whole.hot & ~hot).sum() > 500
    flat = np.random.default_rng(1).normal(20.0, NOISE, (NY, NX))
    flat[5, 5] += 100.0
    found = deviant_pixels(flat, box=0)
    assert found.hot[5, 5]
    assert found.level == pytest.approx(20.0, abs=0.05)


def test_sigma_is_the_limit(dark):
    image, hot, _ = dark
    counts = [deviant_pixels(image, sigma=s).hot.sum() for s in (3.0, 4.0, 5.5)]
    assert counts[0] > counts[1] > counts[2]
    assert counts[2] == pytest.approx(0.75 * hot.sum(), rel=0.1)


def test_known_and_empty_pixels_are_not_found_again(dark):
    image, hot, _ = dark
    spoiled = image.copy()
    spoiled[100:140, 100:140] = np.nan
    bad = np.zeros(image.shape, bool)
    bad[200:210] = True
    found = deviant_pixels(spoiled, bad)
    deviant = found.hot | found.cold
    assert not deviant[100:140, 100:140].any()
    assert not deviant[200:210].any()
    left = hot & ~bad & np.isfinite(spoiled)
    assert (found.hot & left).sum() >= 0.99 * left.sum()
    with pytest.raises(ValueError, match="no good pixel"):
        deviant_pixels(np.full((50, 50), np.nan))


def test_dead_pixels_of_a_vignetted_flat():
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:NY, :NX]
    flat = 1.0 - 0.6 * ((x - 200) ** 2 + (y - 150) ** 2) / 250**2
    flat *= rng.normal(1.0, 0.01, flat.shape)
    dead, bright = rng.random(flat.shape) < 0.002, rng.random(flat.shape) < 0.0005
    flat[dead] *= 0.3
    flat[bright & ~dead] *= 1.8
    flat[50, 50] = np.nan
    np.testing.assert_array_equal(dead_pixels(flat), dead | bright)
    assert not dead_pixels(flat, low=0.2, high=2.0).any()
    assert dead_pixels(flat, low=0.2, high=1.5).sum() == (bright & ~dead).sum()
    with pytest.raises(ValueError, match="no good pixel"):
        dead_pixels(flat, np.ones(flat.shape, bool))
