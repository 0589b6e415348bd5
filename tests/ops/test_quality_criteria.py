import numpy as np
import pytest

from coronx.ops.quality_criteria import Limits, judge_frames, small_sample_factor


def _good(count, rng, *, seeing=0.08):
    """Return figures of a good night: seeing, airmass and sky that change as they do."""
    airmass = np.linspace(1.05, 1.05 + rng.uniform(0.0, 0.9), count)
    fwhm = 3.0 * np.exp(seeing * rng.normal(size=count))
    clear = 10 ** (-0.1 * (airmass - 1)) * np.exp(0.02 * rng.normal(size=count))
    return {
        "fwhm": fwhm,
        "transparency": clear / clear.max(),
        "axis_ratio": 0.94 - np.abs(0.03 * rng.normal(size=count)),
        "background": 300.0 * airmass * np.exp(0.08 * rng.normal(size=count)),
        "background_rms": np.full(count, 15.0),
        "stars": rng.poisson(80 * 3.0 / fwhm).astype(float),
        "saturated_share": 1e-5 * rng.poisson(10, count),
        "bad_share": np.full(count, 1e-3),
        "airmass": airmass,
    }


def _why(figures, **limits):
    return [
        [r.figure for r in reasons] for reasons in judge_frames(figures, limits=Limits(**limits))
    ]


@pytest.mark.parametrize("count", [3, 4, 5, 6, 10, 30])
def test_good_frames_pass(count):
    rng = np.random.default_rng(count)
    trials = 250
    rejected = sum(sum(map(bool, _why(_good(count, rng)))) for _ in range(trials))
    assert rejected <= 2e-3 * trials * count


@pytest.mark.parametrize("count", [3, 5, 12])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fwhm": 2.2, "stars": 0.1, "background": 1.1}, ["fwhm"]),
        ({"transparency": 0.35, "stars": 0.2, "background": 2.6}, ["transparency"]),
        ({"axis_ratio": 0.5, "fwhm": 1.2}, ["axis_ratio"]),
        ({"background": 4.0, "background_rms": 2.0}, ["background"]),
        ({"stars": 0.05}, ["stars"]),
        ({"airmass": 2.8}, ["airmass"]),
        ({"saturated_share": 400.0}, ["saturated_share"]),
        ({"fwhm": 2.2, "transparency": 0.3}, ["fwhm", "transparency"]),
    ],
)
def test_bad_frames_are_rejected_with_the_right_reason(count, changes, reason):
    for seed in range(20):
        figures = _good(count, np.random.default_rng(seed), seeing=0.03)
        figures["stars"] = np.full(count, 80.0)
        figures["saturated_share"] = np.full(count, 1e-4)
        figures["airmass"] = np.full(count, 1.1)
        for name, factor in changes.items():
            figures[name][1] = factor * np.median(figures[name])
        assert _why(figures) == [[], reason, *[[]] * (count - 2)]


def test_half_a_night_of_clouds():
    figures = _good(8, np.random.default_rng(1), seeing=0.03)
    figures["transparency"] = np.array([1.0, 0.98, 0.99, 1.0, 0.5, 0.4, 0.6, 0.3])
    assert [bool(why) for why in _why(figures)] == [False] * 4 + [True] * 4


def test_what_scatters_little_is_judged_by_its_scatter():
    figures = _good(12, np.random.default_rng(2), seeing=0.01)
    figures["fwhm"][4] = 3.0 * 1.35
    figures["axis_ratio"] = np.full(12, 0.95) + 0.005 * np.random.default_rng(3).normal(size=12)
    figures["axis_ratio"][7] = 0.75
    why = _why(figures)
    assert (why[4], why[7]) == (["fwhm"], ["axis_ratio"])
    assert not any(_why(figures, fwhm_sigma=None, axis_ratio_sigma=None))


def test_every_limit_can_be_switched_off():
    figures = _good(6, np.random.default_rng(4))
    for name, factor in (
        ("fwhm", 3.0), ("transparency", 0.1), ("axis_ratio", 0.3), ("background", 5.0),
        ("stars", 0.0), ("saturated_share", 1e4), ("airmass", 3.0),
    ):  # fmt: skip
        figures[name][0] = factor * np.median(figures[name])
    assert len(_why(figures)[0]) >= 4
    off = [name for name, value in vars(Limits()).items() if value is not None]
    assert _why(figures, **dict.fromkeys(off)) == [[]] * 6


@pytest.mark.parametrize(
    ("limit", "figure", "value"),
    [
        ({"max_fwhm": 4.0}, "fwhm", 4.1),
        ({"min_axis_ratio": 0.8}, "axis_ratio", 0.79),
        ({"max_background": 500.0}, "background", 501.0),
        ({"min_stars": 30}, "stars", 29.0),
        ({"max_saturated": 1e-4}, "saturated_share", 2e-4),
        ({"max_airmass": 2.0}, "airmass", 2.1),
        ({"max_bad": 0.1}, "bad_share", 0.2),
    ],
)
def test_absolute_limits_apply_to_a_frame_alone(limit, figure, value):
    rng = np.random.default_rng(5)
    figures = {name: values[:1] for name, values in _good(3, rng).items()}
    figures["background"][:] = 300.0
    assert _why(figures, **limit) == [[]]
    figures[figure] = np.array([value])
    reasons = judge_frames(figures, limits=Limits(**limit))
    assert [(r.figure, r.value) for r in reasons[0]] == [(figure, value)]
    assert reasons[0][0].limit == next(iter(limit.values()))


def test_what_is_not_known_rejects_nothing_and_no_stars_are_a_reason():
    figures = _good(6, np.random.default_rng(6))
    for name in figures:
        figures[name][2] = np.nan
    figures["stars"][3] = 0.0
    for name in ("fwhm", "transparency", "axis_ratio"):
        figures[name][3] = np.nan
    assert _why(figures) == [[], [], [], ["stars"], [], []]
    assert _why({"fwhm": np.array([3.0, 3.1, 9.0])}) == [[], [], ["fwhm"]]


def test_a_dark_sky_of_zero_has_no_ratio():
    figures = {
        "background": np.array([-0.5, 0.3, 0.1, 2.0]),
        "background_rms": np.full(4, 5.0),
    }
    assert _why(figures) == [[]] * 4
    figures["background"][3] = 8.0
    assert _why(figures)[3] == ["background"]


def test_deviations_of_few_are_too_small_now_and_then():
    rng = np.random.default_rng(7)
    for count in (5, 8, 15, 30):
        values = rng.normal(size=(4000, count))
        away = values - np.median(values, axis=1, keepdims=True)
        spread = 1.4826 * np.median(np.abs(away), axis=1)
        beyond = away.max(axis=1) > 5.0 * small_sample_factor(count) * spread
        assert beyond.mean() < 0.01
    assert np.isinf(small_sample_factor(2))
