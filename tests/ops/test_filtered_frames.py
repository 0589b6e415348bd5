import numpy as np
import pytest

from coronx.ops.core_filter import core_filter
from coronx.ops.filtered_frames import CoreCorrelation, Correlation
from tests.ops.subtracted_frames import gaussian_kernel

KERNEL = gaussian_kernel(2.3, 6)
SHAPE = (40, 37)


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(2)
    residual = rng.normal(size=(1, *SHAPE)) + 3.0
    residual[rng.random(residual.shape) < 0.05] = np.nan
    return residual, rng.uniform(1.0, 2.0, residual.shape)


def cut(image, row, col):
    return image[row - 6 : row + 7, col - 6 : col + 7]


@pytest.mark.parametrize(("row", "col"), [(20, 17), (6, 30)])
@pytest.mark.parametrize("core", [None, 1.9])
def test_products_are_those_of_the_pixels(frames, row, col, core):
    residual, err = frames
    made = Correlation(KERNEL, SHAPE) if core is None else CoreCorrelation(KERNEL, SHAPE, core)
    signal, weight, covered, variance = made.frames(residual, err)
    values, errors = cut(residual[0], row, col), cut(err[0], row, col)
    good = np.isfinite(values)
    own = KERNEL * good if core is None else core_filter(KERNEL, core, good=good)
    assert signal[row, col] == pytest.approx((own * np.nan_to_num(values)).sum())
    assert weight[row, col] == pytest.approx((own * KERNEL).sum())
    assert covered[row, col] == pytest.approx((KERNEL**2)[good].sum())
    mean = (KERNEL**2 * errors**2)[good].sum() / covered[row, col]
    assert variance[row, col] == pytest.approx(mean)


def test_noise_of_a_filter():
    assert Correlation(KERNEL, SHAPE).noise == 1.0
    own = core_filter(KERNEL, 1.9)
    assert CoreCorrelation(KERNEL, SHAPE, 1.9).noise == pytest.approx(
        (own**2).sum() / (own * KERNEL).sum()
    )


def test_where_nothing_is_good_nothing_is_found():
    residual = np.full((1, *SHAPE), np.nan)
    residual[0, 30, 30] = 5.0
    for made in (Correlation(KERNEL, SHAPE), CoreCorrelation(KERNEL, SHAPE, 1.9)):
        signal, weight, _, _ = made.frames(residual, np.ones(residual.shape))
        np.testing.assert_allclose(signal[:20, :20], 0.0, atol=1e-12)
        np.testing.assert_allclose(weight[:20, :20], 0.0, atol=1e-12)
    # A single pixel tells no level.
    assert np.isfinite(signal).all()
