import numpy as np
import pytest

from coronx.ops.color_reference import color_reference
from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf

SIZE, STAR = 64, (30.3, 33.8)
CHANGE = 0.003
ROWS, COLS = np.indices((SIZE, SIZE))


def speckles(stretch=0.0, seed=3):
    """Return blobs about the star, their distances from it stretched."""
    rng = np.random.default_rng(seed)
    places, heights = rng.uniform(-18.0, 18.0, (40, 2)), rng.uniform(20.0, 100.0, 40)
    width = 1.6 * (1.0 + stretch)
    image = np.zeros((SIZE, SIZE))
    for (dx, dy), height in zip(places * (1.0 + stretch), heights, strict=True):
        square = (COLS - STAR[0] - dx) ** 2 + (ROWS - STAR[1] - dy) ** 2
        image += height * np.exp(-0.5 * square / width**2)
    return image


def images(data, err=None, bad=None):
    data = np.asarray(data, np.float32)
    return Images(
        data,
        np.ones_like(data) if err is None else np.asarray(err, np.float32),
        np.zeros(data.shape, bool) if bad is None else bad,
    )


def test_it_is_the_difference_of_stars_of_two_colours():
    small = 0.0003  # of first order
    truth = speckles(small) - speckles()
    given = images([speckles(), 3.0 * speckles()])
    found = color_reference(given, STAR, change=small)
    assert found.data.shape == found.err.shape == found.bad.shape == (1, SIZE, SIZE)
    assert found.data.dtype == found.err.dtype == np.float32
    # The mean of both is twice as bright as the first.
    assert np.abs(found.data[0] - 2.0 * truth).max() < 0.02 * np.abs(truth).max()
    some = color_reference(given, STAR, change=small, used=np.array([True, False]))
    assert np.abs(some.data[0] - truth).max() < 0.02 * np.abs(truth).max()


def test_a_star_of_another_colour_is_subtracted_by_it():
    given = images([speckles()])
    added = color_reference(given, STAR, change=CHANGE)
    both = images(np.concatenate([given.data, added.data]))
    target = images([2.0 * speckles(0.7 * CHANGE)])
    alone, together = (
        np.std(subtract_psf(target, stars, truncate=(2,)).residual) for stars in (given, both)
    )
    assert alone > 0.1
    assert together < 0.02 * alone


def test_its_error_is_the_scatter_of_noise():
    rng = np.random.default_rng(5)
    err = 1.0 + 0.5 * np.sin(COLS / 9.0)
    err = np.stack([err, 2.0 * err])
    draws = np.stack([
        color_reference(images(rng.normal(0.0, err), err), STAR, change=CHANGE).data[0]
        for _ in range(300)
    ])  # fmt: skip
    told = color_reference(images(np.zeros_like(err), err), STAR, change=CHANGE).err[0]
    inner = slice(6, -6)
    ratio = draws.std(axis=0)[inner, inner] / told[inner, inner]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)
    assert np.percentile(np.abs(ratio - 1.0), 95) < 0.2


def test_blemishes_stay_where_they_are():
    truth = color_reference(images([speckles(), 2.0 * speckles()]), STAR, change=CHANGE)
    data = np.stack([speckles(), 2.0 * speckles()])
    data[1, 30, 40] = np.nan  # bad in one: the other tells it
    data[:, 12, 20] = np.nan  # bad in both
    bad = np.zeros(data.shape, bool)
    bad[:, :, 0] = True
    err = np.ones_like(data)
    err[1, 30, 40] = np.nan
    given = images(data, err, bad)
    before = given.data.copy(), given.err.copy(), given.bad.copy()
    found = color_reference(given, STAR, change=CHANGE)
    for old, new in zip(before, (given.data, given.err, given.bad), strict=True):
        np.testing.assert_array_equal(new, old)
    lost = bad[0]
    lost[12, 20] = True
    np.testing.assert_array_equal(found.bad[0], lost)
    assert np.isfinite(found.data).all()
    assert np.isfinite(found.err).all()
    away = np.hypot(ROWS - 12, COLS - 20) > 4.0
    assert np.abs(found.data - truth.data)[0, away & ~lost].max() < 0.05 * np.abs(truth.data).max()


def test_even_and_odd_frames_alike():
    odd = color_reference(images([speckles()[:-1, :-1]]), STAR, change=CHANGE).data
    even = color_reference(images([speckles()]), STAR, change=CHANGE).data
    np.testing.assert_allclose(odd[0], even[0, :-1, :-1], atol=1e-3)


def test_nothing_to_make_it_of():
    given = images(np.full((2, SIZE, SIZE), np.nan))
    with pytest.raises(ValueError, match="no reference has a good pixel"):
        color_reference(given, STAR, change=CHANGE)
