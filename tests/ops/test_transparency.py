import numpy as np
import pytest

from coronx.ops.transparency import StarList, measure_transparency


def _night(clouds, *, shifts=None, count=120, seed=1, turned=(), depth=300.0, variable=False):
    """Return lists of stars as frames through clouds show them: faint ones are missing."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 500, (2, count))
    rate = 10 ** rng.uniform(2.6, 5.0, count)
    lists = []
    for n, cloud in enumerate(clouds):
        dx, dy = (0.0, 0.0) if shifts is None else shifts[n]
        seen = rate * cloud
        sigma = np.sqrt(seen + depth**2 / 50)
        if variable:
            seen = seen * np.where(np.arange(count) % 5 == 0, rng.uniform(0.2, 3.0, count), 1.0)
        measured = seen + sigma * rng.normal(size=count)
        some = measured > 7 * sigma
        sign = -1.0 if n in turned else 1.0
        place = sign * np.stack([x + dx, y + dy]) + 0.05 * rng.normal(size=(2, count))
        lists.append(StarList(*place[:, some], measured[some], sigma[some]))
    return lists


def test_clouds_are_measured_without_bias():
    clouds = np.array([0.99, 1.0, 0.35, 0.7, 1.01, 0.98])
    found = measure_transparency(_night(clouds), tolerance=2.0)
    truth = clouds / np.sort(clouds)[round(0.75 * 5)]
    np.testing.assert_allclose(found.value, truth, rtol=0.01)
    assert (np.abs(found.value / truth - 1) < 5 * np.hypot(found.sigma / truth, 0.002)).all()
    assert found.matched.min() > 20


def test_dithers_half_turns_and_variable_stars():
    clouds = np.array([1.0, 0.5, 0.8, 1.0])
    shifts = [(0, 0), (130.0, -77.0), (-200.0, 150.0), (3.0, 4.0)]
    lists = _night(clouds, shifts=shifts, turned=(1, 3), variable=True)
    found = measure_transparency(lists, tolerance=2.0)
    np.testing.assert_allclose(found.value, clouds, rtol=0.03)


def test_a_field_of_few_stars():
    clouds = np.array([1.0, 0.4, 1.0])
    found = measure_transparency(_night(clouds, count=8, depth=10.0), tolerance=2.0)
    np.testing.assert_allclose(found.value, clouds, rtol=0.05)


def test_another_field_matches_nothing():
    lists = [*_night([1.0, 0.9, 1.0]), *_night([1.0], seed=7)]
    found = measure_transparency(lists, tolerance=2.0)
    assert np.isnan(found.value[3])
    np.testing.assert_allclose(found.value[:3], [1.0, 0.9, 1.0], rtol=0.02)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_frames_without_stars(count):
    empty = StarList(*np.zeros((4, 0)))
    found = measure_transparency([empty] * count, tolerance=2.0)
    assert np.isnan(found.value).all()
    assert found.value.size == count
    assert not found.matched.any()


def test_blemishes_do_not_count():
    lists = _night([1.0, 0.6, 1.0])
    spoilt = StarList(*(np.array(a) for a in (lists[1].x, lists[1].y, lists[1].rate,
                                              lists[1].sigma)))  # fmt: skip
    spoilt.rate[::4], spoilt.sigma[1::4], spoilt.x[2::8] = np.nan, np.nan, np.nan
    found = measure_transparency([lists[0], spoilt, lists[2]], tolerance=2.0)
    assert found.value[1] == pytest.approx(0.6, rel=0.02)


def test_a_frame_alone_is_its_own_reference():
    found = measure_transparency(_night([0.5]), tolerance=2.0)
    assert found.value[0] == pytest.approx(1.0)


def test_the_error_is_that_of_many_trials():
    values, errors = [], []
    for seed in range(20):
        found = measure_transparency(_night([1.0, 0.5, 1.0], seed=seed, count=60), tolerance=2.0)
        values.append(found.value[1])
        errors.append(found.sigma[1])
    assert np.median(errors) == pytest.approx(np.std(values), rel=0.6)
    assert np.mean(values) == pytest.approx(0.5, rel=0.01)
