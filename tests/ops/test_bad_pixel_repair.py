import numpy as np
import pytest
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans

from coronx.ops.bad_pixel_repair import METHODS, repair_pixels

SHAPE = (4, 96, 96)
FWHM = 2.3
GOOD = np.zeros(SHAPE, bool)


@pytest.fixture(scope="module")
def scene(speckles):
    """Return truth and errors; speckles as fine as the PSF, one integration brighter."""
    rng = np.random.default_rng(1)
    moves = rng.normal(scale=0.02, size=(SHAPE[0], 2))
    truth = np.stack([500.0 * speckles(96, tuple(move)) for move in moves]) + 1.0
    truth[2] *= 1.1
    return truth, np.sqrt(0.5 + truth / 50.0)


def spoiled(scene, seed, share=0.02):
    """Return data with garbage and NaN in single pixels and pairs, in some integrations each."""
    truth, err = scene
    rng = np.random.default_rng(seed)
    data = truth + rng.normal(size=SHAPE) * err
    bad = rng.random(SHAPE) < share
    bad[:, :, 1:] |= bad[:, :, :-1] & (rng.random((*SHAPE[:2], SHAPE[2] - 1)) < 0.3)
    errors = np.where(bad, np.nan, err)
    return np.where(bad, np.where(rng.random(SHAPE) < 0.5, np.nan, 1e5), data), errors, bad


@pytest.mark.parametrize("method", METHODS)
def test_errors_are_honest_and_values_unbiased(scene, method):
    truth, err = scene
    pulls, bright, bias = [], [], []
    for seed in range(3):
        data, errors, bad = spoiled(scene, seed)
        made = repair_pixels(data, errors, bad, GOOD, methods=(method,), fwhm=FWHM)
        done = bad & ~made.left
        assert done.sum() > 0.95 * bad.sum()
        pull = (made.images - truth) / made.err
        pulls.append(pull[done])
        bright.append(pull[done & (truth > 10 * err)])
        bias.append(((made.images - truth) / err)[done & (truth < 1.05)])
        np.testing.assert_array_equal(made.images[~bad], data[~bad])
        assert (made.err[done] >= 0.7 * err[done]).all()
    pulls, bright, bias = (np.concatenate(a) for a in (pulls, bright, bias))
    print(method, pulls.std(), bright.std(), bias.mean())
    assert pulls.std() <= 1.0
    assert bright.std() <= 1.15
    # Where there are speckles, medians and a kernel fill the dark between them.
    assert bias.size > 200
    assert abs(bias.mean()) <= 0.2


@pytest.mark.parametrize("methods", [("interp2d",), ("timemed", "interp2d", "medfilt")])
def test_the_best_methods_are_unbiased_everywhere(scene, methods):
    truth, err = scene
    data, errors, bad = spoiled(scene, 5)
    made = repair_pixels(data, errors, bad, GOOD, methods=methods, fwhm=FWHM)
    assert abs(((made.images - truth) / err)[bad].mean()) <= 0.2
    assert not made.left.any()


def test_a_brighter_integration_keeps_its_brightness(scene):
    truth, err = scene
    y, x = np.unravel_index(np.argmax(truth[2]), SHAPE[1:])
    data, bad = truth.copy(), GOOD.copy()
    data[2, y, x], bad[2, y, x] = 0.0, True
    made = repair_pixels(data, err, bad, GOOD, methods=("timemed",), fwhm=FWHM)
    assert made.images[2, y, x] == pytest.approx(truth[2, y, x], rel=0.02)
    assert abs(np.median(truth[[0, 1, 3], y, x]) / truth[2, y, x] - 1) > 0.05


def test_methods_take_what_those_before_left(scene):
    data, errors, bad = spoiled(scene, 6)
    bad[:, 30, 30] = bad[:, 60:67, 60:67] = True
    made = repair_pixels(
        data, errors, bad, GOOD, methods=("timemed", "localmed", "medfilt"), fwhm=FWHM
    )
    timed = bad & ~bad.all(axis=0)
    assert made.counts["timemed"] == pytest.approx(timed.sum(), rel=0.01)
    assert made.counts["localmed"] >= 4
    assert made.left[:, 63, 63].all()
    assert sum(made.counts.values()) + made.left.sum() == bad.sum()


def test_bad_values_do_not_enter_medians():
    # A median filter over the whole box would give what the bad pixels hold.
    data, bad = np.ones((1, 20, 20)), np.zeros((1, 20, 20), bool)
    bad[0, 8:13, 8:13] = True
    bad[0, 8:13:4, 8:13:4] = False
    data[bad] = 1e6
    for method in ("medfilt", "interp2d", "kernel"):
        made = repair_pixels(
            data, np.ones_like(data), bad, bad & False, methods=(method,), fwhm=2.3
        )
        np.testing.assert_allclose(made.images[~made.left], 1.0)


@pytest.mark.parametrize("place", [(0, 0), (0, 50), (95, 95), (95, 3), (40, 0)])
def test_interpolation_is_right_at_the_edges(place):
    # Offsets of x and y must not be swapped where the box is cut.
    y, x = np.indices(SHAPE[1:])
    data = np.broadcast_to(3.0 * y - 5.0 * x, (1, 96, 96)).copy()
    bad = np.zeros(data.shape, bool)
    bad[0][place] = True
    truth = data[0][place]
    data[bad] = np.nan
    made = repair_pixels(
        data, np.ones_like(data), bad, bad & False, methods=("interp2d",), fwhm=5.0
    )
    assert made.images[0][place] == pytest.approx(truth, abs=6.0)
    assert abs(made.images[0][place] - truth) < 3 * made.err[0][place]


def test_the_kernel_is_astropys(scene):
    data, errors, bad = spoiled(scene, 7)
    made = repair_pixels(data, errors, bad, GOOD, methods=("kernel",), fwhm=FWHM, kernel_fwhm=3.0)
    kernel = Gaussian2DKernel(3.0 / 2.3548200450309493)
    inner = np.s_[8:-8, 8:-8]
    theirs = interpolate_replace_nans(np.where(bad, np.nan, data)[0], kernel)
    np.testing.assert_allclose(made.images[0][inner], theirs[inner], rtol=1e-6)


def test_pixels_to_avoid_are_left_alone(scene):
    data, errors, bad = spoiled(scene, 8)
    avoid = GOOD.copy()
    avoid[:, :, :20] = True
    data[:, :, :20] = 1e7
    made = repair_pixels(data, errors, bad, avoid, methods=("interp2d", "kernel"), fwhm=FWHM)
    np.testing.assert_array_equal(made.images[:, :, :20], 1e7)
    assert (made.images[:, :, 20:] < 1e4).all()


def test_no_method_leaves_all_and_unknown_ones_are_refused(scene):
    data, errors, bad = spoiled(scene, 9)
    made = repair_pixels(data, errors, bad, GOOD, methods=(), fwhm=FWHM)
    np.testing.assert_array_equal(made.left, bad)
    np.testing.assert_array_equal(made.images, data)
    with pytest.raises(ValueError, match=r"'magic'; known are timemed, .*kernel"):
        repair_pixels(data, errors, bad, GOOD, methods=("magic",), fwhm=FWHM)


def test_the_median_filter_needs_as_many_good_pixels_as_are_asked():
    data, err = np.ones((1, 20, 20)), np.full((1, 20, 20), 0.1)
    bad = np.zeros(data.shape, bool)
    bad[0, 8:13, 8:13] = True
    bad[0, 8, [8, 10, 12]] = False
    data[bad] = 1e6
    for fewest, left in ((3, False), (4, True)):
        made = repair_pixels(
            data, err, bad, bad & False, methods=("medfilt",), fwhm=2.0, medfilt_fewest=fewest
        )
        assert made.left[0, 10, 10] == left
        assert made.images[0, 10, 10] == (1e6 if left else 1.0)
