import numpy as np
import pytest
from astropy.table import Table

from coronx.steps.ground.find_stars import FindStarsStep
from coronx.steps.ground.measure_quality import MeasureQualityStep
from tests.steps.starry_frames import SIZE, starry_frame

CLOUDS = (1.0, 0.97, 0.5, 1.0)
SHIFTS = ((0.0, 0.0), (9.0, -6.0), (-8.0, 7.0), (4.0, 5.0))


@pytest.fixture(scope="module")
def frames():
    return [
        starry_frame(
            f"light{n}_stars.fits", shift=shift, clouds=cloud, seed=n, fwhm=5.0 if n == 3 else 3.2
        )[0]
        for n, (cloud, shift) in enumerate(zip(CLOUDS, SHIFTS, strict=True))
    ]


@pytest.fixture(scope="module")
def measured(frames):
    return MeasureQualityStep.call(frames)


def _column(models, name):
    return np.array([model.quality[0][name] for model in models])


def test_figures(frames, measured):
    assert _column(measured, "stars").min() >= 25
    np.testing.assert_allclose(_column(measured, "fwhm"), [3.2, 3.2, 3.2, 5.0], rtol=0.12)
    assert (_column(measured, "fwhm_scatter") < 0.4).all()
    assert (_column(measured, "axis_ratio") > 0.93).all()
    np.testing.assert_allclose(_column(measured, "background"), 200.0, atol=2.0)
    np.testing.assert_allclose(_column(measured, "background_rms"), 12.7, rtol=0.06)
    for model, row in zip(frames, (m.quality[0] for m in measured), strict=True):
        full = np.count_nonzero((model.dq & 2 != 0) & (model.dq & 8 == 0))
        assert row["saturated"] == full
        assert row["saturated_share"] == pytest.approx(full / model.data.size)
        assert row["bad_share"] == np.count_nonzero(model.dq & 1) / np.prod(SIZE)
    np.testing.assert_allclose(_column(measured, "airmass"), 1.2)
    assert all(model.meta.ground_steps.measure_quality == "COMPLETE" for model in measured)


def test_transparency(measured):
    value, sigma = _column(measured, "transparency"), _column(measured, "transparency_sigma")
    np.testing.assert_allclose(value, CLOUDS, rtol=0.015)
    assert (sigma < 0.02).all()
    assert (_column(measured, "matched") > 15).all()


def test_the_limiting_magnitude_is_that_of_five_sigma(measured):
    limit = _column(measured, "limiting_magnitude")
    noise = 12.72 * np.sqrt(np.pi * (1.5 * _column(measured, "fwhm")) ** 2)
    expected = -2.5 * np.log10(5.0 * noise / 60.0)
    np.testing.assert_allclose(limit, expected, atol=0.1)
    assert limit[3] < limit[0] - 0.3  # wider stars: less deep


def test_stars_found_before_are_used(frames, measured):
    found = FindStarsStep.call(frames)
    again = MeasureQualityStep.call(found)
    for name in ("stars", "fwhm", "background", "limiting_magnitude", "transparency"):
        np.testing.assert_array_equal(_column(again, name), _column(measured, name))
    few = MeasureQualityStep.call(FindStarsStep.call(frames, threshold=100.0))
    assert (_column(few, "stars") < _column(measured, "stars")).all()


def test_matching_on_the_sky():
    shifts = ((0.0, 0.0), (9.0, -6.0), (-8.0, 7.0))
    frames = [
        starry_frame(f"{n}.fits", wcs=True, shift=shift, clouds=cloud, seed=n)[0]
        for n, (cloud, shift) in enumerate(zip((1.0, 0.6, 1.0), shifts, strict=True))
    ]
    measured = MeasureQualityStep.call(frames)
    np.testing.assert_allclose(_column(measured, "transparency"), [1.0, 0.6, 1.0], rtol=0.015)


def test_sets_are_not_mixed(frames):
    other = frames[2].copy()
    other.meta.ground.filter = "B"
    measured = MeasureQualityStep.call([frames[0], frames[1], other])
    assert _column(measured, "transparency")[2] == pytest.approx(1.0)


def test_a_frame_without_stars_and_one_alone():
    blank = starry_frame("blank.fits", stars=False)[0]
    result = MeasureQualityStep.call(blank)
    row = result.quality[0]
    assert row["stars"] == 0
    assert np.isnan(row["fwhm"])
    assert np.isnan(row["transparency"])
    assert row["background"] == pytest.approx(200.0, abs=2.0)


@pytest.mark.parametrize("kind", ["ecsv", "csv", "none"])
def test_the_summary(frames, kind, tmp_path):
    MeasureQualityStep.call(
        frames[:2], save_results=True, output_dir=str(tmp_path), summary=kind, threshold=20.0,
        fwhm=4.0,
    )  # fmt: skip
    names = sorted(path.name for path in tmp_path.iterdir())
    fits = ["light0_quality.fits", "light1_quality.fits"]
    if kind == "none":
        assert names == fits
        return
    assert names == [f"frames_quality.{kind}", *fits]
    table = Table.read(tmp_path / f"frames_quality.{kind}", format=f"ascii.{kind}")
    assert list(table["file"]) == ["light0_stars.fits", "light1_stars.fits"]
    assert table["fwhm"][0] == pytest.approx(3.2, rel=0.12)
    if kind == "ecsv":
        assert table["fwhm"].unit == "pix"
