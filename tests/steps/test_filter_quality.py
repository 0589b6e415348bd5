import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from coronx.errors import InputError
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.filter_quality import FilterQualityStep
from coronx.steps.ground.measure_quality import MeasureQualityStep
from tests.ops.star_scenes import gaussian
from tests.steps.starry_frames import starry_frame

FAULTS = {
    "good1": {},
    "defocused": {"fwhm": 7.0},
    "good2": {"fwhm": 3.4, "sky": 230.0},
    "clouded": {"clouds": 0.35, "sky": 450.0},
    "good3": {"fwhm": 3.05, "clouds": 0.95},
    "trailed": {"profile": gaussian(6.5, ratio=0.45, angle=25.0)},
    "moonlit": {"sky": 900.0},
    "blank": {"stars": False},
    "good4": {"sky": 185.0},
}
REASONS = {
    "defocused": "FWHM", "clouded": "transparency", "trailed": "axis ratio",
    "moonlit": "background", "blank": "0 stars",
}  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(4)
    frames = [
        starry_frame(f"{name}_quality.fits", shift=tuple(rng.uniform(-9, 9, 2)), seed=n, **fault)[0]
        for n, (name, fault) in enumerate(FAULTS.items())
    ]
    return MeasureQualityStep.call(frames)


def _names(models):
    return [model.meta.filename.removesuffix("_quality.fits") for model in models]


def test_bad_frames_are_rejected_for_the_right_reason_and_no_others(measured, tmp_path):
    passed = FilterQualityStep.call(measured, save_results=True, output_dir=str(tmp_path))
    assert len(passed) == 4
    made = {path.name for path in tmp_path.iterdir()}
    good = [name for name in FAULTS if name.startswith("good")]
    assert made == {
        "frames_passed.ecsv", "frames_passed_asn.json",
        *(f"{name}_passed.fits" for name in good), *(f"{name}_rejected.fits" for name in REASONS),
    }  # fmt: skip
    table = Table.read(tmp_path / "frames_passed.ecsv")
    for row in table:
        name = row["file"].removesuffix("_quality.fits")
        assert row["passed"] == name.startswith("good")
        expected = REASONS.get(name, "")
        assert str(row["reason"]).startswith(expected) if expected else not row["reason"]
        if name != "blank":
            assert ";" not in str(row["reason"]), row["reason"]
    for name, reason in REASONS.items():
        with fits.open(tmp_path / f"{name}_rejected.fits") as file:
            assert file[0].header["REJECTED"].startswith(reason)
    members = json.loads((tmp_path / "frames_passed_asn.json").read_text())["products"][0][
        "members"
    ]
    assert [member["expname"] for member in members] == [f"{name}_passed.fits" for name in good]
    survivor = open_frame(tmp_path / "good1_passed.fits")
    assert survivor.meta.ground.rejected is None
    assert survivor.meta.ground_steps.filter_quality == "COMPLETE"
    again = FilterQualityStep.call(str(tmp_path / "frames_passed_asn.json"))
    assert len(again) == len(good)


def test_inputs_stay_as_they_are(measured):
    before = [model.quality.tolist() for model in measured]
    FilterQualityStep.call(measured)
    np.testing.assert_equal([model.quality.tolist() for model in measured], before)
    assert all(model.meta.ground.rejected is None for model in measured)


def _some(measured, *names):
    return [model for model, name in zip(measured, FAULTS, strict=True) if name in names]


GOODS = ("good1", "good2", "good3", "good4")


@pytest.mark.parametrize(
    ("fault", "limit"),
    [
        ("defocused", "fwhm_ratio"), ("clouded", "transparency"), ("trailed", "axis_ratio_share"),
        ("moonlit", "background_ratio"), ("blank", "stars_share"),
    ],
)  # fmt: skip
def test_limits_can_be_switched_off(measured, fault, limit):
    some = _some(measured, *GOODS, fault)
    assert len(FilterQualityStep.call(some)) == 4
    others = {
        "clouded": {"background_ratio": None}, "defocused": {"fwhm_sigma": None},
        "trailed": {"axis_ratio_sigma": None, "fwhm_sigma": None},
    }  # fmt: skip
    assert len(FilterQualityStep.call(some, **{limit: None}, **others.get(fault, {}))) == 5


@pytest.mark.parametrize(
    ("option", "value", "left"),
    [
        ("max_fwhm", 3.6, ("good1", "good3")), ("min_axis_ratio", 1.0, ()),
        ("max_background", 195.0, ("good4",)), ("min_stars", 1000, ()), ("max_saturated", 1e-7, ()),
        ("max_airmass", 1.1, ()), ("max_bad", 1e-3, ()),
    ],
)  # fmt: skip
def test_absolute_limits(measured, option, value, left):
    some = _some(measured, "good1", "good2", "good3", "good4")
    assert len(FilterQualityStep.call(some)) == 4
    if not left:
        with pytest.raises(InputError, match=r"rejected, .* so are all of 4 frames; loosen"):
            FilterQualityStep.call(some, **{option: value})
        return
    passed = FilterQualityStep.call(some, **{option: value})
    assert set(left) <= set(_names(passed)) < set(GOODS)


def test_relative_limits_of_airmass_and_saturation(measured):
    some = [model.copy() for model in _some(measured, *GOODS)]
    for name, value in (("airmass", 2.6), ("saturated_share", 0.02)):
        spoilt = [model.copy() for model in some]
        spoilt[1].quality[name] = value
        assert len(FilterQualityStep.call(spoilt)) == 3
        option = f"{name.removesuffix('_share')}_ratio"
        assert (
            len(FilterQualityStep.call(spoilt, **{option: 30.0 if name == "airmass" else 1e4})) == 4
        )


def test_sets_are_judged_apart(measured):
    other = [model.copy() for model in _some(measured, "defocused")]
    other[0].meta.ground.filter = "Ha"
    passed = FilterQualityStep.call([*_some(measured, *GOODS), *other])
    assert len(passed) == 5


def test_a_frame_alone(measured):
    result = FilterQualityStep.call(_some(measured, "clouded")[0])
    assert result.meta.ground_steps.filter_quality == "COMPLETE"


def test_without_figures(measured):
    bare = starry_frame("bare.fits")[0]
    with pytest.raises(InputError, match=r"bare.fits: no table QUALITY; run coronx_m"):
        FilterQualityStep.call([*_some(measured, *GOODS), bare])


def test_what_is_saved(measured, tmp_path):
    FilterQualityStep.call(
        _some(measured, *GOODS, "clouded"), save_results=True, output_dir=str(tmp_path),
        save_rejected=False, summary="csv",
    )  # fmt: skip
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {
        "frames_passed.csv", "frames_passed_asn.json", *(f"{name}_passed.fits" for name in GOODS)
    }  # fmt: skip
    table = Table.read(tmp_path / "frames_passed.csv", format="ascii.csv")
    assert list(table["passed"]).count("True") == 4
