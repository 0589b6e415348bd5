import numpy as np
import pytest

from coronx.ops.prediction import NOISES, OFFSETS, Predictor, contrast, predictor

ALL = np.ones((1, 24), bool)


def patterns(seed, count=20):
    return np.random.default_rng(seed).random((count, 24)) < 0.8


def point(fwhm, x, y):
    """Return a Gaussian source in the neighbours and in the middle."""
    width = (fwhm / 2.3548) ** 2
    around = np.exp(-0.5 * ((OFFSETS[:, 0] - y) ** 2 + (OFFSETS[:, 1] - x) ** 2) / width)
    return around, np.exp(-0.5 * (x**2 + y**2) / width)


@pytest.mark.parametrize("noise", NOISES)
def test_a_level_is_predicted_exactly_whatever_is_missing(noise):
    model, usable = Predictor(2.3), patterns(1)
    weights = model.weights(model.rows(usable), noise)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert (weights[~usable] == 0).all()


def test_quiet_weights_are_quiet_and_close_ones_follow_the_scene():
    model = Predictor(2.3)
    rows = model.rows(ALL)
    around, middle = point(2.3, 0.1, -0.2)
    noise = [float((model.weights(rows, n) ** 2).sum()) for n in NOISES]
    error = [abs(middle - float(model.weights(rows, n)[0] @ around)) for n in NOISES]
    assert noise == sorted(noise)
    assert noise[0] < 0.2
    assert error[-1] < 0.1 * error[0]


def test_too_few_neighbours_predict_nothing():
    few = np.zeros((1, 24), bool)
    few[0, :3] = True
    model = Predictor(2.3)
    assert np.isnan(model.weights(model.rows(few), NOISES[0])).all()


def test_contrast_leaves_the_most_deviant_out():
    values = np.zeros((1, 24))
    values[0, 5] = 1000.0
    assert contrast(values, ALL)[0] < 50.0
    usable = ALL.copy()
    usable[0, 5] = False
    assert contrast(values, usable)[0] == 0.0


def test_what_was_learned_is_kept():
    assert predictor(2.5) is predictor(2.5)
    model = Predictor(2.5)
    first = model.weights(model.rows(patterns(4)), 0.1)
    model.rows(patterns(5))
    np.testing.assert_array_equal(model.weights(model.rows(patterns(4)), 0.1), first)
