import numpy as np
import pytest

from coronx.ops.bad_pixel_search import Limits, search_image

LIMITS = Limits(3.8, 4.0, 1.25)
SHAPE = (120, 120)
NOISE = np.ones(SHAPE, np.float32)
WAYS = [(0, 1), (1, 0), (1, 1), (1, -1)]


def search(image, noise=NOISE, limits=LIMITS, **options):
    return search_image(image.astype(np.float32), noise, limits, fwhm=2.26, **options)


def noisy(truth, seed=1):
    return truth + np.random.default_rng(seed).normal(size=SHAPE)


def ridge(way, length=15):
    """Return pixels of a ridge one pixel wide, whose brightness varies as a PSF's would."""
    n = np.arange(-length, length + 1)
    height = 300.0 * (2.0 + np.sin(2 * np.pi * n / 9)) * np.exp(-0.5 * (n / (length / 3.5)) ** 2)
    truth = np.full(SHAPE, 5.0)
    truth[60 + n * way[0], 60 + n * way[1]] += height
    return truth


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sign", [1, -1])
def test_ridges_one_pixel_wide_are_scene(way, sign):
    truth = ridge(way)
    assert search(sign * noisy(truth)).sum() <= 1


def test_fringes_as_fine_as_the_full_pupil_allows_are_scene():
    # Period lambda / 6.5 m: 1.79 pixels of NIRCam in F356W.
    y, x = np.indices(SHAPE) - 60.0
    light = 500.0 * np.exp(-0.5 * (np.hypot(x, y) / 15) ** 2)
    for angle in np.radians([0, 30, 60, 90]):
        across = x * np.cos(angle) + y * np.sin(angle)
        fringes = light * (1 + 0.9 * np.cos(2 * np.pi * across / 1.79))
        found = search(noisy(fringes), np.sqrt(1 + fringes / 50).astype(np.float32))
        assert found.mean() < 3e-4


def test_bad_pixels_beside_a_ridge_are_found():
    truth = ridge((0, 1))
    truth[64, 60] += 60.0
    truth[56, 62] -= 60.0
    found = search(noisy(truth))
    assert found[[64, 56], [60, 62]].all()
    assert found.sum() <= 4


@pytest.mark.parametrize(
    "cluster",
    [
        [(0, 0), (0, 1), (0, 2)],
        [(0, 0), (1, 0), (2, 0)],
        [(0, 0), (0, 1), (1, 0), (1, 1)],
        [(0, 0), (1, 1), (2, 2)],
        [(0, 0), (0, 1), (1, 1)],
    ],
)
def test_a_cluster_where_nothing_is_around_is_found_whole(cluster):
    image = noisy(np.zeros(SHAPE))
    for y in range(10, 110, 10):
        for dy, dx in cluster:
            image[y + dy, 50 + dx] += 20.0 + y / 2
    found = search(image)
    for dy, dx in cluster:
        assert found[10 + dy : 110 + dy : 10, 50 + dx].all()
    assert found.sum() <= 10 * len(cluster) + 10


def test_only_where_it_is_told_to_look():
    image = noisy(np.zeros(SHAPE))
    image[20, 20] = image[80, 80] = 30.0
    look = np.zeros(SHAPE, bool)
    look[:40] = True
    found = search(image, look=look)
    assert found[20, 20]
    assert not found[80, 80]


def test_the_edge_and_gaps_do_not_matter():
    image = noisy(np.full(SHAPE, 1000.0))
    image[:, 30] = np.nan
    image[0, 50] += 30.0
    image[60, 31] -= 30.0
    found = search(image)
    assert found[[0, 60], [50, 31]].all()
    assert found.sum() <= 4
