import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from coronx.ops.cosmic_rays import find_cosmic_rays, saturated_stars

SIZE = 256
GAIN, NOISE, FULL = 2.0, 8.0, 30000.0


def scene(fwhm=3.5, seed=2, sky=200.0, hits=60, stars=40):
    """Return an image of stars with hits, its errors, the hits and the places of the stars."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIZE, SIZE))
    light = np.full((SIZE, SIZE), sky)
    places = rng.uniform(12, SIZE - 12, (stars, 2))
    for (cy, cx), peak in zip(places, np.geomspace(60, 25000, stars), strict=True):
        light += peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 2 / (fwhm / 2.3548) ** 2)
    struck = np.zeros((SIZE, SIZE))
    for _ in range(hits):
        r, c = rng.integers(4, SIZE - 4, 2)
        dr, dc = rng.choice([-1, 0, 1], 2)
        for n in range(rng.integers(1, 5)):
            struck[np.clip(r + n * dr, 0, SIZE - 1), np.clip(c + n * dc, 0, SIZE - 1)] += (
                rng.uniform(300, 3000)
            )
    data = rng.poisson((light + struck) * GAIN) / GAIN + rng.normal(0, NOISE / GAIN, light.shape)
    err = np.sqrt((light + struck) / GAIN + (NOISE / GAIN) ** 2)
    return data, err, struck > 0, places, light


# Of stars as sharp as hits, many hits cannot be told.
@pytest.mark.parametrize(("fwhm", "share"), [(2.5, 0.6), (3.5, 0.95), (5.0, 0.95)])
def test_hits_are_found_and_stars_left_alone(fwhm, share):
    data, err, hit, places, light = scene(fwhm)
    found = find_cosmic_rays(data, err, np.zeros(hit.shape, bool), psf_fwhm=fwhm)
    away = hit & (light < 230)
    assert (found & away).sum() >= share * away.sum()
    beside = binary_dilation(hit, np.ones((3, 3)))
    assert (found & ~beside).sum() <= 0.0002 * found.size
    cores = tuple(np.round(places).astype(int).T)
    assert not (found[cores] & ~hit[cores]).any()


def test_the_sky_may_be_subtracted_and_the_unit_is_free():
    data, err, hit, _, _ = scene()
    none = np.zeros(hit.shape, bool)
    first = find_cosmic_rays(data, err, none)
    second = find_cosmic_rays((data - 200.0) * 1e-3, err * 1e-3, none)
    assert (first != second).sum() <= 0.02 * first.sum()


def test_bad_pixels_and_gaps_are_not_looked_at():
    data, err, hit, _, _ = scene()
    bad = np.zeros(hit.shape, bool)
    bad[:, :100] = True
    data[50:60, 120:130] = np.nan
    err[200:205, 150:160] = np.nan
    found = find_cosmic_rays(data, err, bad)
    assert not found[:, :100].any()
    assert not found[50:60, 120:130].any()
    assert not found[200:205, 150:160].any()
    rest = hit & ~bad
    rest[50:60, 120:130] = rest[200:205, 150:160] = False
    # Nor does a gap look like an edge.
    assert found[46:64, 116:134].sum() <= rest[46:64, 116:134].sum()
    assert (found & rest).sum() >= 0.9 * rest.sum()


def test_saturated_stars_are_protected_and_saturated_hits_are_not():
    data, err, hit, _, _ = scene(hits=0, stars=0)
    y, x = np.indices(hit.shape)
    data += 40 * FULL * np.exp(-((y - 60) ** 2 + (x - 60) ** 2) / 2 / 1.5**2)
    data[20:120, 60:62] = 5 * FULL  # charge that bleeds
    data[200, 200:203] = 2 * FULL
    err = np.sqrt(np.maximum(data, 0) / GAIN + (NOISE / GAIN) ** 2)
    saturated = data >= FULL
    data = np.minimum(data, FULL)
    found = find_cosmic_rays(data, err, ~np.isfinite(data), saturated=saturated)
    assert found[200, 200:203].all()
    assert not found[20:120, 50:72].any()
    star = saturated_stars(data, saturated)
    assert star[20:120, 60:62].all()
    assert not star[190:210, 190:215].any()
    assert not saturated_stars(data, np.zeros(hit.shape, bool)).any()


def test_the_original_fine_structure_and_limits():
    data, err, hit, _, _ = scene(5.0)
    none = np.zeros(hit.shape, bool)
    median = find_cosmic_rays(data, err, none, psf_fwhm=None)
    assert (median & hit).sum() > 0.9 * hit.sum()
    strict = find_cosmic_rays(data, err, none, sigclip=60.0, sigfrac=0.9)
    assert 0 < strict.sum() < 0.7 * median.sum()
    assert find_cosmic_rays(data, err, none, objlim=1e6).sum() < 0.2 * median.sum()
    assert find_cosmic_rays(data, err, none, niter=1).sum() <= median.sum()


def test_an_image_that_is_all_bad_is_refused():
    with pytest.raises(ValueError, match="no good pixel"):
        find_cosmic_rays(np.zeros((9, 9)), np.ones((9, 9)), np.ones((9, 9), bool))


@pytest.mark.parametrize("row", [0, 1, 2])
def test_hits_at_the_edges_are_found_and_stars_there_are_kept(row):
    rng = np.random.default_rng(3)
    y, x = np.indices((60, 60))
    data = rng.normal(100.0, 5.0, (60, 60))
    star = 8000.0 * np.exp(-0.5 * ((x - 40) ** 2 + (y - 4) ** 2) / 1.5**2)
    data += star
    data[row, 10:13] += 400.0
    err = np.sqrt(25.0 + star)
    found = find_cosmic_rays(data, err, np.zeros((60, 60), bool))
    assert found[row, 10:13].all()
    assert not found[:12, 30:50].any()
