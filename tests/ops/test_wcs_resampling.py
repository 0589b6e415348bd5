import numpy as np
import pytest
from astropy.wcs import WCS

from coronx.ops.wcs_resampling import METHODS, resample_to_wcs

N = 90


def sky(angle=0.0, scale=1.0, shift=(0.0, 0.0), n=N):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, 20.0]
    wcs.wcs.crpix = [n / 2 + shift[0], n / 2 + shift[1]]
    c, s = np.cos(angle) * scale / 3600, np.sin(angle) * scale / 3600
    wcs.wcs.cd = [[-c, s], [s, c]]
    return wcs


def plane(angle=0.0, scale=1.0, shift=(0.0, 0.0), n=N):
    wcs = WCS(naxis=2)
    wcs.wcs.crpix = [n / 2 + shift[0], n / 2 + shift[1]]
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    wcs.wcs.cd = [[c, -s], [s, c]]
    return wcs


def stars(wcs_of_stars, wcs, *, sigma=1.3, n=N):
    """Return an image of nine stars of flux 1000, and where they are."""
    at = np.array([(25.3 + 20.2 * i, 24.7 + 20.1 * j) for i in range(3) for j in range(3)])
    x, y = wcs.all_world2pix(*wcs_of_stars.all_pix2world(*at.T, 0), 0)
    rows, columns = np.indices((n, n))
    image = sum(
        1000 / (2 * np.pi * sigma**2)
        * np.exp(-0.5 * ((columns - a) ** 2 + (rows - b) ** 2) / sigma**2)
        for a, b in zip(x, y, strict=True)
    )  # fmt: skip
    return image, x, y


def sums(image, x, y, radius=8):
    rows, columns = np.indices(image.shape)
    return np.array(
        [image[np.hypot(columns - a, rows - b) < radius].sum() for a, b in zip(x, y, strict=True)]
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("angle", "scale"), [(0.03, 1.0), (0.5, 1.0), (0.1, 1.25)])
def test_places_and_fluxes(method, angle, scale):
    grid = sky(angle, scale, (0.37, -0.21))
    image, *_ = stars(sky(), sky())
    found = resample_to_wcs(
        image, None, np.zeros((N, N), np.uint32), wcs=sky(), to_wcs=grid, shape=(N, N),
        method=method,
    )  # fmt: skip
    x, y = grid.all_world2pix(*sky().all_pix2world(*stars(sky(), sky())[1:], 0), 0)
    assert found.err is None
    flux = sums(np.nan_to_num(found.data), x, y)
    # Bilinear interpolation to larger pixels leaves some out; a Hann kernel has few pixels in it.
    limit = 0.06 if method == "interp" and scale > 1 else 0.02 if method == "hann" else 0.005
    assert np.abs(flux / 1000 - 1).max() < limit
    near = 0.15 if method == "hann" else 0.05
    rows, columns = np.indices((N, N))
    weight = np.nan_to_num(found.data) * (np.hypot(columns - x[4], rows - y[4]) < 8)
    assert (weight * columns).sum() / weight.sum() == pytest.approx(x[4], abs=near)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(y[4], abs=near)


def test_brightness_in_place_of_flux():
    dq = np.zeros((N, N), np.uint32)
    one = np.full((N, N), 7.0)
    options = {"wcs": sky(), "to_wcs": sky(0.2, 1.4), "shape": (N, N)}
    flux = resample_to_wcs(one, one, dq, **options)
    area = resample_to_wcs(one, one, dq, **options, conserve_flux=False)
    inner = (slice(30, 60), slice(30, 60))
    np.testing.assert_allclose(area.data[inner], 7.0, rtol=1e-5)
    np.testing.assert_allclose(flux.data[inner], 7.0 * 1.4**2, rtol=1e-5)
    np.testing.assert_allclose(flux.err[inner] / area.err[inner], 1.4**2, rtol=1e-5)
    assert flux.correlation == pytest.approx(area.correlation)


@pytest.mark.parametrize("make", [sky, plane])
@pytest.mark.parametrize("method", METHODS)
def test_err_is_the_scatter_and_the_correlation_that_of_large_areas(make, method):
    if method == "exact" and make is plane:
        pytest.skip("the overlap of pixels is one on the sphere")
    rng = np.random.default_rng(1)
    rows, columns = np.indices((N, N))
    sigma = 2.0 + np.sin(columns / 7) * np.cos(rows / 9)
    dq = np.zeros((N, N), np.uint32)
    dq[40:42, 20:50] = 1
    options = {
        "wcs": make(), "to_wcs": make(0.04, 1.0, (0.4, 0.3)), "shape": (N, N), "method": method,
    }  # fmt: skip
    told = resample_to_wcs(rng.normal(0, sigma), sigma, dq, **options)
    noise = []
    for _ in range(6 if method == "exact" else 16):
        image = rng.normal(0, sigma)
        image[dq > 0] = 1e6
        noise.append(resample_to_wcs(image, None, dq, **options).data / told.err)
    noise = np.array(noise)
    known = np.isfinite(told.err)
    assert np.isfinite(noise[:, known]).all()
    assert noise[:, known].std() == pytest.approx(1.0, rel=0.02)
    # Where something is left out, too.
    beside = known & (np.abs(rows - 41) < 4) & (columns > 25) & (columns < 45)
    assert noise[:, beside].std() == pytest.approx(1.0, rel=0.08)
    blocks = noise[:, 9:81, 9:81].reshape(-1, 6, 12, 6, 12)[:, [0, 1, 4, 5]]
    area = blocks.sum(axis=(2, 4)).std() / 12
    # The blocks' borders share noise with what is beyond: by a few percent it is less.
    assert area == pytest.approx(told.correlation, rel=0.2)


def test_bad_pixels_and_edges():
    image = np.full((N, N), 5.0)
    dq = np.zeros((N, N), np.uint32)
    dq[30:36, 30:36] = 1 | 8
    image[60, 60] = np.nan
    dq[70, 20] = 64
    image[dq & 1 > 0] = 1e6
    grid = sky(shift=(10.3, 0.2))
    found = resample_to_wcs(
        image, np.ones((N, N)), dq, wcs=sky(), to_wcs=grid, shape=(N, N), no_data=1 | 128
    )
    assert np.array_equal(np.isfinite(found.data), np.isfinite(found.err))
    none = np.isnan(found.data)
    assert np.array_equal(none, (found.dq & 129) == 129)
    np.testing.assert_allclose(found.data[~none], 5.0, rtol=1e-5)
    assert none[31:35, 42:45].all()
    assert (found.dq[32, 43] & 8) and not found.dq[20, 43] & 8
    # One pixel that is missing is filled by those beside it, with less weight.
    assert not none[60, 70]
    assert 0.5 < found.weight[60, 70] < 0.99
    assert found.dq[70, 30] == 64
    # Beyond the image there is nothing.
    assert none[:, :9].all()
    assert (found.weight[:, :8] == 0).all()
    strict = resample_to_wcs(
        image, None, dq, wcs=sky(), to_wcs=grid, shape=(N, N), no_data=129, min_weight=0.999
    )
    assert np.isnan(strict.data[60, 70])


def test_elsewhere():
    image = np.ones((N, N))
    far = sky(shift=(5000.0, 0.0))
    found = resample_to_wcs(
        image, image, np.zeros((N, N), np.uint32), wcs=sky(), to_wcs=far, shape=(N, N), no_data=128
    )
    assert np.isnan(found.data).all()
    assert (found.dq == 128).all()
    assert np.isnan(found.correlation)


def test_bad_options():
    image, dq = np.ones((N, N)), np.zeros((N, N), np.uint32)
    with pytest.raises(ValueError, match="'lanczos'"):
        resample_to_wcs(image, None, dq, wcs=sky(), to_wcs=sky(), shape=(N, N), method="lanczos")
    with pytest.raises(ValueError, match="needs a WCS of the sky"):
        resample_to_wcs(image, None, dq, wcs=plane(), to_wcs=plane(), shape=(N, N), method="exact")
