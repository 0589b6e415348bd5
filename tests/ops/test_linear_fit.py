import numpy as np
import pytest

from coronx.ops.linear_fit import LinearFit

SIZE = 400


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(1)
    return np.stack([3.0 + rng.normal(size=SIZE), np.ones(SIZE), *rng.normal(size=(6, SIZE))])


def test_what_was_put_in_is_found(columns):
    fit = LinearFit(columns, np.full(SIZE, 1e6), 5.0)
    truth = np.array([2.0, 7.0, 0.6, -0.4, 0.1, -0.2, 0.3, 0.0])
    step, sigma, flux, residual = fit.solve(truth @ columns, np.zeros(SIZE, bool))
    np.testing.assert_allclose(step, (0.3, -0.2), atol=1e-5)
    assert flux == pytest.approx(10.0, rel=1e-5)
    assert (sigma > 0.0).all()
    assert residual < 0.01


def test_bad_pixels_are_as_if_they_were_not_there(columns):
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.5, 2.0, SIZE)
    bad = rng.uniform(size=SIZE) < 0.2
    image = np.ones(8) @ columns + rng.normal(size=SIZE)
    whole = LinearFit(columns, weight, 1.0).solve(np.where(bad, 1e9, image), bad)
    rest = LinearFit(columns[:, ~bad], weight[~bad], 1.0).solve(image[~bad], bad[~bad])
    for ours, theirs in zip(whole, rest, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_modes_of_expected_size_are_as_noise_of_their_covariance(columns):
    """Least squares with the covariance written out, by the textbook."""
    rng = np.random.default_rng(3)
    image = np.ones(8) @ columns + rng.normal(size=SIZE)
    modes, free = columns[4:], columns[:4]
    inverse = np.linalg.inv(np.eye(SIZE) + modes.T @ modes)
    covariance = np.linalg.inv(free @ inverse @ free.T)
    expected = covariance @ free @ inverse @ image
    step, sigma, flux, residual = LinearFit(columns, np.ones(SIZE), 1.0).solve(
        image, np.zeros(SIZE, bool)
    )
    assert flux == pytest.approx(expected[0])
    np.testing.assert_allclose(step, expected[2:4] / expected[0])
    formal = np.sqrt(np.diag(covariance)[2:4]) / expected[0]
    np.testing.assert_allclose(sigma, formal * max(residual, 1.0))


def test_a_wild_pixel_is_left_out(columns):
    rng = np.random.default_rng(4)
    image = np.ones(8) @ columns + rng.normal(size=SIZE)
    good = np.zeros(SIZE, bool)
    fit = LinearFit(columns, np.ones(SIZE), 1.0)
    clean, sigma, *_ = fit.solve(image, good)
    image[[5, 77]] += 300.0
    struck, *_ = fit.solve(image, good)
    assert np.abs(struck - clean).max() < sigma.max()


def test_nothing_good_tells_nothing(columns):
    step, sigma, flux, residual = LinearFit(columns, np.ones(SIZE), 1.0).solve(
        np.zeros(SIZE), np.ones(SIZE, bool)
    )
    assert np.isnan(sigma).all()
    assert flux == 0.0
    assert np.isnan(residual)
    assert step.shape == (2,)
