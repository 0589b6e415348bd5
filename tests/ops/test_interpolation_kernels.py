import numpy as np
import pytest

from coronx.ops.interpolation_kernels import gaussian, signal_weights, variance_weights


def middle(weights, reach):
    half = weights.size // 2
    return weights[half - reach : half + reach + 1]


@pytest.mark.parametrize("part", [-0.5, -0.2, 0.0, 0.31, 0.5])
@pytest.mark.parametrize("method", ["spline", "lanczos"])
@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_weights_sum_to_one_and_are_centred_on_the_part(method, part, blur):
    weights = signal_weights(method, part, blur=blur)
    steps = np.arange(weights.size) - weights.size // 2
    assert weights.sum() == pytest.approx(1.0, abs=2e-6)
    assert weights @ steps == pytest.approx(-part, abs=0.02)


@pytest.mark.parametrize("method", ["spline", "lanczos"])
def test_a_whole_pixel_is_left_alone(method):
    weights = signal_weights(method, 0.0)
    np.testing.assert_allclose(middle(weights, 3), [0, 0, 0, 1, 0, 0, 0], atol=1e-5)


def test_prefiltered_weights_are_those_of_coefficients():
    few = signal_weights("spline", 0.3, prefiltered=True)
    assert few.size == 7
    assert few.sum() == pytest.approx(1.0)
    assert (few >= 0.0).all()


@pytest.mark.parametrize("part", [-0.5, 0.2])
def test_variance_weights_are_squares(part):
    for method in ("spline", "lanczos"):
        square = signal_weights(method, part) ** 2
        kept = variance_weights(method, part)
        np.testing.assert_allclose(kept, middle(square, kept.size // 2))
        assert kept.sum() == pytest.approx(square.sum(), rel=1e-3)
    sinc = np.sinc(np.arange(-3, 4) + part) ** 2
    np.testing.assert_allclose(variance_weights("fourier", part), sinc / sinc.sum(), atol=1e-12)


def test_blurred_fourier_weights_are_the_gaussians():
    wide = variance_weights("fourier", 0.0, blur=1.5)
    square = gaussian(1.5) ** 2
    np.testing.assert_allclose(wide, middle(square, wide.size // 2), atol=1e-4)


def test_a_fourier_shift_has_no_finite_weights():
    with pytest.raises(ValueError, match="no finite weights"):
        signal_weights("fourier", 0.3)
