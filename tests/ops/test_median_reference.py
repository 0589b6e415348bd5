import numpy as np
import pytest

from coronx.ops.median_reference import reference_image


@pytest.fixture(params=[1, 2, 5, 8])
def stack(request):
    rng = np.random.default_rng(request.param)
    images = rng.normal(100.0, 10.0, (request.param, 70, 65))
    images[rng.random(images.shape) < 0.2] = np.nan
    images[0, 3, 4], images[-1, 5, 6] = np.inf, -np.inf
    images[:, 10, 11] = np.nan
    return images


@pytest.mark.parametrize("combine", ["mean", "median"])
@pytest.mark.parametrize("kind", ["f4", "f8", ">f4"])
def test_it_is_that_of_each_pixels_finite_values(stack, combine, kind):
    given = stack.astype(kind)
    kept = given.copy()
    result = reference_image(given, combine=combine)
    assert result.shape == (70, 65) and result.dtype == np.float64
    np.testing.assert_array_equal(given, kept)
    values = np.where(np.isfinite(given), given, np.nan).astype(float)
    some = np.isfinite(values).any(axis=0)
    expected = getattr(np, f"nan{combine}")(values[:, some], axis=0)
    np.testing.assert_allclose(result[some], expected, rtol=1e-12)
    assert np.isnan(result[~some]).all()
    assert np.isnan(result[10, 11])


def test_the_median_is_the_default_and_ignores_a_spike():
    images = np.ones((5, 4, 4))
    images[2, 1, 1] = 1e6
    np.testing.assert_array_equal(reference_image(images), 1.0)
    assert reference_image(images, combine="mean")[1, 1] > 1e5


def test_what_cannot_be_combined_is_refused():
    with pytest.raises(ValueError, match="combine = 'mode'; give"):
        reference_image(np.ones((2, 3, 3)), combine="mode")
    with pytest.raises(ValueError, match="no reference"):
        reference_image(np.ones((0, 3, 3)))
