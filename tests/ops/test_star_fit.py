import numpy as np
import pytest
from astropy.table import Table
from photutils.psf import GaussianPRF, PSFPhotometry

from coronx.ops.star_fit import FWHM, ellipse, fit_gaussians
from tests.ops.star_scenes import blemishes, gaussian, star_grid, star_scene

SIZE = (256, 256)


@pytest.fixture(scope="module")
def scene():
    x, y = star_grid(SIZE, 24)
    flux = 10 ** np.random.default_rng(3).uniform(3.6, 5.3, x.size)
    return star_scene(x, y, flux, gaussian(3.8, ratio=0.8, angle=30.0), size=SIZE)


def _true_shape(fwhm, ratio, angle):
    turn, a, b = np.radians(angle), (fwhm / FWHM) ** 2, (ratio * fwhm / FWHM) ** 2
    c, s = np.cos(turn), np.sin(turn)
    return np.array([a * c**2 + b * s**2, a * s**2 + b * c**2, (a - b) * s * c])


def _fit(scene, good=None, *, free, **options):
    good = np.isfinite(scene.image) if good is None else good
    shape = tuple(_true_shape(3.8, 0.8, 30.0)) if not free else (2.0, 2.0, 0.0)
    return fit_gaussians(
        scene.image - 200.0, scene.err, good, scene.x + 0.4, scene.y - 0.3,
        shape=shape, radius=5.0, free=free, **options,
    )  # fmt: skip


@pytest.mark.parametrize("free", [False, True])
def test_places_and_fluxes_to_the_limit_of_the_noise(scene, free):
    fit = _fit(scene, free=free)
    assert np.isfinite(fit.x).all()
    flux_sigma = np.sqrt(fit.covariance[:, 0, 0])
    for pull in (
        (fit.x - scene.x) / fit.x_sigma,
        (fit.y - scene.y) / fit.y_sigma,
        (fit.flux - scene.flux) / flux_sigma,
    ):
        assert abs(pull.mean()) < 4.0 / np.sqrt(pull.size)
        assert pull.std() == pytest.approx(1.0, abs=0.25)
    if not free:
        # Photons alone: sigma / sqrt(electrons).
        limit = np.sqrt(_true_shape(3.8, 0.8, 30.0)[0] / (scene.flux * 1.5))
        bright = scene.flux > 5e4
        assert np.median((fit.x_sigma / limit)[bright]) < 1.25
        assert (fit.x_sigma > limit).all()


def test_shapes(scene):
    fit = _fit(scene, free=True)
    np.testing.assert_allclose(np.median(fit.shape, axis=0), _true_shape(3.8, 0.8, 30.0), atol=0.02)
    major, minor, angle = ellipse(np.median(fit.shape, axis=0))
    assert (major, minor) == (pytest.approx(3.8, rel=0.01), pytest.approx(3.04, rel=0.01))
    assert angle == pytest.approx(30.0, abs=2.0)
    assert np.median(fit.fwhm) == pytest.approx(3.8 * np.sqrt(0.8), rel=0.01)


def test_bad_pixels_take_no_part(scene):
    image, bad = blemishes(scene.image, share=0.02)
    fit = _fit(scene._replace(image=image), ~bad, free=False)
    pull = (fit.x - scene.x) / fit.x_sigma
    assert np.isfinite(pull).all()
    assert np.abs(pull).max() < 5.0


def test_it_agrees_with_photutils(scene):
    few = np.argsort(-scene.flux)[:12]
    prf = GaussianPRF(x_fwhm=3.0, y_fwhm=3.0)
    for name in ("x_fwhm", "y_fwhm", "theta"):
        getattr(prf, name).fixed = False
    prf.theta = 20.0
    start = Table({"x": scene.x[few], "y": scene.y[few], "flux": scene.flux[few]})
    other = PSFPhotometry(prf, (11, 11), aperture_radius=5.0)(
        scene.image - 200.0, init_params=start
    )
    some = scene._replace(x=scene.x[few], y=scene.y[few])
    mine = fit_gaussians(
        some.image - 200.0, some.err, np.isfinite(some.image), some.x, some.y,
        shape=(2.0, 2.0, 0.0), radius=6.5, free=True,
    )  # fmt: skip
    np.testing.assert_allclose(mine.x, other["x_fit"], atol=0.01)
    np.testing.assert_allclose(mine.y, other["y_fit"], atol=0.01)
    theirs = np.sqrt(np.asarray(np.abs(other["x_fwhm_fit"] * other["y_fwhm_fit"])))
    np.testing.assert_allclose(mine.fwhm, theirs, rtol=0.015)


def test_what_cannot_be_fitted_is_nan(scene):
    good = np.ones(SIZE, bool)
    good[:40] = False
    image = scene.image - 200.0
    x, y = np.array([20.0, 100.0, 300.0]), np.array([10.0, -30.0, 20.0])
    for free in (False, True):
        fit = fit_gaussians(
            image, scene.err, good, x, y, shape=(2.0, 2.0, 0.0), radius=5.0, free=free
        )
        assert np.isnan(fit.x).all()
        assert np.isnan(fit.covariance).all()
        none = fit_gaussians(
            image, scene.err, good, x[:0], y[:0], shape=(2.0, 2.0, 0.0), radius=5.0, free=free
        )
        assert none.x.size == 0
