from pathlib import Path

import numpy as np
import pytest

from coronx import ImageArithmeticStep
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_reading import open_frame
from tests.steps.ccd_images import BAD, ccd_image, tan

NONE = FLAGS["DO_NOT_USE"] | FLAGS["NO_DATA"]


@pytest.fixture
def image():
    model = ccd_image(np.arange(1.0, 31.0).reshape(5, 6), 2.0, wcs=tan())
    model.data[1, 1], model.dq[1, 1] = np.nan, BAD
    return model


@pytest.fixture
def other(tmp_path):
    model = ccd_image(np.full((5, 6), 4.0), 0.5, name="other.fits")
    model.data[3, 3], model.dq[4, 4] = 0.0, FLAGS["COSMIC_RAY"]
    model.save(str(tmp_path / "other.fits"))
    return str(tmp_path / "other.fits")


@pytest.mark.parametrize(
    ("operation", "value", "err", "unit"),
    [("ADD", 8.0, 2.0616, "ADU"), ("SUB", 0.0, 2.0616, "ADU"), ("MUL", 16.0, 8.2462, "ADU2"),
     ("DIV", 1.0, 0.5154, "")],
)  # fmt: skip
def test_two_images(image, other, operation, value, err, unit):
    before = image.copy()
    result = ImageArithmeticStep.call(image, operation=operation, operand=other)
    assert result.data[0, 3] == pytest.approx(value)
    assert result.err[0, 3] == pytest.approx(err, rel=1e-3)
    assert result.meta.bunit == unit
    assert np.isnan(result.data[1, 1]) and result.dq[1, 1] == BAD | NONE
    assert result.dq[4, 4] == FLAGS["COSMIC_RAY"]
    divided = operation == "DIV"
    assert np.isnan(result.data[3, 3]) == divided
    assert result.dq[3, 3] == (NONE if divided else 0)
    assert result.meta.ground_steps.image_arithmetic == "COMPLETE"
    np.testing.assert_array_equal(image.data, before.data)
    np.testing.assert_array_equal(image.dq, before.dq)


def test_a_number(image):
    result = ImageArithmeticStep.call(image, operation="MUL", operand="-2.5")
    assert result.data[0, 0] == -2.5 and result.err[0, 0] == 5.0
    assert result.meta.bunit == "ADU"
    told = ImageArithmeticStep.call(image, operation="DIV", operand="2", bunit="electron")
    assert told.meta.bunit == "electron"
    nothing = ImageArithmeticStep.call(image, operation="DIV", operand="0")
    assert np.isnan(nothing.data).all() and ((nothing.dq & NONE) == NONE).all()


def test_images_without_errors(image, tmp_path):
    raw = ccd_image(np.ones((5, 6)), name="raw.fits")
    raw.save(str(tmp_path / "raw.fits"))
    exact = ImageArithmeticStep.call(image, operation="SUB", operand=str(tmp_path / "raw.fits"))
    np.testing.assert_allclose(exact.err[0], 2.0)
    assert "err" not in arrays_of(ImageArithmeticStep.call(raw, operand="1"))


def test_files_are_saved_and_read_again(image, other, tmp_path):
    image.save(str(tmp_path / "frame_cal.fits"))
    result = ImageArithmeticStep.call(
        str(tmp_path / "frame_cal.fits"), operation="DIV", operand=Path(other).name,
        save_results=True, output_dir=str(tmp_path),
    )  # fmt: skip
    again = open_frame(tmp_path / "frame_arith.fits")
    np.testing.assert_array_equal(again.data, result.data)
    np.testing.assert_array_equal(again.dq, result.dq)
    assert (again.meta.bunit or "") == ""


def test_several(image):
    results = ImageArithmeticStep.call([image, image.copy()], operand="1")
    assert len(results) == 2
    assert results[1].data[0, 0] == 2.0


def test_what_makes_no_sense(image, tmp_path):
    with pytest.raises(InputError, match="operand: none given"):
        ImageArithmeticStep.call(image)
    with pytest.raises(InputError, match=r"nothing.fits: no such file"):
        ImageArithmeticStep.call(image, operand="nothing.fits")
    ccd_image(np.ones((4, 6)), name="small.fits").save(str(tmp_path / "small.fits"))
    with pytest.raises(InputError, match=r"small.fits: 6 x 4 pixels, but frame_cal.fits has 6 x 5"):
        ImageArithmeticStep.call(image, operand=str(tmp_path / "small.fits"))
    charge = ccd_image(np.ones((5, 6)), name="charge.fits")
    charge.meta.bunit = "electron"
    charge.save(str(tmp_path / "charge.fits"))
    with pytest.raises(InputError, match=r"charge.fits: units 'ADU' and 'electron'.*--bunit"):
        ImageArithmeticStep.call(image, operand=str(tmp_path / "charge.fits"))
    with pytest.raises(InputError, match="POW"):
        ImageArithmeticStep.call(image, operand="1", operation="POW")
