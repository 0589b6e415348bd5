import numpy as np
import pytest

from coronx import MeasureBackgroundStep
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.models.ground_reading import open_frame
from tests.steps.ccd_images import BAD, ccd_image


@pytest.fixture(scope="module")
def truth():
    y, x = np.mgrid[:200, :260]
    return 500.0 + 0.2 * x - 0.1 * y


@pytest.fixture
def image(truth):
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:200, :260]
    star = 3000 * np.exp(-0.5 * ((y - 90) ** 2 + (x - 120) ** 2) / 9)
    model = ccd_image(truth + star + 6 * rng.standard_normal(truth.shape), 6.0)
    model.data[:, 30], model.dq[:, 30] = 6e4, BAD
    model.data[10, 10] = np.nan
    return model


def test_subtracted(image, truth):
    before = image.data.copy()
    result = MeasureBackgroundStep.call(image)
    np.testing.assert_array_equal(image.data, before)
    good = np.isfinite(before) & (image.dq == 0)
    sky = (before - result.data)[good]
    np.testing.assert_allclose(sky, truth[good], atol=2.5)
    assert abs(np.mean(sky - truth[good])) < 0.4
    assert result.meta.ground.sky_level == pytest.approx(np.median(truth), abs=1)
    assert result.meta.ground.sky_rms == pytest.approx(6.0, rel=0.04)
    assert (result.err > image.err).all() and result.err.max() < 6.05
    np.testing.assert_array_equal(np.isnan(result.data), np.isnan(before))
    np.testing.assert_array_equal(result.dq, image.dq)
    assert result.meta.ground_steps.measure_background == "COMPLETE"
    again = MeasureBackgroundStep.call(result)
    np.testing.assert_array_equal(again.data, result.data)


def test_only_recorded(image):
    result = MeasureBackgroundStep.call(image, subtract=False)
    np.testing.assert_array_equal(result.data, image.data)
    np.testing.assert_array_equal(result.err, image.err)
    assert result.meta.ground.sky_level == pytest.approx(520, abs=10)
    assert result.meta.ground_steps.measure_background == "MEASURED"
    assert MeasureBackgroundStep.call(result).meta.ground_steps.measure_background == "COMPLETE"


def test_the_map_is_saved(image, truth, tmp_path):
    image.save(str(tmp_path / "frame_cal.fits"))
    MeasureBackgroundStep.call(
        str(tmp_path / "frame_cal.fits"), save_background=True, save_results=True,
        output_dir=str(tmp_path),
    )  # fmt: skip
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["frame_bkg.fits", "frame_bkgmap.fits", "frame_cal.fits"]
    sky = open_frame(tmp_path / "frame_bkgmap.fits")
    np.testing.assert_allclose(sky.data, truth, atol=2.5)
    np.testing.assert_allclose(sky.err, 6.0, rtol=0.15)
    assert not sky.dq.any()


def test_every_option_reaches_the_mesh(image):
    plain = MeasureBackgroundStep.call(image).data
    for option in (
        {"boxes": 2}, {"smallest_box": 30}, {"filter_size": 1},
        {"sigma": 2.0}, {"estimator": "mode"}, {"source_sigma": 40.0}, {"source_pixels": 0},
        {"source_grow": 61},
    ):  # fmt: skip
        made = MeasureBackgroundStep.call(image, **option).data
        assert not np.array_equal(made, plain, equal_nan=True), option


def test_boxes_with_many_bad_pixels(image):
    image.data[60:90, 60:120] += 50
    image.dq[50:80, 50:110] = BAD
    first = MeasureBackgroundStep.call(image).data
    second = MeasureBackgroundStep.call(image, exclude_percent=60.0).data
    assert not np.array_equal(first, second, equal_nan=True)


def test_a_raw_frame_has_no_error_then_either(image):
    raw = ccd_image(image.data)
    assert "err" not in arrays_of(MeasureBackgroundStep.call(raw))


def test_what_makes_no_sense(image):
    with pytest.raises(InputError, match="filter_size = 4: has no middle"):
        MeasureBackgroundStep.call(image, filter_size=4)
    image.dq[:] = BAD
    with pytest.raises(InputError, match=r"frame_cal.fits: no box of .*exclude_percent"):
        MeasureBackgroundStep.call(image)
