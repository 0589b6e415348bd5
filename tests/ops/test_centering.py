import numpy as np
import pytest

from coronx.ops.centering import Prediction, fit_star, robust_mean
from coronx.refdata.modes import MODES
from coronx.refdata.star_prediction import ExpectedStar
from coronx.refdata.transmission import transmission
from coronx.simulate.wavefront import drift_opd, static_opd
from tests.benchmarks.simulated_stars import SimulatedStar, trials

MODE = MODES["nircam-335r"]
FOV = 65
OFFSET = np.array([24.0, -41.0])  # mas


@pytest.fixture(scope="module")
def star():
    bare = SimulatedStar(MODE, "F335M")
    return SimulatedStar(MODE, "F335M", static_opd(bare.pupil, 65.0, rng=np.random.default_rng(1)))


@pytest.fixture(scope="module")
def expected(star):
    return ExpectedStar(star, drift_nm=10.0)


@pytest.fixture(scope="module")
def plain(star):
    return ExpectedStar(star, drift_nm=0.0)


WEIGHT = transmission(MODE, shape=(FOV, FOV), center=(FOV // 2, FOV // 2)) ** 2


def fitted(star, predict, data, variance, bad=None, **options):
    """Return offsets and sigma in mas, and the fit."""
    bad = np.zeros(data.shape, bool) if bad is None else bad
    options = {"first": star.image(np.zeros(2)), "weight": WEIGHT, "limit": 2.0} | options
    found = fit_star(data, variance, bad, predict, **options)
    return found.offset * star.scale, found.sigma * star.scale, found


def observed(star, offsets, *, peak=1000.0, drift=0.0, seed=0):
    """Return images of peak S/N `peak` with noise, their variance and their bad pixels."""
    made = trials(
        lambda o, w: star.image(o, opd_nm=w),
        lambda r: 1e9 * drift_opd(star.pupil, drift, rng=r) if drift else 0.0,
        offsets, peak, np.random.default_rng(seed),
    )  # fmt: skip
    return (np.stack(a) for a in zip(*((t.data, t.variance, t.bad) for t in made), strict=True))


def test_drifts_of_the_wavefront_are_told_from_offsets(star, expected, plain):
    rms = {"modes": [], "alone": []}
    for drift, goal in ((5.0, 1.5), (10.0, 3.0)):
        images = list(observed(star, [OFFSET] * 6, drift=drift, seed=3))
        for name, predict in (("modes", expected), ("alone", plain)):
            # Each has its own wavefront: they are not integrations of one exposure.
            each = [fitted(star, predict, *(a[n : n + 1] for a in images)) for n in range(6)]
            assert all(found.good.all() for *_, found in each)
            error = np.array([place[0] - OFFSET for place, *_ in each])
            rms[name].append(np.sqrt(np.mean(error**2)))
            assert rms[name][-1] < goal
    assert sum(rms["modes"]) < 0.5 * sum(rms["alone"])


def test_faint_stars(star, expected):
    data, variance, bad = observed(star, [OFFSET] * 8, peak=100.0, seed=5)
    places, sigma, found = fitted(star, expected, data, variance, bad)
    assert found.good.all()
    error = places - OFFSET
    assert np.sqrt(np.mean(error**2)) < 2.0
    # A drift is allowed for, and there is none.
    assert 0.2 < np.sqrt(np.mean((error / sigma) ** 2)) < 1.6


def test_uncertainties_are_those_of_the_noise(star, plain):
    data, variance, bad = observed(star, [OFFSET] * 60, peak=300.0, seed=6)
    places, sigma, _ = fitted(star, plain, data, variance, bad, model_error=0.0)
    pull = (places - OFFSET) / sigma
    assert 0.85 < np.sqrt(np.mean(pull**2)) < 1.15


def test_each_image_has_its_own_place(star, plain):
    offsets = OFFSET + np.array([(0.0, 0.0), (3.0, -2.0), (-4.0, 1.0), (5.0, 5.0)])
    places, _, _ = fitted(star, plain, *observed(star, offsets, seed=7))
    np.testing.assert_allclose(places, offsets, atol=0.3)


def test_an_image_that_lies_apart_is_fitted_apart(star, plain):
    offsets = np.array([(0.0, 0.0), (1.0, -1.0), (35.0, -30.0), (0.5, 0.5)])
    places, _, found = fitted(star, plain, *observed(star, offsets, seed=8))
    assert found.good.all()
    np.testing.assert_allclose(places, offsets, atol=0.4)


def test_bad_pixels_have_no_part_whatever_they_hold(star, plain):
    data, variance, bad = observed(star, [OFFSET, OFFSET], seed=9)
    results = []
    for garbage in (0.0, 1e9, -1e9, np.nan, np.inf):
        filled = np.where(bad, garbage, data)
        results.append(fitted(star, plain, filled, np.where(bad, np.nan, variance), bad)[0])
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=1e-6)
    np.testing.assert_allclose(results[0], [OFFSET, OFFSET], atol=0.3)


def test_what_no_flag_tells_of_is_left_out(star, plain):
    data, variance, bad = observed(star, [OFFSET], seed=10)
    clean, sigma, _ = fitted(star, plain, data, variance, bad)
    rng = np.random.default_rng(1)
    at = rng.integers(20, 45, (2, 12))
    data[0, at[0], at[1]] += 200 * np.sqrt(variance[0, at[0], at[1]])
    struck, *_ = fitted(star, plain, data, variance, bad)
    assert np.abs(struck - clean).max() < 3 * sigma.max()


def test_errors_that_are_not_known(star, plain):
    data, variance, bad = observed(star, [OFFSET], seed=11)
    for unknown in (np.zeros_like(variance), np.full_like(variance, np.nan)):
        places, *_ = fitted(star, plain, data, unknown, bad)
        np.testing.assert_allclose(places, [OFFSET], atol=1.0)


def test_what_cannot_be_measured_is_said(star, plain):
    data, variance, bad = observed(star, [OFFSET, OFFSET, OFFSET], seed=12)
    data[1] = np.nan
    places, _, found = fitted(star, plain, data, variance, bad)
    assert found.good.tolist() == [True, False, True]
    np.testing.assert_allclose(places[[0, 2]], [OFFSET, OFFSET], atol=0.3)
    *_, none = fitted(star, plain, np.full_like(data, np.nan), variance, bad)
    assert not none.good.any()
    *_, beyond = fitted(star, plain, data[:1], variance[:1], bad[:1], limit=0.4)
    assert not beyond.good.any()
    noise = np.random.default_rng(2).normal(size=(1, FOV, FOV))
    *_, empty = fitted(star, plain, noise, np.ones_like(noise))
    assert not empty.good.any()


def test_a_sky_and_a_scale_do_not_matter(star, plain):
    data, variance, bad = observed(star, [OFFSET], seed=13)
    first, _, one = fitted(star, plain, data, variance, bad)
    second, _, other = fitted(star, plain, 1e-3 * data + 0.5, 1e-6 * variance, bad)
    np.testing.assert_allclose(first, second, atol=0.02)
    np.testing.assert_allclose(other.scale, 1e-3 * one.scale, rtol=1e-3)


def test_shapes_are_checked(plain):
    image = np.zeros((1, 9, 9))
    with pytest.raises(ValueError, match="variance"):
        fit_star(image, image[:, 1:], image > 0, plain, first=image[0], weight=image[0], limit=1.0)
    with pytest.raises(ValueError, match="weight"):
        fit_star(image, image, image > 0, plain, first=image[0], weight=image[0, 1:], limit=1.0)


def test_a_prediction_may_have_no_modes():
    y, x = np.indices((31, 31)) - 15.0

    def gauss(offset):
        image = np.exp(-((x - offset[0]) ** 2 + (y - offset[1]) ** 2) / 8.0)
        slopes = np.stack([(x - offset[0]) / 4.0 * image, (y - offset[1]) / 4.0 * image])
        return Prediction(image, slopes, np.zeros((0, 31, 31)))

    true = np.array([0.8, -1.3])
    image = 50.0 * gauss(true).image[None] + 3.0
    found = fit_star(
        image, np.ones_like(image), image > 1e9, gauss,
        first=gauss(np.zeros(2)).image, weight=np.ones((31, 31)), limit=4.0,
    )  # fmt: skip
    np.testing.assert_allclose(found.offset[0], true, atol=2e-3)
    np.testing.assert_allclose(found.scale, 50.0, rtol=1e-3)


def test_the_robust_mean_is_of_those_that_belong_together():
    places = np.random.default_rng(3).normal((10.0, 20.0), 0.02, (9, 2))
    good = np.ones(9, bool)
    places[4], good[7] = (13.0, 20.0), False
    places[7] = np.nan
    mean, scatter = robust_mean(places, good)
    kept = places[[0, 1, 2, 3, 5, 6, 8]]
    np.testing.assert_allclose(mean, kept.mean(axis=0), atol=0.01)
    assert (scatter < 0.05).all()
    mean, scatter = robust_mean(places[:1], good[:1])
    np.testing.assert_array_equal(mean, places[0])
    assert np.isnan(scatter).all()
    # All alike: no scatter, and none is cut.
    mean, scatter = robust_mean(np.ones((5, 2)), np.ones(5, bool))
    np.testing.assert_array_equal([mean, scatter], [(1.0, 1.0), (0.0, 0.0)])
    with pytest.raises(ValueError, match="no good place"):
        robust_mean(places, np.zeros(9, bool))
