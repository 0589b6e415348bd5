"""The line is left, the stars are gone, and the error says how well."""

import numpy as np
import pytest

from coronx.ops.continuum import subtract_continuum
from tests.ops.continuum_scenes import SCALE, left_of_stars, line_fluxes, moffat, pair

WIDTHS = [(2.8, 3.8), (3.8, 2.8)]


@pytest.fixture(scope="module", params=WIDTHS, ids=["narrow sharper", "broad sharper"])
def scene(request):
    return request.param, pair(*request.param)


@pytest.mark.parametrize("match", ["psf", "gaussian"])
def test_line_kept_and_stars_gone(scene, match):
    widths, images = scene
    result = subtract_continuum(*images.arrays(), match=match)
    assert result.blurred == ("narrow" if widths[0] < widths[1] else "broad")
    assert result.scale == pytest.approx(SCALE, rel=0.025)
    np.testing.assert_allclose(line_fluxes(result.data, images), 1.0, atol=0.03)
    left = left_of_stars(result.data, images, 4.2)
    assert left.size >= 10
    assert np.median(np.abs(left)) < 0.015
    assert abs(np.mean(left)) < 0.02
    if match == "psf":
        bright = left_of_stars(result.data, images, 4.2, faintest=2e4)
        assert bright.size >= 5
        assert np.abs(bright).max() < 0.02
    assert result.stars >= 10
    assert result.residual < 0.03


def test_unmatched_stars_leave_rings():
    images = pair()
    matched = subtract_continuum(*images.arrays())
    plain = subtract_continuum(*images.arrays(), match="none")
    assert plain.blurred == "none"
    y, x, _ = images.stars[np.argmax(images.stars[:, 2])]
    part = np.s_[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5]
    assert np.abs(matched.data[part]).sum() < 0.2 * np.abs(plain.data[part]).sum()


def test_a_kernel_of_the_stars_is_better_than_a_gaussian():
    images = pair(2.8, 4.5, noise=0.2)
    left = {}
    for match in ("psf", "gaussian"):
        data = subtract_continuum(*images.arrays(), match=match).data
        stars = images.line < 0.05
        left[match] = np.nansum(np.abs(data[stars]))
    assert left["psf"] < 0.75 * left["gaussian"]


def test_error_is_the_scatter():
    """Away from stars the error of a pixel is its scatter."""
    images = pair(3.0, 3.0, count=12)
    result = subtract_continuum(*images.arrays())
    assert result.blurred == "none"
    calm = (images.line < 0.05) & (images.narrow_err < 7.6) & (images.broad_err < 15.4)
    scatter = np.std((result.data - images.line)[calm])
    assert scatter == pytest.approx(np.median(result.err[calm]), rel=0.05)


def test_error_of_a_blurred_image_and_of_the_scale():
    images = pair(2.0, 4.0, count=15)
    noise = np.random.default_rng(1).standard_normal(images.narrow.shape)
    images.narrow[:] = images.narrow_err * noise
    fixed = subtract_continuum(
        *images.arrays(), scale=1e-6, match="gaussian", narrow_fwhm=2.0, broad_fwhm=4.0
    )
    sky = images.narrow_err < 7.6
    assert np.std(fixed.data[sky]) / np.median(fixed.err[sky]) == pytest.approx(1.0, abs=0.06)
    assert np.median(fixed.err) < 0.5 * np.median(images.narrow_err)
    scene = pair()
    fitted = subtract_continuum(*scene.arrays(), match="none")
    given = subtract_continuum(*scene.arrays(), match="none", scale=fitted.scale)
    core = scene.broad > 2e4
    expected = np.hypot(given.err, fitted.scale_err * scene.broad)
    np.testing.assert_allclose(fitted.err[core], expected[core], rtol=1e-4)
    assert given.stars == 0 and given.scale_err == 0.0


def test_blemishes_stay_where_they_are():
    images = pair()
    lost, spoiled = (np.zeros(images.line.shape, bool) for _ in range(2))
    lost[150, 150] = lost[:, 250] = True
    spoiled[40, 40:43] = True
    images.narrow[lost], images.broad[spoiled] = 1e6, -1e6
    images.narrow[10, 10] = images.broad[12, 12] = np.nan
    result = subtract_continuum(*images.arrays(lost, spoiled))
    gone = lost | spoiled
    gone[10, 10] = gone[12, 12] = True
    np.testing.assert_array_equal(np.isnan(result.data), gone)
    np.testing.assert_array_equal(np.isnan(result.err), gone)
    clean = subtract_continuum(*pair().arrays())
    assert np.abs(result.data - clean.data)[~gone].max() < 300
    np.testing.assert_allclose(line_fluxes(result.data, images), 1.0, atol=0.05)


def test_stars_with_line_emission_are_left_out():
    images = pair(3.0, 3.0)
    brightest = images.stars[np.argsort(-images.stars[:, 2])][:3]
    for y, x, flux in brightest:
        images.narrow += moffat(y, x, flux, 3.0)
    result = subtract_continuum(*images.arrays())
    assert result.scale == pytest.approx(SCALE, rel=0.015)


def test_line_in_the_broad_band_is_given_back():
    images = pair(3.0, 3.0, line_in_broad=0.9)
    blind = subtract_continuum(*images.arrays())
    told = subtract_continuum(*images.arrays(), line_in_broad=0.9)
    assert line_fluxes(blind.data, images)[1] == pytest.approx(1 - 0.9 * SCALE, abs=0.015)
    assert line_fluxes(told.data, images)[1] == pytest.approx(1.0, abs=0.015)
    ratio = told.err / blind.err
    np.testing.assert_allclose(ratio, 1 / (1 - 0.9 * told.scale), rtol=1e-5)


def test_widths_that_are_told():
    images = pair(2.8, 4.2, count=4)
    result = subtract_continuum(
        *images.arrays(), match="gaussian", scale=SCALE, narrow_fwhm=2.8, broad_fwhm=4.2
    )
    assert (result.narrow_fwhm, result.broad_fwhm, result.blurred) == (2.8, 4.2, "narrow")
    assert result.scale == SCALE
    np.testing.assert_allclose(line_fluxes(result.data, images), 1.0, atol=0.03)


def test_errors_that_are_not_known():
    images = pair()
    narrow, _, bad, broad, *rest = images.arrays()
    result = subtract_continuum(narrow, None, bad, broad, *rest)
    assert result.err is None
    assert result.scale == pytest.approx(SCALE, rel=0.025)
    np.testing.assert_allclose(line_fluxes(result.data, images), 1.0, atol=0.03)


def test_what_makes_no_sense():
    images = pair(count=1)
    with pytest.raises(ValueError, match="stars that stand alone; 3 are needed"):
        subtract_continuum(*images.arrays())
    with pytest.raises(ValueError, match=r"'moffat'.*psf, gaussian, none"):
        subtract_continuum(*images.arrays(), match="moffat")
    with pytest.raises(ValueError, match=r"\(300, 310\) and \(299, 310\)"):
        arrays = list(images.arrays())
        arrays[3:] = [a[1:] for a in arrays[3:]]
        subtract_continuum(*arrays)
    with pytest.raises(ValueError, match="no line is left"):
        subtract_continuum(*images.arrays(), scale=0.5, match="none", line_in_broad=2.0)
    empty = np.full((100, 100), np.nan)
    with pytest.raises(ValueError, match="0 stars"):
        subtract_continuum(*(empty, empty, empty > 0) * 2)
