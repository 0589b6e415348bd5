import numpy as np
import pytest
from scipy.signal import fftconvolve

from coronx.ops.field_statistics import t_value
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.map_correlation import map_correlation
from coronx.ops.ring_noise import ring_noise
from coronx.ops.ring_tails import noise_tails
from tests.ops.subtracted_frames import gaussian_kernel, matrix

GRID = FluxGrid(40, 0.1)
FWHM = 0.25
KERNEL = gaussian_kernel(2.5, 8)
CORRELATION = map_correlation(KERNEL, matrix(scale=0.1))
FAR = (GRID.separation > 1.5) & (GRID.separation < 3.5)
LOBES = np.abs(GRID.east) < 0.4 * np.abs(GRID.north)  # a quarter of every ring
INSIDE = np.abs(GRID.east) < 0.15 * np.abs(GRID.north)


def noise(seed, *, strong=1.0, where=LOBES):
    """Return noise as smooth as a PSF's map, stronger in some places."""
    values = np.random.default_rng(seed).normal(size=GRID.shape)
    values = fftconvolve(values, KERNEL, mode="same")
    return values / values.std() * np.where(where, strong, 1.0)


def tails(values, masked=()):
    told = {"fwhm": FWHM, "correlation": CORRELATION, "masked": masked}
    return noise_tails(values, GRID, ring_noise(values, GRID, **told), **told)


def test_gaussian_noise_has_the_tails_of_a_gaussian():
    found = [tails(noise(seed)) for seed in range(12)]
    freedom = np.array([each.freedom[FAR] for each in found])
    assert np.isinf(freedom).mean() > 0.5
    assert np.median(freedom[np.isfinite(freedom)]) > 20.0
    assert np.std([each.scale[FAR] for each in found]) < 0.06


def test_noise_is_as_strong_as_it_is_at_its_place():
    strong = 3.0
    found = [tails(noise(seed, strong=strong)) for seed in range(12)]
    ring = np.sqrt(0.24 * strong**2 + 0.76)
    bright = np.mean([each.scale[FAR & INSIDE] for each in found])
    faint = np.mean([each.scale[FAR & (np.abs(GRID.north) < np.abs(GRID.east))] for each in found])
    # A sector of 2.5 FWHM to either side is wider than what is bright.
    assert bright == pytest.approx(strong / ring, rel=0.12)
    assert faint == pytest.approx(1.0 / ring, rel=0.2)


def test_unequal_noise_that_no_sector_shows_has_the_freedom_of_its_kurtosis():
    strong = 4.0
    few = np.random.default_rng(7).random(GRID.shape) < 0.01
    few = fftconvolve(few.astype(float), np.ones((5, 5)), mode="same") > 0.5
    share = few[FAR].mean()
    found = np.array(
        [1.0 / tails(noise(seed, strong=strong, where=few)).freedom[FAR] for seed in range(12)]
    )
    kurtosis = 3.0 * (share * strong**4 + 1.0 - share) / (share * strong**2 + 1.0 - share) ** 2
    assert np.mean(found) == pytest.approx(1.0 / (4.0 + 6.0 / (kurtosis - 3.0)), rel=0.35)


def test_companions_are_no_noise():
    values = noise(1)
    bright = values.copy()
    for east in (2.0, -2.4):
        bright += 8.0 * np.exp(
            -4.0 * np.log(2.0) * ((GRID.east - east) ** 2 + GRID.north**2) / FWHM**2
        )
    near = FAR & (np.abs(GRID.north) < 0.8)

    def limit(found):
        return np.mean((found.scale * t_value(4.0, found.freedom))[near])

    # As noise, as much light would be seen all around, and hide what is beside it.
    none, light, hole = (limit(tails(each)) for each in (values, bright, 2.0 * values - bright))
    assert light < 1.05 * none
    assert hole > 1.3 * none


def test_unknown_pixels_do_not_spread():
    values = noise(2, strong=3.0)
    values[np.random.default_rng(3).random(GRID.shape) < 0.03] = np.nan
    found, whole = tails(values), tails(noise(2, strong=3.0))
    assert not np.isnan(found.freedom[FAR]).any()
    assert np.mean(found.scale[FAR & INSIDE]) == pytest.approx(
        np.mean(whole.scale[FAR & INSIDE]), rel=0.1
    )


def test_nothing_known():
    found = tails(np.full(GRID.shape, np.nan))
    assert np.isinf(found.freedom).all()
    assert (found.scale == 1.0).all()
