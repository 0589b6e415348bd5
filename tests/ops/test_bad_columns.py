import numpy as np
import pytest

from coronx.ops.bad_columns import find_bad_columns

NY, NX, NOISE = 320, 240, 10.0


def blank(seed=0, *, stars=0):
    """Return an image of a sloping sky with noise, stars and a galaxy."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:NY, :NX]
    image = 200.0 + 0.05 * x + 0.02 * y + rng.normal(0.0, NOISE, (NY, NX))
    for _ in range(stars):
        y0, x0, flux = rng.uniform(0, NY), rng.uniform(0, NX), rng.exponential(800.0)
        image += flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 8.0)
    if stars:
        image += 300.0 * np.exp(-(((x - 120) / 30) ** 2) - ((y - 150) / 50) ** 2)
    return image


@pytest.mark.parametrize("stars", [0, 60])
def test_a_clean_image_has_none(stars):
    for seed in range(5):
        assert find_bad_columns(blank(seed, stars=stars)) == []
        assert find_bad_columns(blank(seed, stars=stars).T) == []


@pytest.mark.parametrize("stars", [0, 60])
def test_a_single_column_two_neighbours_and_a_part(stars):
    image = blank(1, stars=stars)
    image[:, 40] += 10.0
    image[:, 100:102] -= 10.0
    image[150:, 180] += 15.0
    found = find_bad_columns(image)
    assert [one.column for one in found] == [40, 100, 101, 180]
    assert [one.whole for one in found] == [True, True, True, False]
    part = found[-1]
    assert abs(part.first - 150) <= (30 if stars else 12)
    assert part.last == NY - 1
    assert found[0].offset == pytest.approx(10.0, abs=2.0)
    assert found[1].offset == pytest.approx(-10.0, abs=3.0)
    assert all(one.score > 5.0 for one in found)


def test_neighbours_score_as_a_column_alone():
    image = blank(2)
    image[:, 40] += 20.0
    image[:, 100:102] += 20.0
    image[:, 160:163] += 20.0
    found = {one.column: one.score for one in find_bad_columns(image)}
    assert sorted(found) == [40, 100, 101, 160, 161, 162]
    assert min(found.values()) > 0.6 * found[40]


def test_parts_of_one_column_are_found_one_by_one():
    image = blank(3)
    image[:80, 60] += 25.0
    image[200:280, 60] += 25.0
    image[100:150, 120] -= 25.0
    found = [(one.column, one.first, one.last) for one in find_bad_columns(image)]
    expected = [(60, 0, 79), (60, 200, 279), (120, 100, 149)]
    assert [column for column, _, _ in found] == [60, 60, 120]
    assert np.abs(np.array(found) - expected).max() <= 3


def test_columns_at_the_edges():
    image = blank(4)
    image[:, 0] += 12.0
    image[:, NX - 1] -= 12.0
    assert [one.column for one in find_bad_columns(image)] == [0, NX - 1]


def test_vignetting_is_not_bad_columns():
    y, x = np.mgrid[:NY, :NX]
    flat = 1.0 - 0.8 * ((x - 120) / 150) ** 2 - 0.2 * ((y - 160) / 160) ** 2
    flat -= 0.02 * np.maximum(x - 210, 0)  # the edge of a filter
    flat *= np.random.default_rng(5).normal(1.0, 0.003, flat.shape)
    assert find_bad_columns(flat) == []
    flat[:, 70] *= 0.99
    assert [one.column for one in find_bad_columns(flat)] == [70]


def test_pixels_that_are_bad_already_are_left_out():
    image = blank(6)
    bad = np.zeros(image.shape, bool)
    image[:, 50] += 500.0
    bad[:, 50] = True
    image[:, 90] = np.nan
    image[:, 52] += 8.0
    image[::7, 130] += 3000.0  # hot pixels
    assert [one.column for one in find_bad_columns(image, bad)] == [52]


def test_weak_columns_are_below_the_limit():
    image = blank(7)
    image[:, 40] += 4.0
    assert [one.column for one in find_bad_columns(image)] == [40]
    assert find_bad_columns(image, sigma=12.0) == []


def test_the_window_has_its_limits():
    image = blank(8)
    image[:, 100:104] += 20.0
    assert [one.column for one in find_bad_columns(image, window=21)] == [100, 101, 102, 103]
    for window in (3, NX + 1):
        with pytest.raises(ValueError, match=f"window {window}"):
            find_bad_columns(image, window=window)
