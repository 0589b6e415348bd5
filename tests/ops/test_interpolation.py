import numpy as np
import pytest
from scipy import ndimage

from coronx.ops.interpolation import move_frame

METHODS = ("fourier", "spline", "lanczos")
OUTSIDE, UNUSABLE, REPAIRED, OTHER = 513, 1, 8, 64


def move(data, shift, *, bad=None, variance=None, flags=None, **options):
    bad = np.zeros(data.shape, bool) if bad is None else bad
    flags = np.where(bad, UNUSABLE, 0).astype(np.uint32) if flags is None else flags
    variance = np.ones(data.shape) if variance is None else variance
    options = {"outside": OUTSIDE, "repaired": REPAIRED, "unusable": UNUSABLE} | options
    return move_frame(data, variance, flags, bad, np.array(shift), **options)


def blob(shape, place, fwhm=2.6):
    y, x = np.indices(shape)
    square = (x - place[0]) ** 2 + (y - place[1]) ** 2
    return np.exp(-4.0 * np.log(2.0) * square / fwhm**2)


@pytest.mark.parametrize("shift", [(0.4, -0.3), (0.5, 0.5), (3.3, -1.45)])
@pytest.mark.parametrize(
    ("method", "error"), [("fourier", 1e-4), ("spline", 5e-3), ("lanczos", 8e-3)]
)
@pytest.mark.parametrize("size", [64, 65])
def test_a_band_limited_scene_is_moved_to_where_it_is(speckles, method, error, shift, size):
    moved = move(speckles(size), shift, method=method)
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(moved.data[inner], speckles(size, shift)[inner], atol=error)
    assert moved.data.dtype == np.float64
    single = move(speckles(size).astype("f4"), shift, method=method)
    assert single.data.dtype == np.float32
    np.testing.assert_allclose(single.data[inner], moved.data[inner], atol=2e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("blur", [0.0, 1.1])
def test_flux_is_conserved_to_a_thousandth(method, blur):
    rng = np.random.default_rng(1)
    y, x = np.indices((64, 64))
    for _ in range(10):
        place, shift = rng.uniform(25, 35, 2), rng.uniform(-3, 3, 2)
        source = blob((64, 64), place)
        moved = move(source, shift, method=method, blur=blur).data
        aperture = np.hypot(x - place[0] - shift[0], y - place[1] - shift[1]) < 12.0
        assert moved[aperture].sum() == pytest.approx(source.sum(), rel=1e-3)


def test_spline_is_scipys(speckles):
    shift = (0.37, -0.21)
    moved = move(speckles(64), shift, method="spline")
    theirs = ndimage.shift(speckles(64), shift[::-1], order=5, mode="mirror")
    np.testing.assert_allclose(moved.data, theirs, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_blur_is_a_convolution_in_the_same_interpolation(speckles, method):
    shift = (0.4, -0.3)
    blurred = ndimage.gaussian_filter(speckles(64, shift), 1.2, truncate=8.0)
    moved = move(speckles(64), shift, method=method, blur=1.2)
    inner = np.s_[10:-10, 10:-10]
    np.testing.assert_allclose(moved.data[inner], blurred[inner], atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_bad_pixels_do_not_spread(speckles, method):
    shift = (0.4, -0.3)
    data, bad = 100.0 * speckles(64), np.zeros((64, 64), bool)
    for value, place in ((np.nan, (20, 30)), (1e6, (33, 31)), (np.inf, (40, 25)), (1e6, (40, 26))):
        data[place], bad[place] = value, True
    moved = move(data, shift, bad=bad, method=method)
    clean = move(100.0 * speckles(64), shift, method=method)
    np.testing.assert_allclose(moved.data, clean.data, atol=2.5)  # of a peak of 100
    told = moved.flags & REPAIRED != 0
    assert 4 * 4 >= told.sum() >= 9
    assert told[20, 30]
    assert not (moved.flags & UNUSABLE)[5:-5, 5:-5].any()


def test_what_is_not_finite_is_bad_without_being_told(speckles):
    data = speckles(64).copy()
    data[30, 30] = np.nan
    moved = move(data, (0.4, 0.0), flags=np.zeros(data.shape, np.uint32))
    assert np.isfinite(moved.data).all()
    assert (moved.flags[30, 30:32] == REPAIRED).all()
    assert np.count_nonzero(moved.flags) == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_gap_too_wide_to_fill_stays_a_gap(speckles, method):
    data, bad = speckles(64).copy(), np.zeros((64, 64), bool)
    bad[10:15, 40:45] = True
    bad[:, :3] = True
    data[bad] = np.nan
    moved = move(data, (0.4, -0.3), bad=bad, method=method)
    gone = np.isnan(moved.data)
    assert gone[10:14, 41:44].all()
    assert gone[1:-1, :3].all()
    assert gone.sum() < 5 * 64 + 50
    assert (moved.flags[gone] & UNUSABLE).all()
    assert np.array_equal(np.isnan(moved.variance), gone)
    away = np.s_[20:, 10:]
    clean = move(speckles(64), (0.4, -0.3), method=method)
    np.testing.assert_allclose(moved.data[away], clean.data[away], atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [(6.3, 0.0), (-0.6, -7.7), (6.0, 0.0), (80.5, 0.0)])
def test_nothing_wraps_around_and_the_frame_keeps_its_size(method, shift):
    data = 5.0 + 1e3 * blob((48, 50), (45.0, 44.0), fwhm=3.5)
    moved = move(data, shift, method=method)
    assert moved.data.shape == data.shape
    sy, sx = (np.arange(n) - s for n, s in ((48, shift[1]), (50, shift[0])))
    beyond = ~(((sy >= -0.5) & (sy <= 47.5))[:, None] & ((sx >= -0.5) & (sx <= 49.5))[None, :])
    assert np.array_equal(np.isnan(moved.data), beyond)
    assert np.array_equal(moved.flags == OUTSIDE, beyond)
    left = moved.data[:, :20]
    np.testing.assert_allclose(left[np.isfinite(left)], 5.0, atol=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_a_slope_does_not_ring_at_the_edges(method):
    y, x = np.indices((48, 50))
    data = 10.0 + 0.5 * x + 0.3 * y
    moved = move(data, (0.4, -0.3), method=method)
    truth = data - 0.5 * 0.4 + 0.3 * 0.3
    assert np.abs(moved.data - truth)[4:-4, 4:-4].max() < 0.08
    # As a plain Fourier shift does, whose frame ends in a step.
    plain = ndimage.fourier_shift(np.fft.fft2(data), (-0.3, 0.4))
    assert np.abs(np.fft.ifft2(plain).real - truth)[4:-4, 4:-4].max() > 0.8


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [(0.5, 0.5), (2.3, -0.2)])
@pytest.mark.parametrize("blur", [0.0, 0.9])
def test_variance_is_that_of_moved_noise(method, shift, blur):
    rng = np.random.default_rng(2)
    y, x = np.indices((79, 80))
    variance = 1.0 + 20.0 * np.exp(-((x - 40) ** 2 + (y - 39) ** 2) / (2 * 6.0**2))
    draws = rng.normal(size=(400, 79, 80)) * np.sqrt(variance)
    options = {"method": method, "blur": blur, "variance": variance}
    scatter = np.var([move(d, shift, **options).data for d in draws], axis=0)
    ratio = move(draws[0], shift, **options).variance / scatter
    inner = ratio[8:-8, 8:-8]
    assert inner.mean() == pytest.approx(1.0, abs=0.04)
    assert np.abs(inner - 1.0).max() < 0.45  # 7 % statistical error a pixel
    assert move(draws[0], shift, **options).variance.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_a_wild_variance_stays_local_and_unknown_ones_are_filled(speckles, method):
    variance = np.ones((64, 64))
    variance[20, 20] = 1e6
    variance[40, 40], variance[50, 50], variance[45, 20] = np.nan, -4.0, np.inf
    moved = move(speckles(64), (0.5, 0.5), method=method, variance=variance).variance
    assert np.isfinite(moved).all()
    row, col = np.nonzero(moved > 1.01)
    assert np.abs(row - 20.5).max() < 8
    assert np.abs(col - 20.5).max() < 8
    np.testing.assert_allclose(moved[36:, 16:], moved[60, 60], rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_whole_pixels_are_moved_as_they_are(speckles, method):
    data, bad = speckles(64).astype("f4"), np.zeros((64, 64), bool)
    data[30, 30], bad[30, 30] = np.nan, True
    flags = np.where(bad, UNUSABLE | OTHER, 0).astype(np.uint32)
    moved = move(data, (2.0, -3.0), bad=bad, flags=flags, method=method)
    np.testing.assert_array_equal(moved.data[:-3, 2:], data[3:, :-2])
    assert moved.flags[27, 32] == UNUSABLE | OTHER
    assert np.isnan(moved.data[-3:]).all()
    assert np.isnan(moved.data[:, :2]).all()
    still = move(data, (0.0, 0.0), bad=bad, flags=flags, method=method)
    np.testing.assert_array_equal(still.data, data)
    np.testing.assert_array_equal(still.flags, flags)
    untold = move(data, (0.0, 0.0), bad=bad, flags=flags * 0, method=method)
    assert np.argwhere(untold.flags == UNUSABLE).tolist() == [[30, 30]]


def test_pixels_that_see_no_sky_are_not_filled(speckles):
    data, bad = speckles(64).copy(), np.zeros((64, 64), bool)
    bad[20, 20] = bad[40, 40] = True
    flags = np.where(bad, UNUSABLE, 0).astype(np.uint32)
    flags[40, 40] |= OTHER
    moved = move(data, (0.4, 0.0), bad=bad, flags=flags, blank=OTHER)
    assert np.argwhere(np.isnan(moved.data)).tolist() == [[40, 40], [40, 41]]
    assert (moved.flags[40, 40:42] == UNUSABLE | OTHER).all()
    assert (moved.flags[20, 20:22] == REPAIRED).all()


def test_flags_move_with_the_image(speckles):
    flags = np.zeros((64, 64), np.uint32)
    flags[20, 30] = OTHER
    moved = move(speckles(64), (1.4, 0.0), flags=flags)
    assert set(np.nonzero(moved.flags[20] & OTHER)[0]) == {31, 32}
    assert set(np.nonzero(moved.flags & OTHER)[0]) == {20}


def test_inputs_are_not_changed(speckles):
    data, bad = speckles(64).copy(), np.zeros((64, 64), bool)
    data[30, 30], bad[20, 20] = np.nan, True
    inputs = [data, np.ones((64, 64)), np.zeros((64, 64), np.uint32), bad]
    for shift in ((0.4, 0.2), (1.0, 0.0), (0.0, 0.0)):
        copies = [i.copy() for i in inputs]
        moved = move_frame(*inputs, np.array(shift), outside=OUTSIDE)
        moved.data[:] = moved.variance[:] = 7.0
        moved.flags[:] = 7
        for given, copy in zip(inputs, copies, strict=True):
            np.testing.assert_array_equal(given, copy)


def test_an_unknown_method_is_refused(speckles):
    with pytest.raises(ValueError, match="method must be"):
        move(speckles(64), (0.4, 0.2), method="linear")


def test_an_image_all_bad_is_nothing():
    moved = move(np.full((40, 40), np.nan), (0.4, 0.2))
    assert np.isnan(moved.data).all()
    assert (moved.flags & UNUSABLE).all()
