import numpy as np
import pytest
from scipy.spatial import KDTree

from coronx.ops.star_finding import find_stars, nearest
from tests.ops.star_scenes import blemishes, gaussian, moffat, star_grid, star_scene

SIZE = (256, 256)


def _flux(count, low=3.6, high=5.3, seed=4):
    return 10 ** np.random.default_rng(seed).uniform(low, high, count)


def _nothing():
    return np.zeros(SIZE, bool)


def _matched(found, scene, radius=1.0):
    distance, index = KDTree(np.column_stack([scene.x, scene.y])).query(
        np.column_stack([found.x, found.y])
    )
    return distance < radius, index


@pytest.mark.parametrize(
    ("fwhm", "options"),
    [(1.8, {}), (3.3, {}), (7.0, {}), (4.0, {"ratio": 0.45, "angle": 50.0})],
)
def test_all_stars_and_no_others(fwhm, options):
    x, y = star_grid(SIZE, 38 if fwhm > 5 else 24)
    scene = star_scene(x, y, _flux(x.size, low=4.0), gaussian(fwhm, **options), size=SIZE)
    image, bad = blemishes(scene.image)
    found = find_stars(image, bad, _nothing(), err=scene.err)
    match, index = _matched(found, scene)
    assert match.all()
    assert np.unique(index).size == index.size
    # One may lie on the dead column.
    missing = np.setdiff1d(np.arange(x.size), index)
    assert len(missing) <= 1
    round_fwhm = fwhm * np.sqrt(options.get("ratio", 1.0))
    assert found.fwhm == pytest.approx(round_fwhm, rel=0.015)
    pull = (found.x - scene.x[index]) / found.x_sigma
    assert np.sqrt(np.nanmean(pull**2)) < 1.35
    assert np.median(found.level) == pytest.approx(200.0, abs=1.0)
    assert np.median(found.rms) == pytest.approx(np.sqrt(200 / 1.5 + (8 / 1.5) ** 2), rel=0.04)


def test_a_wide_psf_is_found_from_a_narrow_start():
    x, y = star_grid(SIZE, 60, margin=30)
    scene = star_scene(x, y, np.full(x.size, 3e5), moffat(14.0, 4.765), size=SIZE, reach=60)
    found = find_stars(scene.image, _nothing(), _nothing(), fwhm=3.0)
    match, index = _matched(found, scene)
    assert match.all()
    assert np.unique(index).size == x.size
    assert found.fwhm == pytest.approx(14.0, rel=0.12)  # a Gaussian's, of a Moffat profile


def test_blank_sky_has_no_stars():
    rng = np.random.default_rng(8)
    image = 100.0 + 5.0 * rng.normal(size=SIZE)
    image[:40, :40] = np.nan
    found = find_stars(image, np.isnan(image), _nothing())
    assert found.x.size == 0
    assert np.isnan(found.fwhm)
    assert np.median(found.rms) == pytest.approx(5.0, rel=0.05)


def test_saturated_stars_are_one_each_at_their_middle():
    x, y = star_grid(SIZE, 38)
    flux = np.full(x.size, 2e4)
    flux[::7] = 3e6
    scene = star_scene(x, y, flux, gaussian(4.0), size=SIZE)
    full = scene.image > 4e4
    image = np.minimum(scene.image, 4e4)
    found = find_stars(image, _nothing(), full, err=scene.err)
    match, index = _matched(found, scene)
    assert match.all()
    assert np.unique(index).size == x.size
    assert set(index[found.saturated]) == set(range(0, x.size, 7))
    assert np.isnan(found.x_sigma[found.saturated]).all()


def test_hot_pixels_and_a_column_are_no_stars():
    x, y = star_grid(SIZE, 38)
    scene = star_scene(x, y, _flux(x.size, low=4.0), gaussian(3.5), size=SIZE)
    image = scene.image.copy()
    rng = np.random.default_rng(9)
    image[rng.integers(0, 256, 60), rng.integers(0, 256, 60)] += 3000.0
    image[:, 200] += 150.0
    found = find_stars(image, _nothing(), _nothing(), err=scene.err)
    match, _ = _matched(found, scene, 1.5)
    assert np.count_nonzero(~match) <= 2
    assert found.fwhm == pytest.approx(3.5, rel=0.02)


def test_too_few_good_pixels():
    with pytest.raises(ValueError, match="only 0 good pixels"):
        find_stars(np.zeros(SIZE), ~_nothing(), _nothing())


def test_nearest():
    x, y = np.array([0.0, 3.0, 10.0]), np.array([0.0, 4.0, 4.0])
    np.testing.assert_allclose(nearest(x, y), [5.0, 5.0, 7.0])
    assert np.isinf(nearest(x[:1], y[:1])).all()
