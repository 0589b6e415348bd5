import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coronx.ops.speckle_covariance import speckle_covariance

STAR = (60.3, 59.6)
WIDTH = 1.3  # of the filter that makes the speckles; their correlation is exp(-d^2 / 4 WIDTH^2)


def speckles(rng, count=3, size=120, correlated=0.8):
    images = np.array(
        [gaussian_filter(rng.normal(size=(size, size)), WIDTH, mode="wrap") for _ in range(count)]
    )
    images *= np.sqrt(correlated) / images.std()
    images += np.sqrt(1.0 - correlated) * rng.normal(size=images.shape)
    y, x = np.indices((size, size))
    return 5.0 * images * (np.hypot(x - STAR[0], y - STAR[1]).clip(1.0) / 30.0) ** -1.5


@pytest.fixture(scope="module")
def images():
    return speckles(np.random.default_rng(0))


def truth(lag):
    return np.where(lag == 0.0, 1.0, 0.8 * np.exp(-(lag**2) / 4.0 / WIDTH**2))


@pytest.mark.parametrize("kernel", ["empirical", "matern", "gaussian"])
def test_scatter_slope_and_correlation_are_found(images, kernel):
    found = speckle_covariance(images, STAR, 30.0, half=5, kernel=kernel)
    np.testing.assert_allclose(found.scatter, 5.0, rtol=0.1)
    np.testing.assert_allclose(found.slope.mean(), -1.5, atol=0.4)
    assert found.correlation.shape == (21, 21)
    lag = np.arange(6.0)
    atol = {"empirical": 0.05, "gaussian": 0.05, "matern": 0.08}[kernel]
    np.testing.assert_allclose(found.correlation[10, 10:16], truth(lag), atol=atol)
    np.testing.assert_array_less(np.abs(found.correlation - found.correlation.T), 0.02)
    if kernel == "gaussian":
        assert found.white == pytest.approx(0.2, abs=0.05)
        assert found.length == pytest.approx(np.sqrt(2.0) * WIDTH, rel=0.1)
    else:
        assert np.isnan(found.white) == (kernel == "empirical")


def test_sigma_follows_the_radius(images):
    found = speckle_covariance(images, STAR, 30.0, half=5)
    np.testing.assert_allclose(
        found.sigma(1, np.array([20.0, 30.0])) / found.scatter[1],
        [(20.0 / 30.0) ** found.slope[1], 1.0],
    )


@pytest.mark.parametrize("kernel", ["empirical", "matern", "gaussian"])
@pytest.mark.parametrize("kind", ["smooth", "white", "waves"])
def test_every_patch_has_a_positive_definite_matrix(kernel, kind):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(1, 60, 60))
    if kind == "smooth":
        images = np.array([gaussian_filter(images[0], 3.0)])
    elif kind == "waves":
        images += 5.0 * np.cos(np.arange(60) * 2.0)
    found = speckle_covariance(images, (30.0, 30.0), 12.0, half=6, kernel=kernel)
    rows, cols = np.nonzero(rng.random((13, 13)) > 0.2)
    matrix = found.correlations(rows, cols)
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 1e-3


def test_whitened_speckles_are_white(images):
    found = speckle_covariance(images, STAR, 30.0, half=4)
    rows, cols = (i.ravel() for i in np.indices((9, 9)))
    root = np.linalg.cholesky(found.correlations(rows, cols))
    chi2 = []
    for angle in np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False):
        x, y = STAR[0] + 30.0 * np.cos(angle) - 4, STAR[1] + 30.0 * np.sin(angle) - 4
        at = rows + round(y), cols + round(x)
        sigma = found.sigma(0, np.hypot(at[1] - STAR[0], at[0] - STAR[1]))
        chi2.append(np.mean(np.linalg.solve(root, images[0][at] / sigma) ** 2))
    assert np.mean(chi2) == pytest.approx(1.0, abs=0.1)


def test_nan_and_masked_pixels_are_not_read(images):
    plain = speckle_covariance(images, STAR, 30.0, half=5)
    y, x = np.indices(images.shape[1:])
    companion = np.hypot(x - STAR[0] - 30.0, y - STAR[1]) < 5.0
    spoilt = images + 1e4 * companion
    spoilt[0, 25:30, 60:64] = np.nan
    spoilt[1, 85:, 59] = np.nan
    masked = np.broadcast_to(companion, images.shape)
    found = speckle_covariance(spoilt, STAR, 30.0, half=5, masked=masked)
    np.testing.assert_allclose(found.scatter, plain.scatter, rtol=0.05)
    np.testing.assert_allclose(found.correlation, plain.correlation, atol=0.03)


def test_an_image_without_pixels_in_the_ring_has_no_scatter(images):
    dark = images.copy()
    dark[1] = np.nan
    found = speckle_covariance(dark, STAR, 30.0, half=5)
    assert np.isnan(found.scatter).tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"no usable residual at 30\.0"):
        speckle_covariance(dark[1:2], STAR, 30.0, half=5)
    with pytest.raises(ValueError, match="no usable residual"):
        speckle_covariance(images, STAR, 300.0, half=5)


def test_an_unknown_kernel_is_refused(images):
    with pytest.raises(ValueError, match="matern"):
        speckle_covariance(images, STAR, 30.0, half=5, kernel="sinc")
