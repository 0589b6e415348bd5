import numpy as np
import pytest
from scipy.signal import fftconvolve
from scipy.special import erfc

from coronx.ops.core_filter import core_filter
from coronx.ops.map_correlation import map_correlation
from tests.ops.subtracted_frames import SCALE, gaussian_kernel, matrix

FWHM = 2.6
WIDTH = FWHM / 2.3548 * SCALE  # the PSF's sigma in arcsec


def test_a_gaussian_psf_has_the_known_smoothness():
    found = map_correlation(gaussian_kernel(FWHM), np.array([matrix(), matrix(30.0)]))
    # rho = exp(-d^2 / 4 s^2)
    assert found.roughness == pytest.approx(0.5 / WIDTH**2, rel=1e-3)
    assert found.extent(0.25) == pytest.approx(2.0 * WIDTH * np.sqrt(np.log(4.0)), abs=found.step)


def test_lengths_of_a_thin_ring_are_integrals_along_a_line():
    found = map_correlation(gaussian_kernel(FWHM), matrix())
    of_mean, of_variance, beyond = found.lengths(1e-9)
    assert beyond == of_mean
    assert of_mean == pytest.approx(2.0 * np.sqrt(np.pi) * WIDTH, rel=1e-3)
    assert of_variance == pytest.approx(np.sqrt(2.0 * np.pi) * WIDTH, rel=1e-3)
    wide = found.lengths(FWHM * SCALE)
    assert wide[0] < of_mean
    assert wide[1] < of_variance


def test_what_is_beyond_and_what_a_small_ring_holds():
    found = map_correlation(gaussian_kernel(FWHM), matrix())
    of_mean, _, beyond = found.lengths(1e-9, clearance=2.0 * WIDTH)
    assert beyond / of_mean == pytest.approx(erfc(1.0), rel=0.12)
    # Around a ring of correlation c it is its circumference times the mean of c.
    radius = 2.0 * WIDTH
    chord = 2.0 * radius * np.sin(np.linspace(0.0, np.pi, 2001)[:-1])
    mean = np.exp(-0.25 * (chord / WIDTH) ** 2).mean()
    small = found.lengths(1e-9, radius=radius)[0]
    assert small == pytest.approx(2.0 * np.pi * radius * mean, rel=1e-2)


def test_scale_and_direction_of_the_frame_do_not_matter():
    kernel = gaussian_kernel(FWHM)
    coarse = map_correlation(kernel, matrix(scale=0.2))
    fine = map_correlation(kernel, matrix(70.0, scale=0.1))
    assert fine.roughness == pytest.approx(4.0 * coarse.roughness)
    assert fine.lengths(0.1)[0] == pytest.approx(0.5 * coarse.lengths(0.2)[0], rel=1e-3)


def test_a_long_psf_is_rough_across_only():
    y, x = np.indices((31, 31)) - 15
    long = np.exp(-0.5 * ((x / 3.0) ** 2 + (y / 1.2) ** 2))
    found = map_correlation(long, matrix(scale=1.0))
    assert found.roughness == pytest.approx(0.5 / (3.0 * 1.2), rel=1e-2)


def test_a_large_psf_counts_near_its_peak():
    small = map_correlation(gaussian_kernel(FWHM, 20), matrix())
    large = map_correlation(gaussian_kernel(FWHM, 90), matrix())
    assert large.roughness == pytest.approx(small.roughness, rel=1e-9)


def test_a_filter_has_its_own_noise_and_image():
    kernel = gaussian_kernel(2.3, 12)
    plain = map_correlation(kernel, matrix()[None])
    assert plain.sharpness == plain.roughness
    weights = core_filter(kernel, 1.9)
    found = map_correlation(kernel, matrix()[None], weights=weights)
    assert found.roughness > found.sharpness > plain.roughness
    noise = fftconvolve(weights, weights[::-1, ::-1])
    assert found.radial[4] == pytest.approx(noise[24, 25] / noise[24, 24], rel=0.01)
