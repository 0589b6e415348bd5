import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import j1

from coronx.ops.blur import blur_frame, blur_sigma
from coronx.ops.interpolation import move_frame

NONE = np.zeros((80, 82), bool)


def scene(seed=1):
    return 5.0 + np.random.default_rng(seed).normal(size=NONE.shape)


@pytest.mark.parametrize("sigma", [0.4, 1.1, 6.0])
def test_a_blur_is_a_gaussian_convolution(sigma):
    data = scene()
    blurred = blur_frame(data, np.ones(data.shape), NONE, sigma)
    inner = np.s_[25:-25, 25:-25]
    expected = gaussian_filter(data, sigma, truncate=np.ceil(4.0 * sigma) / sigma)
    np.testing.assert_allclose(blurred.data[inner], expected[inner], atol=1e-10)
    np.testing.assert_allclose(blurred.coverage[inner], 1.0)


def test_bad_pixels_and_edges_pull_nothing_down():
    data, bad = np.full(NONE.shape, 7.0), NONE.copy()
    bad[30:33, 40] = bad[10, 10] = True
    data[bad] = 1e8
    data[50, 50] = np.nan
    blurred = blur_frame(data, np.ones(data.shape), bad, 1.2)
    np.testing.assert_allclose(blurred.data, 7.0)
    assert np.isfinite(blurred.variance).all()


def test_where_nothing_good_is_in_reach_there_is_nothing():
    data, bad = scene(), NONE.copy()
    bad[20:50, 20:50] = True
    data[bad] = np.nan
    blurred = blur_frame(data, np.ones(data.shape), bad, 1.0)
    assert np.isnan(blurred.data[30:40, 30:40]).all()
    assert np.isnan(blurred.variance[30:40, 30:40]).all()
    assert np.isfinite(blurred.data[~bad]).all()
    assert (blurred.coverage[30:40, 30:40] == 0.0).all()


def test_variance_is_that_of_blurred_noise():
    rng = np.random.default_rng(3)
    y, x = np.indices(NONE.shape)
    variance = 1.0 + 20.0 * np.exp(-((x - 40) ** 2 + (y - 40) ** 2) / (2 * 8.0**2))
    bad = rng.random(NONE.shape) < 0.05
    draws = rng.normal(size=(400, *NONE.shape)) * np.sqrt(variance)
    scatter = np.var([blur_frame(d, variance, bad, 0.9).data for d in draws], axis=0)
    ratio = blur_frame(draws[0], variance, bad, 0.9).variance / scatter
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert np.abs(ratio - 1.0).max() < 0.45  # 7 % statistical error a pixel


def test_single_precision_stays_single_and_inputs_stay_as_they_are():
    inputs = [scene().astype("f4"), np.ones(NONE.shape, "f4"), NONE.copy()]
    copies = [i.copy() for i in inputs]
    blurred = blur_frame(*inputs, 1.1)
    assert blurred.data.dtype == blurred.variance.dtype == np.float32
    double = blur_frame(inputs[0].astype("f8"), *inputs[1:], 1.1)
    np.testing.assert_allclose(blurred.data, double.data, rtol=1e-5)
    for given, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(given, copy)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan])
def test_a_width_that_is_none_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be positive"):
        blur_frame(scene(), scene(), NONE, sigma)


def test_the_sigma_that_makes_a_psf_wide_enough():
    # Of F250M behind 5.2 m, 1.57 pixels of 0.063"; widths add in quadrature to 3.45.
    sigma = blur_sigma(1.57)
    assert np.hypot(1.57, 2.35482 * sigma) == pytest.approx(3.45)
    assert sigma == pytest.approx(1.3045, abs=1e-3)
    assert blur_sigma(3.45) == blur_sigma(5.0) == 0.0


def undersampled(place, fwhm=1.57, fine=5):
    """Return a star of peak 1: an Airy disc of lambda / D = `fwhm` pixels, summed over pixels."""
    size = 64
    steps = (np.arange(size * fine) + 0.5) / fine - 0.5
    radius = np.pi * np.hypot(*np.meshgrid(steps - place[0], steps - place[1])) / fwhm
    light = (2.0 * j1(np.maximum(radius, 1e-9)) / np.maximum(radius, 1e-9)) ** 2
    image = light.reshape(size, fine, size, fine).mean(axis=(1, 3))
    return image / image.max()


@pytest.mark.parametrize("method", ["fourier", "spline", "lanczos"])
def test_an_undersampled_core_does_not_ring_once_blurred(method):
    before, after = undersampled((31.0, 32.0)), undersampled((31.5, 32.5))
    after *= before.sum() / after.sum()
    none, flags = np.zeros(before.shape, bool), np.zeros(before.shape, np.uint32)
    sigma = blur_sigma(1.57)
    y, x = np.indices(before.shape)
    beside = np.hypot(x - 31.5, y - 32.5) > 2.0
    rings = {}
    for blur in (0.0, sigma):
        moved = move_frame(
            before, before, flags, none, np.array([0.5, 0.5]), outside=1, method=method, blur=blur
        ).data
        truth = gaussian_filter(after, blur) if blur else after
        rings[blur] = np.abs(moved - truth)[beside & np.isfinite(moved)].max() / truth.max()
    assert rings[sigma] < 0.01
    assert rings[0.0] > 2.0 * rings[sigma]
    assert rings[0.0] > 0.01
    print(method, rings)
