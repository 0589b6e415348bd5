import numpy as np
import pytest

from coronx.ops.contrast import contrast_curve, contrast_map
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.small_sample import threshold
from tests.ops.subtracted_frames import SCALE, Frames, Source, gaussian, gaussian_kernel, matrix

PIXELS = 2.3
FWHM = PIXELS * SCALE
KERNEL = gaussian_kernel(PIXELS)
GRID = FluxGrid(40, SCALE)
STAR = (60.2, 59.7)
PLACE = (0.9, 0.5)


def observed(*, left=1.0, passes=1.0, companion=0.0, noise=1.0, seed=1):
    rng = np.random.default_rng(seed)
    matrices = np.array([matrix(), matrix(10.0)])
    residual = noise * rng.normal(size=(2, 121, 121))
    for n, each in enumerate(matrices):
        x, y = each @ PLACE + STAR
        residual[n] += left * passes * companion * gaussian((121, 121), x, y, PIXELS)
    residual[:, rng.random((121, 121)) < 0.01] = np.nan
    part = Frames(residual, np.full(residual.shape, 2.0), STAR, matrices)
    part.left = np.full((121, 121), left)
    return flux_map([part], lambda _: Source(KERNEL, np.full((121, 121), passes)), grid=GRID)


def curve_of(made, **options):
    return contrast_curve(made, fwhm=FWHM, star_flux=1e5, **options)


def test_white_noise_has_the_limit_that_follows_from_it():
    curve = curve_of(observed(noise=3.0))
    sigma = 3.0 / np.sqrt(2.0 * (KERNEL**2).sum())
    far = curve.separation > 4.0 * FWHM
    assert np.nanmedian(curve.sigma[far]) == pytest.approx(sigma, rel=0.05)
    expected = threshold(2.0 * np.pi * curve.separation / FWHM)
    inside = (curve.separation > FWHM) & (curve.separation < 38 * SCALE)
    np.testing.assert_allclose(curve.factor[inside], expected[inside], rtol=0.12)
    np.testing.assert_allclose(curve.calibrated, curve.factor * curve.sigma / 1e5)
    assert curve.factor[0] > 2.0 * curve.factor[-1] > 10.0


def test_throughput_and_transmission_are_in_the_calibrated_limit_only():
    plain, dimmed = curve_of(observed()), curve_of(observed(left=0.5, passes=0.4))
    np.testing.assert_allclose(dimmed.calibrated, plain.calibrated / 0.2, rtol=1e-3)
    np.testing.assert_allclose(dimmed.raw, plain.raw, rtol=1e-3)
    np.testing.assert_allclose(dimmed.throughput[2:], 0.5, rtol=1e-3)
    np.testing.assert_allclose(dimmed.transmission[2:], 0.4, rtol=1e-3)


def test_a_known_companion_is_left_out():
    made, empty = observed(companion=5000.0), observed()
    separation = np.array([np.hypot(*PLACE)])
    told = curve_of(empty, separations=separation)
    fooled = curve_of(made, separations=separation)
    masked = curve_of(made, separations=separation, masked=[(*PLACE, 3.0 * FWHM)])
    assert fooled.sigma > 5.0 * told.sigma
    assert masked.sigma == pytest.approx(told.sigma, rel=0.25)
    assert masked.count < told.count
    assert masked.factor > told.factor


def test_nothing_is_said_where_nothing_is_known():
    made = observed()
    curve = curve_of(made, separations=np.array([0.0, 0.5 * FWHM, 1.0, 50.0]))
    assert np.isnan(curve.calibrated).tolist() == [True, True, False, True]
    everything = curve_of(made, masked=[(0.0, 0.0, 9.0)])
    assert np.isnan(everything.calibrated).all()
    assert np.isnan(everything.factor).all()
    half = curve_of(made, separations=np.array([0.8]), masked=[(0.8, 0.0, 0.7)])
    assert half.count < 0.8 * 2.0 * np.pi * 0.8 / FWHM


def test_the_map_is_the_curve_around_the_star():
    made = observed()
    limits = contrast_map(made, fwhm=FWHM, star_flux=1e5)
    curve = curve_of(made, separations=np.array([1.5]))
    ring = np.abs(GRID.separation - 1.5) < 0.05
    assert np.nanmean(limits.calibrated[ring]) == pytest.approx(curve.calibrated[0], rel=0.05)
    assert np.isnan(limits.calibrated[GRID.separation < FWHM]).all()
    assert np.isnan(limits.raw[GRID.separation < FWHM]).all()


def test_a_rarer_false_alarm_needs_a_brighter_source():
    made = observed()
    strict, loose = (curve_of(made, false_alarm=p).calibrated for p in (1e-9, 1e-3))
    assert (strict > loose)[np.isfinite(strict)].all()


@pytest.mark.parametrize("flux", [0.0, -1.0, np.nan, np.inf])
def test_the_star_must_have_a_flux(flux):
    with pytest.raises(ValueError, match="star's flux"):
        contrast_curve(observed(), fwhm=FWHM, star_flux=flux)
