import numpy as np
import pytest
from scipy.signal import fftconvolve

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.map_correlation import map_correlation
from coronx.ops.ring_noise import masked_places, ring_noise
from tests.ops.subtracted_frames import empty_fields, gaussian_kernel, matrix

GRID = FluxGrid(30, 0.1)
FWHM = 0.4
CORRELATION = map_correlation(gaussian_kernel(4.0, 12), matrix(scale=0.1))


def noise_of(values, **options):
    return ring_noise(values, GRID, fwhm=FWHM, correlation=CORRELATION, **options)


def test_rings_are_those_of_a_pixel_by_pixel_count():
    rng = np.random.default_rng(1)
    values = rng.normal(5.0, 1.0, GRID.shape)
    values[rng.random(GRID.shape) < 0.03] = np.nan
    found = noise_of(values, masked=[(1.0, -0.5, 0.6)])
    told = np.isfinite(values) & ~masked_places(GRID, [(1.0, -0.5, 0.6)])
    rows, cols = np.indices(GRID.shape)
    for row, col in ((30, 40), (12, 44), (55, 8), (36, 33)):
        ring = told & (np.abs(GRID.separation - GRID.separation[row, col]) <= FWHM / 2)
        near = np.hypot(rows - row, cols - col) * 0.1 <= 1.5 * FWHM
        rest = values[ring & ~near]
        length = rest.size * 0.01 / FWHM
        lengths = CORRELATION.lengths(FWHM, radius=GRID.separation[row, col])
        assert found.mean[row, col] == pytest.approx(rest.mean())
        assert found.mean_count[row, col] == pytest.approx(length / lengths[0], rel=5e-3)
        assert found.sigma[row, col] == pytest.approx(
            rest.std() / np.sqrt(1.0 - lengths[0] / length), rel=5e-3
        )
        assert found.count[row, col] == pytest.approx(ring.sum() * 0.01 / FWHM**2)


def test_count_of_a_full_ring_is_its_circumference():
    found = noise_of(np.random.default_rng(2).normal(size=GRID.shape))
    at = (GRID.separation > 1.0) & (GRID.separation < 2.6)
    expected = 2.0 * np.pi * GRID.separation[at] / FWHM
    np.testing.assert_allclose(found.count[at], expected, rtol=0.12)


def test_a_companion_is_not_its_own_noise_and_a_masked_one_nobodys():
    values = np.random.default_rng(3).normal(size=GRID.shape)
    bright = values.copy()
    at = np.hypot(GRID.east - 1.5, GRID.north) < 0.35
    bright[at] += 1e4
    row, col = 30, 15
    np.testing.assert_allclose(noise_of(bright).sigma[row, col], noise_of(values).sigma[row, col])
    assert noise_of(bright).sigma[30, 45] > 100.0
    masked = [(1.5, 0.0, 0.4)]
    np.testing.assert_allclose(
        noise_of(bright, masked=masked).sigma, noise_of(values, masked=masked).sigma, rtol=1e-6
    )


def test_degrees_of_freedom_are_those_of_the_scatter_of_the_variance():
    variances, fields = [], []
    for field in empty_fields(150, rng=np.random.default_rng(4), size=61, each=200, blemishes=0.0):
        made = field.flux_map
        found = ring_noise(
            made.flux, made.grid, fwhm=field.fwhm, correlation=made.correlation, scale=made.sigma
        )
        variances.append((found.sigma / made.sigma) ** 2)
        fields.append(found)
    separation = made.grid.separation / field.fwhm
    for low, high in ((1.5, 3.0), (3.0, 6.0), (6.0, 9.0)):
        at = (separation >= low) & (separation < high)
        values = np.array(variances)[:, at]
        measured = np.median(2.0 * values.mean(axis=0) ** 2 / values.var(axis=0, ddof=1))
        assert measured == pytest.approx(np.median(fields[0].freedom[at]), rel=0.3)


def test_a_value_is_correlated_with_a_ring_by_the_wings_of_the_psf():
    rng = np.random.default_rng(9)
    y, x = np.indices((41, 41)) - 20
    away = np.hypot(x, y)
    # A core, and lobes five FWHM from it, as behind a stop of a few holes.
    kernel = gaussian_kernel(2.3, 20) + 0.02 * np.exp(-0.5 * ((away - 12.0) / 1.0) ** 2)
    correlation = map_correlation(kernel, matrix(scale=0.1))
    grid = FluxGrid(40, 0.1)
    smooth = [fftconvolve(rng.normal(size=(121, 121)), kernel, "valid") for _ in range(60)]
    ratios = []
    for values in smooth:
        found = ring_noise(values / values.std(), grid, fwhm=0.23, correlation=correlation)
        ratios.append(found.t(values / values.std()))
    at = (grid.separation > 1.5) & (grid.separation < 3.5)
    spread = found.spread[at].mean()
    assert spread < 1.0 + 0.5 / found.mean_count[at].mean()
    variance = np.mean(np.square(ratios)[:, at] * (1.0 - 2.0 / found.freedom[at]))
    assert variance == pytest.approx(1.0, abs=0.03)


def test_noise_follows_the_expected_one_around_the_star():
    scale = np.where(GRID.east > 0.0, 1.0, 5.0)
    values = np.random.default_rng(5).normal(size=GRID.shape) * scale
    found = noise_of(values, scale=scale)
    assert found.sigma[30, 10] == pytest.approx(1.0, rel=0.3)
    assert found.sigma[30, 50] == pytest.approx(5.0, rel=0.3)


def test_a_robust_noise_ignores_a_companion():
    values = np.random.default_rng(6).normal(size=GRID.shape)
    plain = noise_of(values, robust=True)
    values[np.hypot(GRID.east - 1.5, GRID.north) < 0.35] += 1e4
    found = noise_of(values, robust=True)
    assert found.sigma[30, 45] == pytest.approx(plain.sigma[30, 45], rel=0.3)
    assert plain.sigma[30, 45] == pytest.approx(1.0, rel=0.3)
    assert (found.freedom < noise_of(values).freedom)[np.isfinite(found.sigma)].all()


def test_a_ring_with_nothing_left_has_no_noise():
    values = np.random.default_rng(7).normal(size=GRID.shape)
    values[(GRID.separation > 1.0) & (GRID.separation < 2.0)] = np.nan
    found = noise_of(values)
    assert np.isnan(found.sigma[(GRID.separation > 1.0) & (GRID.separation < 2.0)]).all()
    assert np.isnan(found.sigma[30, 30])  # the star itself: no ring
    assert np.isnan(noise_of(np.full(GRID.shape, np.nan)).sigma).all()
    assert np.isnan(noise_of(values, masked=[(0.0, 0.0, 9.0)]).sigma).all()
    assert np.isnan(noise_of(values, masked=[(0.0, 0.0, 9.0)], robust=True).sigma).all()
    assert np.isnan(noise_of(np.ones(GRID.shape)).sigma).all()


@pytest.mark.parametrize("fwhm", [0.0, -1.0, np.nan])
def test_fwhm_must_be_positive(fwhm):
    with pytest.raises(ValueError, match="fwhm"):
        ring_noise(np.ones(GRID.shape), GRID, fwhm=fwhm, correlation=CORRELATION)
