import numpy as np
import pytest

from coronx.ops.injection import image_light, photon_noise, point_light, variance_per_flux
from coronx.ops.sky_image import SkyImage
from coronx.ops.stamp import MaskedPsf, PsfImage
from tests.point_sources import gaussian

SHAPE = (60, 64)
ROWS, COLS = np.indices(SHAPE)


PSF = PsfImage(gaussian((31, 31), 15, 15, 1.3))
THROUGH = 0.3 + 0.005 * COLS + 0.004 * ROWS


def test_a_point_source_keeps_its_flux():
    places = np.array([[30.2, 25.7], [31.0, 25.0], [30.2, 25.7]])
    light = point_light(PSF, places, 7.0, SHAPE)
    np.testing.assert_allclose(light.sum(axis=(1, 2)), 7.0, rtol=1e-6)
    for image, (x, y) in zip(light, places, strict=True):
        np.testing.assert_allclose(image, 7.0 * gaussian(SHAPE, x, y, 1.3), atol=5e-5)


def test_at_the_edge_what_hangs_over_is_lost():
    (light,) = point_light(PSF, np.array([[0.0, 30.0]]), 1.0, SHAPE)
    np.testing.assert_allclose(light, gaussian(SHAPE, 0.0, 30.0, 1.3), atol=1e-6)


def test_a_mask_takes_from_it():
    psf = MaskedPsf(PSF, THROUGH)
    (light,) = point_light(psf, np.array([[40.5, 20.25]]), 2.0, SHAPE)
    assert light.sum() == pytest.approx(2.0 * (0.3 + 0.005 * 40.5 + 0.004 * 20.25), rel=1e-6)


def test_an_image_of_one_point_is_a_point_source():
    """Both ways of adding light agree, mask and rolls included."""
    psf = MaskedPsf(PSF, THROUGH)
    values = np.zeros((41, 41))
    values[28, 12] = 2.0  # 0.4 east, 0.4 north
    image = SkyImage(values, (20.0, 20.0), np.diag([-0.05, 0.05]))
    stars = np.array([[30.1, 28.3], [30.15, 28.2], [30.1, 28.3]])
    matrices = np.array([[[-16.0, 0.0], [0.0, 16.0]], [[0.0, 16.0], [16.0, 0.0]]])[[0, 1, 0]]
    light = image_light(image, psf, stars, matrices, SHAPE)
    for shown, star, matrix in zip(light, stars, matrices, strict=True):
        (wanted,) = point_light(psf, (star + matrix @ [0.4, 0.4])[None], 2.0, SHAPE)
        assert np.abs(shown - wanted).max() < 2e-4 * wanted.max()
    bare = image_light(image, psf, stars, matrices, SHAPE, masked=False)
    np.testing.assert_allclose(bare.sum(axis=(1, 2)), 2.0, rtol=1e-4)
    matrices = matrices.copy()
    matrices[1] = np.nan
    dark = image_light(image, psf, stars, matrices, SHAPE)
    assert not dark[1].any()
    np.testing.assert_array_equal(dark[[0, 2]], light[[0, 2]])


def test_photon_noise_has_the_variance_that_it_says():
    light = np.full((400, 400), 3.0)
    light[:200] = 0.02  # a tenth of an electron: no Gaussian
    noise, variance = photon_noise(light, 0.2, np.random.default_rng(1))
    np.testing.assert_allclose(variance, 0.2 * light)
    for part in (slice(0, 200), slice(200, 400)):
        count = noise[part].size
        sigma = np.sqrt(variance[part].mean())
        assert abs(noise[part].mean()) < 4 * sigma / np.sqrt(count)
        assert noise[part].var() == pytest.approx(sigma**2, rel=0.05)
    # Whole electrons, and none where there is no light.
    electrons = (light + noise) / 0.2
    np.testing.assert_allclose(electrons, np.rint(electrons), atol=1e-9)
    none, zero = photon_noise(np.array([0.0, -1.0]), 0.2, np.random.default_rng(1))
    assert not none.any()
    assert not zero.any()


def test_the_variance_of_photons_is_read_from_frames():
    rng = np.random.default_rng(2)
    light = 50.0 * np.exp(-np.hypot(COLS - 30, ROWS - 30) / 8.0)
    data = light + rng.normal(size=SHAPE) * 0.1
    good = np.ones(SHAPE, bool)
    data[3, 4], good[3, 4] = 1e6, False
    data[5, 6] = np.nan
    assert variance_per_flux(data, 0.04 * light, good) == pytest.approx(0.04, rel=0.01)
    # A sky taken off beforehand is no light of the star.
    assert variance_per_flux(data, 0.04 * (light + 1.0), good) == pytest.approx(0.04, rel=0.05)
    assert np.isnan(variance_per_flux(data, np.zeros(SHAPE), good))
    assert np.isnan(variance_per_flux(data, light, ~np.ones(SHAPE, bool)))
