import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.variance import set_error, set_moved_error, set_repaired_error

SHAPE = (2, 4, 5)


def total(model):
    parts = [model.var_poisson, model.var_rnoise]
    if model.hasattr("var_flat"):
        parts.append(model.var_flat)
    return sum(parts)


@pytest.fixture
def result():
    return CubeModel(data=np.ones(SHAPE, np.float32))


def source(**variances):
    model = CubeModel(data=np.ones(SHAPE, np.float32))
    for name, value in variances.items():
        setattr(model, name, np.full(SHAPE, value, np.float32))
    return model


def test_parts_of_the_source_are_kept_and_the_rest_is_poisson(result):
    err = np.full(SHAPE, 3.0, np.float32)
    set_error(result, source(var_rnoise=2.0, var_flat=0.5, var_poisson=1.0), err)
    np.testing.assert_array_equal(result.err, 3.0)
    np.testing.assert_allclose(result.var_rnoise, 2.0)
    np.testing.assert_allclose(result.var_flat, 0.5)
    np.testing.assert_allclose(result.var_poisson, 6.5)
    np.testing.assert_allclose(total(result), 9.0)


@pytest.mark.parametrize("variances", [{}, {"var_rnoise": 0.0}, {"var_rnoise": np.nan}])
def test_a_source_without_parts_gives_read_noise(result, variances):
    err = np.full(SHAPE, 3.0, np.float32)
    set_error(result, source(**variances), err)
    np.testing.assert_allclose(result.var_rnoise, 9.0)
    np.testing.assert_allclose(result.var_poisson, 0.0)


def test_nothing_is_negative_and_nan_stays_in_its_pixel(result):
    err = np.full(SHAPE, 1.0, np.float32)
    err[0, 1, 1] = np.nan
    parts = source(var_rnoise=2.0)
    parts.var_rnoise[1, 2, 2] = np.nan
    set_error(result, parts, err)
    assert (result.var_poisson >= 0.0).all()
    assert np.isfinite(result.var_rnoise).all()
    assert result.var_rnoise[1, 2, 2] == 1.0
    np.testing.assert_array_equal(np.isnan(result.err), np.isnan(err))
    assert result.var_rnoise.dtype == result.var_poisson.dtype == np.float32


def test_the_source_is_not_changed(result):
    parts = source(var_rnoise=2.0, var_flat=0.5)
    set_error(result, parts, np.ones(SHAPE, np.float32))
    result.var_flat[:] = result.var_rnoise[:] = 7.0
    assert (parts.var_flat == 0.5).all()
    assert (parts.var_rnoise == 2.0).all()


def test_parts_move_with_their_frames_and_add_up(result):
    given = source(var_rnoise=2.0, var_flat=0.5)
    given.err = np.full(SHAPE, 2.0, np.float32)
    given.var_rnoise[0, 1, 1], given.var_rnoise[0, 2, 4] = 100.0, np.nan
    err = np.full(SHAPE, 2.0, np.float32)
    err[1] = 1.0  # as after a blur, of a quarter of the variance
    err[0, 3, 3] = np.nan
    set_moved_error(result, given, err, np.array([(1.4, -0.9), (0.0, 0.0)]))
    # Nearest pixel, and no more than there is in all.
    assert result.var_rnoise[0, 0, 2] == 4.0
    assert result.var_rnoise[0, 1, 1] == 2.0
    np.testing.assert_allclose(result.var_rnoise[1], 0.5)
    np.testing.assert_allclose(result.var_flat[1], 0.125)
    good = np.isfinite(err)
    np.testing.assert_allclose(total(result)[good], err[good] ** 2)
    assert np.isnan(result.var_rnoise[0, 3, 3])


def test_moved_frames_without_parts_are_read_noise(result):
    given = source()
    given.err = np.full(SHAPE, 2.0, np.float32)
    set_moved_error(result, given, np.full(SHAPE, 3.0, np.float32), np.zeros((2, 2)))
    np.testing.assert_allclose(result.var_rnoise, 9.0)


def test_only_repaired_pixels_get_new_parts(result):
    given = source(var_rnoise=2.0, var_flat=0.5, var_poisson=1.0)
    repaired = np.zeros(SHAPE, bool)
    repaired[0, 1, 1] = repaired[1, 2, 2] = True
    err = np.full(SHAPE, 5.0, np.float32)
    err[1, 2, 2] = 1.0  # less than its read noise
    set_repaired_error(result, given, err, repaired)
    np.testing.assert_allclose(total(result)[repaired], err[repaired] ** 2)
    assert result.var_rnoise[0, 1, 1] == 2.0
    for name, value in (("var_rnoise", 2.0), ("var_flat", 0.5), ("var_poisson", 1.0)):
        np.testing.assert_array_equal(getattr(result, name)[~repaired], value)
    bare = CubeModel(data=np.ones(SHAPE, np.float32))
    set_repaired_error(result, bare, err, repaired)
    np.testing.assert_allclose(result.var_rnoise, err**2)


def zeros_and_nan():
    """Return a source whose flat-field variance is zero but in a column, where it is NaN."""
    given = source(var_rnoise=2.0, var_poisson=2.0, var_flat=0.0)
    given.err = np.full(SHAPE, 2.0, np.float32)
    for name in ("err", "var_rnoise", "var_poisson", "var_flat"):
        getattr(given, name)[:, :, 2] = np.nan
    return given


def test_a_part_that_tells_nothing_leaves_no_nan_where_there_is_an_error():
    given = zeros_and_nan()
    err = np.full(SHAPE, 3.0, np.float32)
    err[0, 0, 0] = np.nan
    repaired = np.zeros(SHAPE, bool)
    repaired[:, :, 2] = True
    for setting, more in (
        (set_error, ()),
        (set_moved_error, (np.array([(0.3, 0.6), (1.0, 0.0)]),)),
        (set_repaired_error, (repaired,)),
    ):
        result = given.copy()
        setting(result, given, err, *more)
        known = np.isfinite(err) & (repaired | (setting is not set_repaired_error))
        np.testing.assert_allclose(total(result)[known], 9.0, err_msg=setting.__name__)
        assert not np.may_share_memory(result.var_flat, given.var_flat)


def test_a_flat_field_alone_is_part_of_what_is_told(result):
    given = source(var_flat=0.5)
    result.var_flat = given.var_flat.copy()
    set_error(result, given, np.full(SHAPE, 3.0, np.float32))
    np.testing.assert_allclose(total(result), 9.0)
