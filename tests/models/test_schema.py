import numpy as np
import pytest
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import ContrastModel, CubeModel

from coronx.models.schema import CURVE, extend, plane_table, shift_table
from coronx.ops.registration import Registration


@pytest.fixture
def cube():
    model = CubeModel(data=np.ones((2, 4, 5), np.float32))
    model.meta.filename = "a_calints.fits"
    return model


@pytest.fixture
def found():
    return Registration(
        np.array([[0.5, -1.0], [np.nan, 2.0]]),
        np.array([1.0, 2.0]),
        np.array([[0.01, 0.02], [np.nan, np.nan]]),
        np.array([3.0, 4.0]),
        np.array([True, False]),
    )


def test_keywords_are_written_and_read_again(cube, tmp_path):
    record = extend(cube).meta.coronx
    record.version, record.star_x, record.mask_recentered, record.kl_modes = "1.2", 10.5, True, 7
    path = tmp_path / "a_psfsub.fits"
    cube.save(str(path))
    with datamodels.open(str(path)) as again:
        assert type(again) is CubeModel
        known = extend(again).meta.coronx
        assert known.version == "1.2"
        assert known.star_x == 10.5
        assert known.mask_recentered is True
        assert known.kl_modes == 7


def test_extending_twice_is_extending_once(cube):
    assert extend(extend(cube)) is cube
    cube.meta.coronx.star_x = 3.0
    assert extend(cube).meta.coronx.star_x == 3.0


def test_planes_are_counted_from_one_and_kept_by_a_stack(cube):
    table = plane_table(cube)
    np.testing.assert_array_equal(table["exposure"], [b"a_calints.fits"] * 2)
    np.testing.assert_array_equal(table["integration"], [1, 2])
    table["integration"] = [5, 9]
    extend(cube).planes = table
    np.testing.assert_array_equal(plane_table(cube)["integration"], [5, 9])
    cube.data = np.ones((3, 4, 5), np.float32)
    np.testing.assert_array_equal(plane_table(cube)["integration"], [1, 2, 3])


def test_names_that_are_long_or_missing(cube):
    cube.meta.filename = "x" * 100
    assert plane_table(cube)["exposure"][0] == b"x" * 64
    cube.meta.filename = None
    assert plane_table(cube)["exposure"][0] == b""


@pytest.mark.parametrize("inverse", [False, True])
def test_a_registration_becomes_a_table(cube, found, inverse):
    table = shift_table(cube, found, inverse=inverse)
    sign = -1.0 if inverse else 1.0
    np.testing.assert_array_equal(table["dx"], sign * found.shift[:, 0])
    np.testing.assert_array_equal(table["dy"], sign * found.shift[:, 1])
    np.testing.assert_array_equal(table["sigma_y"], found.sigma[:, 1])
    np.testing.assert_array_equal(table["scale"], found.scale)
    np.testing.assert_array_equal(table["residual"], found.residual)
    np.testing.assert_array_equal(table["converged"], [1, 0])
    np.testing.assert_array_equal(table["integration"], [1, 2])


def test_tables_are_written_and_read_again(cube, found, tmp_path):
    table = shift_table(cube, found)
    extend(cube).reference_shifts = table
    cube.planes = plane_table(cube)
    path = tmp_path / "a_psfalign.fits"
    cube.save(str(path))
    with datamodels.open(str(path)) as again:
        assert list(again.reference_shifts["exposure"].astype("S64")) == list(table["exposure"])
        for name in table.dtype.names[1:]:
            np.testing.assert_array_equal(again.reference_shifts[name], table[name])
        np.testing.assert_array_equal(again.planes["integration"], [1, 2])


def test_the_curve_keeps_the_hosts_columns_in_front():
    model = ContrastModel()
    theirs = model.get_dtype("contrast_table").names
    model.extend_schema(CURVE)
    assert model.get_dtype("contrast_table").names[: len(theirs)] == theirs
