import numpy as np
import pytest

from coronx.ops.inpainting import fill_smoothly
from coronx.ops.median import fill_local_median


@pytest.fixture
def blemished(speckles):
    scene = speckles(64)
    bad = np.random.default_rng(0).random(scene.shape) < 0.02
    return scene, bad, fill_local_median(np.where(bad, np.nan, scene), bad)


def test_closer_than_a_median(blemished):
    scene, bad, median = blemished
    smooth = fill_smoothly(median, bad)
    errors = [np.abs(filled - scene)[bad].max() for filled in (smooth, median)]
    assert errors[0] < 0.4 * errors[1]


def test_good_pixels_and_the_input_are_left_alone(blemished):
    _, bad, median = blemished
    before = median.copy()
    smooth = fill_smoothly(median, bad)
    np.testing.assert_array_equal(median, before)
    np.testing.assert_array_equal(smooth[~bad], median[~bad])


def test_single_pixels_are_the_minimum_of_the_roughness(blemished):
    _, bad, median = blemished
    ky, kx = (2 * np.pi * np.fft.fftfreq(n) for n in bad.shape)
    laplacian = ky[:, None] ** 2 + kx**2

    def roughness(image):
        return np.sum(np.abs(np.fft.fft2(image) * laplacian) ** 2)

    smooth = fill_smoothly(median, bad)
    least = roughness(smooth)
    assert least < roughness(median)
    rng = np.random.default_rng(1)
    for _ in range(5):
        nudged = smooth + 1e-3 * bad * rng.normal(size=bad.shape)
        assert roughness(nudged) > least


@pytest.mark.parametrize("shape", [(16, 15), (15, 16)])
def test_wide_gaps_and_nothing_bad(shape):
    image = np.ones(shape)
    bad = np.zeros(shape, bool)
    np.testing.assert_array_equal(fill_smoothly(image, bad), image)
    bad[:, :6] = True
    filled = fill_smoothly(np.where(bad, 0.0, image), bad)
    assert np.isfinite(filled).all()
    assert (np.abs(filled - 0.5) <= 0.6).all()
    assert np.isfinite(fill_smoothly(image, np.ones(shape, bool))).all()
