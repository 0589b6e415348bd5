"""Colour pictures: what is grey, what has colour, what is black."""

import numpy as np
import pytest

from coronx.ops.color_image import black_and_white, compose, fill_blemishes

TINT = np.array([2.0, 1.0, 0.5])  # light that a grey source has in the three images
SKY = np.array([1000.0, 20.0, -3.0])


def star(y, x, flux, shape=(120, 150), width=1.5):
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return flux * np.exp(-0.5 * ((yy - y) ** 2 + (xx - x) ** 2) / width**2)


@pytest.fixture
def scene():
    """Return a field of grey stars, one red and one blue, on three different skies."""
    rng = np.random.default_rng(6)
    grey = np.zeros((120, 150))
    for y, x in rng.uniform(10, 110, (60, 2)):
        grey += star(y, x, 100 * rng.uniform(0.1, 1))
    planes = SKY[:, None, None] + TINT[:, None, None] * grey
    planes[0] += 2.0 * star(60, 130, 60.0)
    planes[2] += 0.5 * star(30, 130, 60.0)
    planes += 0.3 * TINT[:, None, None] * rng.standard_normal(planes.shape)
    return planes.astype("f4")


@pytest.mark.parametrize("stretch", ["gamma", "asinh"])
def test_grey_is_grey_and_colours_are_colours(scene, stretch):
    picture = compose(scene, black_and_white(scene), stretch=stretch)
    assert picture.shape == (120, 150, 3)
    assert picture.min() == 0.0 and 0.9 < picture.max() <= 1.0
    red, blue = picture[60, 130], picture[30, 130]
    assert red[0] > 0.7 and red[0] > 3 * red[1:].max()
    assert blue[2] > 0.7 and blue[2] > 3 * blue[:2].max()
    bright = picture.mean(axis=-1) > 0.4
    assert bright.sum() > 200
    assert np.median(np.ptp(picture[bright], axis=-1)) < 0.05
    dark = np.median(picture, axis=(0, 1))
    assert (dark < 0.08).all()


def test_black_and_white_are_quantiles(scene):
    each = black_and_white(scene, low=0.25, high=0.99, neutral=False)
    np.testing.assert_allclose(np.array(each).T, np.quantile(scene, (0.25, 0.99), axis=(1, 2)))
    picture = compose(scene, each)
    for channel in np.moveaxis(picture, -1, 0):
        assert np.mean(channel <= 0.0) == pytest.approx(0.25, abs=0.07)


def test_saturated_stars_do_not_set_the_tint(scene):
    clipped = scene.copy()
    clipped[0] = np.minimum(clipped[0], SKY[0] + 60.0)  # red saturates at a third of its light
    neutral = compose(clipped, black_and_white(clipped, high=0.9999))
    own = compose(clipped, black_and_white(clipped, high=0.9999, neutral=False))
    faint = (scene[1] - SKY[1] > 3) & (scene[1] - SKY[1] < 8)
    faint[20:70, 120:] = False

    def tint(picture):
        red, green, _ = np.median(picture[faint], axis=0)
        return red / green - 1.0

    assert tint(own) > 0.4  # faint ones turn red
    assert abs(tint(neutral)) < 0.3 * tint(own)


def test_gamma_saturation_balance_softening(scene):
    levels = black_and_white(scene)
    plain = compose(scene, levels, saturation=1.0)
    x = (scene[1] - levels[1][0]) / (levels[1][1] - levels[1][0])
    low = (x > 0.0) & (x < 0.3)
    np.testing.assert_allclose(plain[low, 1], x[low] ** (1 / 2.2), rtol=1e-5)
    linear = compose(scene, levels, gamma=1.0, saturation=1.0)
    np.testing.assert_allclose(linear[low, 1], x[low], rtol=1e-5)
    grey = compose(scene, levels, saturation=0.0)
    np.testing.assert_allclose(grey, grey[..., :1] * np.ones(3), atol=1e-12)
    vivid = compose(scene, levels, saturation=2.0)
    assert np.ptp(vivid, axis=-1).mean() > 1.5 * np.ptp(plain, axis=-1).mean()
    no_red = compose(scene, levels, balance=(0.0, 1.0, 1.0), saturation=1.0)
    assert not no_red[..., 0].any()
    np.testing.assert_allclose(no_red[..., 1:], plain[..., 1:])
    soft, hard = (compose(scene, levels, stretch="asinh", softening=s).mean() for s in (0.02, 0.5))
    assert soft > 1.5 * hard
    strong, weak = (compose(scene, levels, stretch="asinh", q=q)[60, 133, 0] for q in (20.0, 0.5))
    assert strong < weak


def test_cores_are_not_cut(scene):
    """What is three times white still rises towards its centre, and goes over to white."""
    planes = scene + 300.0 * TINT[:, None, None] * star(60, 75, 1.0, width=4.0)
    planes[0] += 200.0 * TINT[0] * star(60, 75, 1.0, width=4.0)
    picture = compose(planes, [(s, s + 60 * t) for s, t in zip(SKY, TINT, strict=True)])
    line = picture[60, 75:90, 0]
    assert (np.diff(line) <= 1e-9).all()
    assert (picture[60, 75] > 0.95).all()
    assert np.ptp(picture[60, 75]) < 0.5 * np.ptp(picture[60, 82])


@pytest.mark.parametrize("stretch", ["gamma", "asinh"])
def test_saturated_pixels_are_white(scene, stretch):
    planes = scene.copy()
    planes[:, 60, 75] = SKY + TINT * 100
    planes[1, 60, 75] = SKY[1] + 10  # green was saturated
    mask = np.zeros(planes.shape[1:], bool)
    mask[60, 75] = True
    levels = black_and_white(scene)
    assert np.ptp(compose(planes, levels, stretch=stretch)[60, 75]) > 0.3
    assert np.ptp(compose(planes, levels, stretch=stretch, saturated=mask)[60, 75]) < 0.01


def test_pixels_without_a_value_are_black_and_alone(scene):
    whole = compose(scene, black_and_white(scene))
    holed = scene.copy()
    holed[1, 40:42, 50:52] = np.nan
    holed[2, :5] = np.inf
    picture = compose(holed, black_and_white(holed))
    gone = ~np.isfinite(holed).all(axis=0)
    assert not picture[gone].any()
    assert np.isfinite(picture).all()
    np.testing.assert_allclose(picture[~gone], whole[~gone], atol=0.05)


def test_filling():
    truth = SKY[1] + star(60, 75, 1000.0, width=6.0)
    lost = np.zeros(truth.shape, bool)
    lost[66, 75] = lost[50, 30] = True
    lost[:, 100] = True
    values = truth.copy()
    values[lost] = 1e6
    values[59, 30] = np.nan
    filled = fill_blemishes(values, lost)
    np.testing.assert_allclose(filled, truth, atol=30.0)
    good = ~lost & np.isfinite(values)
    np.testing.assert_array_equal(filled[good], truth[good])


def test_holes_and_borders():
    yy, xx = np.mgrid[:200, :200]
    plane = 100.0 + xx.astype(float)
    core = (yy - 60) ** 2 + (xx - 60) ** 2 < 10**2  # a lost core: filled
    void = (yy - 140) ** 2 + (xx - 130) ** 2 < 30**2  # too large to guess
    border = (xx < 20) | (yy > xx + 130)  # beyond the image
    plane[core | void | border] = np.nan
    filled = fill_blemishes(plane, np.zeros(plane.shape, bool))
    np.testing.assert_allclose(filled[core], 100 + xx[core], atol=11)
    assert np.isnan(filled[140, 130])
    assert np.isnan(filled[border]).mean() > 0.99  # a sharp corner is rounded
    assert np.isfinite(filled[~void & ~border]).all()
    assert np.isnan(filled[void]).mean() > 0.95


def test_nothing_to_fill_and_nothing_left():
    plane, none = np.arange(20.0).reshape(4, 5), np.zeros((4, 5), bool)
    np.testing.assert_array_equal(fill_blemishes(plane, none), plane)
    assert np.isnan(fill_blemishes(plane, ~none)).all()


def test_what_makes_no_sense(scene):
    levels = black_and_white(scene)
    with pytest.raises(ValueError, match=r"'log'.*gamma, asinh"):
        compose(scene, levels, stretch="log")
    with pytest.raises(ValueError, match="2 images, 3 levels, 3 factors"):
        compose(scene[:2], levels)
    with pytest.raises(ValueError, match="no pixel has a value"):
        black_and_white(np.full((3, 5, 5), np.nan))
    flat = scene.copy()
    flat[1] = 7.0
    with pytest.raises(ValueError, match="image 2: its black and its white are both 7"):
        black_and_white(flat)
