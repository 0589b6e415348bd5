import numpy as np
import pytest
from scipy.signal import fftconvolve

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.map_correlation import map_correlation
from coronx.ops.ring_noise import ring_noise
from coronx.ops.ring_tails import tail_freedom
from tests.ops.subtracted_frames import gaussian_kernel, matrix

GRID = FluxGrid(40, 0.1)
FWHM = 0.25
KERNEL = gaussian_kernel(2.5, 8)
CORRELATION = map_correlation(KERNEL, matrix(scale=0.1))
FAR = (GRID.separation > 1.5) & (GRID.separation < 3.5)


def noise(seed, *, strong=1.0):
    """Return noise as smooth as a PSF's map, stronger in a quarter of every ring."""
    values = np.random.default_rng(seed).normal(size=GRID.shape)
    values = fftconvolve(values, KERNEL, mode="same")
    quarter = (GRID.east > 0.0) & (GRID.north > 0.0)
    return values / values.std() * np.where(quarter, strong, 1.0)


def freedom(values, masked=()):
    told = {"fwhm": FWHM, "correlation": CORRELATION, "masked": masked}
    return tail_freedom(values, GRID, ring_noise(values, GRID, **told), **told)


def test_gaussian_noise_has_the_tails_of_a_gaussian():
    found = np.array([freedom(noise(seed))[FAR] for seed in range(12)])
    assert np.isinf(found).mean() > 0.7
    assert np.median(found[np.isfinite(found)]) > 20.0


def test_unequal_noise_has_the_freedom_of_its_kurtosis():
    strong = 3.0
    found = np.array([1.0 / freedom(noise(seed, strong=strong))[FAR] for seed in range(12)])
    kurtosis = 3.0 * (0.25 * strong**4 + 0.75) / (0.25 * strong**2 + 0.75) ** 2
    # One standard error, some 0.4 of a kurtosis of 7, is taken off.
    assert np.mean(found) == pytest.approx(1.0 / (4.0 + 6.0 / (kurtosis - 3.0)), rel=0.2)


def test_companions_are_no_tails():
    values = noise(1)
    bright = values.copy()
    for east in (2.0, -2.4):
        bright += 8.0 * np.exp(
            -4.0 * np.log(2.0) * ((GRID.east - east) ** 2 + GRID.north**2) / FWHM**2
        )
    # That they widen the scatter of their rings alone is seen.
    assert np.median(1.0 / freedom(bright)[FAR]) < 0.07
    # As noise, as much light would be a heavy tail.
    assert np.median(1.0 / freedom(2.0 * values - bright)[FAR]) > 0.12


def test_unknown_pixels_do_not_spread():
    values = noise(2, strong=3.0)
    values[np.random.default_rng(3).random(GRID.shape) < 0.03] = np.nan
    found = freedom(values)[FAR]
    assert not np.isnan(found).any()
    assert np.mean(1.0 / found) == pytest.approx(
        np.mean(1.0 / freedom(noise(2, strong=3.0))[FAR]), rel=0.2
    )


def test_nothing_known():
    assert np.isinf(freedom(np.full(GRID.shape, np.nan))).all()
