from dataclasses import replace

import numpy as np
import pytest

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map, like_matrices
from tests.ops.subtracted_frames import SCALE, Frames, Source, gaussian, gaussian_kernel, matrix

FWHM = 2.2
KERNEL = gaussian_kernel(FWHM)
GRID = FluxGrid(20, SCALE)
PLACE = (5 * SCALE, -8 * SCALE)  # east, north: on the grid's pixel [12, 15]
AT = (12, 15)


def frames(angles=(0.0,), *, shape=(61, 71), star=(33.3, 28.6), flux=100.0, err=1.0, level=None):
    matrices = np.array([matrix(angle) for angle in angles])
    residual = np.zeros((len(angles), *shape))
    for n, each in enumerate(matrices):
        x, y = each @ PLACE + star
        residual[n] = flux * gaussian(shape, x, y, FWHM)
    if level is not None:
        residual *= level
    return Frames(residual, np.full(residual.shape, err), star, matrices)


def made(parts, passes=None, **options):
    return flux_map(parts, lambda _: Source(KERNEL, passes), grid=GRID, **options)


def test_a_source_between_pixels_has_its_flux_and_its_place():
    found = made([frames((17.0, 27.0))])
    assert np.unravel_index(np.nanargmax(found.flux), GRID.shape) == AT
    assert found.flux[AT] == pytest.approx(100.0, rel=2e-3)
    assert found.raw[AT] == pytest.approx(found.flux[AT])
    assert found.throughput[AT] == found.transmission[AT] == pytest.approx(1.0)


def test_formal_error_is_that_of_the_matched_filter():
    found = made([frames((0.0, 0.0, 10.0), err=3.0), frames((10.0,), err=6.0)])
    weight = (KERNEL**2).sum() * (3 / 9.0 + 1 / 36.0)
    assert found.sigma[AT] == pytest.approx(weight**-0.5, rel=1e-6)
    assert found.raw_sigma[AT] == pytest.approx(weight**-0.5, rel=1e-6)


def test_scatter_over_noise_is_the_formal_error():
    rng = np.random.default_rng(3)
    part = frames((0.0, 0.0, 12.0), flux=0.0)
    part.residual += rng.normal(size=part.residual.shape)
    found = made([part])
    assert np.nanstd(found.flux / found.sigma) == pytest.approx(1.0, abs=0.12)


def test_throughput_and_transmission_are_undone():
    rng = np.random.default_rng(4)
    passes = np.linspace(0.2, 1.0, 71) * np.ones((61, 1))
    part = frames((0.0, 15.0), level=passes * 0.8)
    part.left = np.full((61, 71), 0.8)
    found = made([part], passes)
    x, _ = part.matrices[0] @ PLACE + part.star
    assert found.flux[AT] == pytest.approx(100.0, rel=0.01)
    assert found.throughput[AT] == pytest.approx(0.8)
    assert 0.2 < found.transmission[AT] < 1.0
    assert found.raw[AT] == pytest.approx(80.0 * found.transmission[AT], rel=0.01)
    assert passes[0, round(x)] == pytest.approx(found.transmission[AT], abs=0.1)
    # Noise where the mask dims is noise, not flux: the weaker roll counts less.
    part.residual = rng.normal(size=part.residual.shape)
    assert np.nanstd(made([part], passes).flux[:, :10]) > 0.0


def test_bad_pixels_take_nothing_from_the_flux():
    part = frames((0.0, 20.0))
    x, y = np.rint(part.matrices[0] @ PLACE + part.star).astype(int)
    part.residual[0, y, x] = np.nan
    part.residual[0, y + 1, x] = np.nan
    part.err[1, 30, 5] = np.nan
    part.residual[1, 30, 5] = 1e9  # bad by its error alone
    found = made([part])
    assert found.flux[AT] == pytest.approx(100.0, rel=0.03)
    assert found.coverage[AT] < 0.9
    clean = made([frames((0.0, 20.0))])
    assert found.sigma[AT] > clean.sigma[AT]


def test_places_that_were_hardly_seen_are_nan():
    part = frames((0.0,), star=(5.0, 30.0))
    found = made([part])
    assert np.isnan(found.flux[20, 0])  # east: 20 pixels to the left of the star, off the frame
    assert np.isfinite(found.flux[20, 40])
    assert found.coverage.min() == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(found.flux[found.coverage < 0.3]).all()
    assert np.isfinite(found.flux[found.coverage > 0.3]).all()


def test_frames_of_several_exposures_are_weighted_by_their_noise():
    bright, faint = frames((0.0,), err=1.0), frames((0.0,), flux=50.0, err=2.0)
    found = made([bright, faint])
    assert found.flux[AT] == pytest.approx((100.0 + 50.0 / 4.0) / 1.25, rel=3e-3)


def test_equal_frames_are_summed_before_the_transform():
    near = np.array([matrix(0.0), matrix(10.0), matrix(0.0), matrix(0.001)])
    assert [group.tolist() for group in like_matrices(near, 3.0)] == [[0, 2, 3], [1]]
    together = made([frames((0.0, 10.0, 0.0))])
    apart = made([frames((0.0, 0.0)), frames((10.0,))])
    np.testing.assert_allclose(together.flux, apart.flux, rtol=1e-9)


def test_what_is_not_linear_needs_a_throughput():
    part = replace(frames((0.0,), flux=60.0), linear=False)
    with pytest.raises(ValueError, match="throughput"):
        made([part])
    radial = made([part], throughput=lambda separation: 0.6 + 0.0 * separation)
    assert radial.flux[AT] == pytest.approx(100.0, rel=3e-3)
    as_map = made([part], throughput=np.full(GRID.shape, 0.6))
    np.testing.assert_allclose(as_map.flux, radial.flux)


def test_what_is_linear_says_its_own_throughput():
    part = frames((0.0,))
    part.left = np.full((61, 71), 0.5)
    assert made([part], throughput=np.full(GRID.shape, 0.9)).throughput[AT] == pytest.approx(0.5)


def test_a_psf_larger_than_the_frame_is_refused():
    with pytest.raises(ValueError, match="odd square"):
        flux_map([frames()], lambda _: Source(gaussian_kernel(2.0, 40)), grid=GRID)
    with pytest.raises(ValueError, match="odd square"):
        flux_map([frames()], lambda _: Source(KERNEL[:, :-1]), grid=GRID)
    with pytest.raises(ValueError, match="exposure"):
        flux_map([], lambda _: Source(KERNEL), grid=GRID)


def test_the_core_is_blind_to_a_level():
    part = frames((17.0, 27.0))
    part.residual += 4.0
    x, y = np.rint(part.matrices[0] @ PLACE + part.star).astype(int)
    part.residual[0, y, x + 1] = np.nan
    found = made([part], throughput=np.ones(GRID.shape), core=0.8 * FWHM)
    assert found.flux[AT] == pytest.approx(100.0, rel=0.01)
    assert made([part]).flux[AT] > 130.0
    part = replace(part, linear=False)
    half = made([part], throughput=np.full(GRID.shape, 0.5), core=0.8 * FWHM)
    np.testing.assert_allclose(half.flux, 2.0 * found.flux)


def test_the_core_has_its_own_formal_error():
    rng = np.random.default_rng(3)
    part = frames((0.0, 0.0, 12.0), flux=0.0)
    part.residual += rng.normal(size=part.residual.shape)
    found = made([part], throughput=np.ones(GRID.shape), core=0.8 * FWHM)
    assert np.nanstd(found.flux / found.sigma) == pytest.approx(1.0, abs=0.12)
    assert np.nanstd(found.raw / found.raw_sigma) == pytest.approx(1.0, abs=0.12)
    assert (found.sigma > made([part]).sigma).all()
