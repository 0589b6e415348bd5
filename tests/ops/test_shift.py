import numpy as np
import pytest
from scipy.ndimage import fourier_shift

from coronx.ops.shift import shift_flags, shift_image, shift_variance

SHAPES = [(16, 16), (15, 15), (16, 15), (15, 16), (3, 5)]
SHIFTS = [(0.0, 0.0), (1.0, -2.0), (0.5, 0.5), (0.31, -1.74), (-20.2, 7.9)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shift", SHIFTS)
def test_shift_is_the_fourier_shift(shape, shift):
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=shape))
    if shape[0] % 2 == 0 and shape[1] % 2 == 0:
        # Of the one term at both Nyquist frequencies SciPy keeps cos(x + y), we cos(x) cos(y).
        spectrum[shape[0] // 2, shape[1] // 2] = 0.0
    image = np.fft.ifft2(spectrum).real
    truth = np.fft.ifft2(fourier_shift(np.fft.fft2(image), shift[::-1])).real
    moved = shift_image(image, np.array(shift))
    np.testing.assert_allclose(moved, truth, atol=1e-12)
    assert moved.dtype == np.float64


def test_content_moves_towards_larger_x_and_y():
    image = np.zeros((8, 9), np.float32)
    image[3, 4] = 1.0
    moved = shift_image(image, np.array([2.0, 1.0]))
    assert np.unravel_index(moved.argmax(), moved.shape) == (4, 6)
    np.testing.assert_allclose(moved, np.roll(image, (1, 2), (0, 1)), atol=1e-12)


def test_float32_is_moved_in_double_precision():
    image = np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32)
    shift = np.array([0.3, -0.7])
    np.testing.assert_array_equal(
        shift_image(image, shift), shift_image(image.astype(float), shift)
    )


def test_a_band_limited_scene_is_moved_exactly(speckles):
    moved = shift_image(speckles(64), np.array([0.4, -0.3]))
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(moved[inner], speckles(64, (0.4, -0.3))[inner], atol=1e-4)


def noise(rng, count, sigma, *, smooth):
    draws = rng.normal(size=(count, *sigma.shape))
    if smooth:
        # Noise that is alike in neighbouring pixels, of the same variance.
        draws = (draws + np.roll(draws, 1, axis=1)) / np.sqrt(2.0)
        draws = (draws + np.roll(draws, 1, axis=2)) / np.sqrt(2.0)
    return draws * sigma


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("shift", [(0.5, 0.5), (0.3, -1.8), (2.0, 0.25)])
def test_variance_is_that_of_moved_noise(smooth, shift):
    rng = np.random.default_rng(2)
    y, x = np.indices((41, 43))  # odd: white noise of even sizes loses the Nyquist term
    variance = 1.0 + 20.0 * np.exp(-((x - 20) ** 2 + (y - 19) ** 2) / (2 * 6.0**2))
    draws = noise(rng, 800, np.sqrt(variance), smooth=smooth)
    moved = np.array([shift_image(d, np.array(shift)) for d in draws])
    ratio = shift_variance(variance, np.array(shift)) / moved.var(axis=0)
    inner = ratio[6:-6, 6:-6]
    assert abs(inner.mean() - 1.0) < 0.02
    assert np.abs(inner - 1.0).max() < 0.3  # 5 % statistical error a pixel
    for ring in (variance < 3.0, variance > 10.0):
        assert abs(inner[ring[6:-6, 6:-6]].mean() - 1.0) < 0.06


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_wild_variance_is_a_local_matter(shift):
    variance = np.ones((41, 43), np.float32)
    variance[20, 21] = 2500.0
    moved = shift_variance(variance, np.array(shift))
    assert moved.dtype == np.float32
    assert (moved >= 0.999).all()
    y, x = np.nonzero(moved > 1.001)
    if y.size:
        assert np.abs(x - 21 - shift[0]).max() < 3.51
        assert np.abs(y - 20 - shift[1]).max() < 3.51


def test_variance_is_never_negative_and_keeps_its_level():
    rng = np.random.default_rng(3)
    variance = rng.exponential(size=(30, 30)) ** 4
    for shift in rng.uniform(-3, 3, (20, 2)):
        assert (shift_variance(variance, shift) >= 0.0).all()
    np.testing.assert_allclose(
        shift_variance(np.full((9, 8), 4.0), np.array([5.3, -2.6])), 4.0, 1e-6
    )


def test_whole_steps_move_a_variance_unchanged_and_hold_the_edge():
    variance = np.arange(30.0).reshape(5, 6)
    moved = shift_variance(variance, np.array([2.0, -1.0]))
    np.testing.assert_array_equal(moved[:4, 2:], variance[1:, :4])
    np.testing.assert_array_equal(moved[:4, 0], variance[1:, 0])
    np.testing.assert_array_equal(moved[4], moved[3])


def flagged(shape=(9, 10)):
    flags = np.zeros(shape, np.uint32)
    flags[4, 5], flags[4, 6] = 4, 2
    return flags


@pytest.mark.parametrize(
    ("shift", "columns"),
    [
        (0.0, {5}),
        (0.05, {5}),
        (0.5, {5, 6}),
        (0.15, {5, 6}),
        (0.95, {6}),
        (-0.05, {5}),
        (-1.3, {3, 4}),
    ],
)
def test_flags_go_where_their_pixel_overlaps_by_a_tenth(shift, columns):
    flags = np.zeros((9, 10), np.uint32)
    flags[4, 5] = 4
    moved = shift_flags(flags, np.array([shift, 0.0]), outside=0)
    assert set(np.nonzero(moved[4] & 4)[0]) == columns
    assert set(np.nonzero(moved)[0]) == {4}
    turned = shift_flags(flags.T.copy(), np.array([0.0, shift]), outside=0)
    np.testing.assert_array_equal(turned, moved.T)


def test_flags_that_meet_are_united():
    moved = shift_flags(flagged(), np.array([0.5, 0.5]), outside=0)
    np.testing.assert_array_equal(moved[4, 5:8], [4, 6, 2])
    np.testing.assert_array_equal(moved[5], moved[4])
    assert np.count_nonzero(moved) == 6


@pytest.mark.parametrize("step", [0.0, 0.4, -0.4, 0.6, -0.6, 3.0, -3.2, 30.0])
def test_what_comes_from_beyond_the_frame_is_outside(step):
    moved = shift_flags(flagged(), np.array([step, 0.0]), outside=513)
    source = np.arange(10) - step
    beyond = (source < -0.5) | (source > 9.5)
    np.testing.assert_array_equal((moved == 513).all(axis=0), beyond)
    assert not (moved[:, ~beyond] & 512).any()


def test_flags_do_not_wrap_around():
    flags = np.zeros((6, 6), np.uint32)
    flags[:, 5] = 8
    moved = shift_flags(flags, np.array([1.0, 0.0]), outside=1)
    assert not (moved & 8).any()
    np.testing.assert_array_equal(moved[:, 0], 1)
