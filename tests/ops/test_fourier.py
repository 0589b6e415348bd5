import numpy as np
import pytest

from coronx.ops.fourier import apply_ramp, forward, frequencies, inverse, phase, without_nyquist


@pytest.mark.parametrize("size", [8, 9])
def test_frequencies_and_ramps_are_those_of_numpy(size):
    np.testing.assert_allclose(frequencies(size), 2 * np.pi * np.fft.fftfreq(size))
    np.testing.assert_allclose(frequencies(size, half=True), 2 * np.pi * np.fft.rfftfreq(size))
    assert phase(size, 0.3, half=True).size == size // 2 + 1
    np.testing.assert_allclose(np.fft.ifft(phase(size, 0.3)).imag, 0.0, atol=1e-15)
    np.testing.assert_allclose(phase(size, 0.0), 1.0)


@pytest.mark.parametrize("shape", [(16, 16), (15, 12)])
def test_there_and_back(shape):
    image = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_allclose(inverse(forward(image), shape), image, atol=1e-14)


def test_single_precision_stays_single():
    image = np.random.default_rng(0).normal(size=(12, 14)).astype(np.float32)
    moved = apply_ramp(forward(image), np.array([0.3, -0.2]), image.shape)
    assert moved.dtype == np.float32
    double = apply_ramp(forward(image.astype(float)), np.array([0.3, -0.2]), image.shape)
    np.testing.assert_allclose(moved, double, atol=1e-6)


@pytest.mark.parametrize("shape", [(16, 16), (15, 16), (15, 15)])
def test_without_nyquist_terms_moves_add_up_and_keep_the_energy(shape):
    image = np.random.default_rng(0).normal(size=shape)
    first, second = np.array([0.3, -0.8]), np.array([-0.1, 0.45])
    spectrum = without_nyquist(forward(image), shape)
    start = inverse(spectrum.copy(), shape)
    once = apply_ramp(spectrum, first + second, shape)
    twice = apply_ramp(forward(apply_ramp(spectrum, first, shape)), second, shape)
    np.testing.assert_allclose(twice, once, atol=1e-14)
    np.testing.assert_allclose((once**2).sum(), (start**2).sum(), rtol=1e-13)
