import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError
from coronx.models.criteria import bad_fractions, star_offsets
from coronx.models.schema import extend


@pytest.fixture
def cube():
    model = extend(CubeModel(data=np.ones((3, 10, 10), "f4")))
    model.meta.filename = "x_calints.fits"
    return model


def test_share_of_bad_pixels(cube):
    cube.data[1, :2] = np.nan
    cube.dq[1, 1:3] = pixel["DO_NOT_USE"]
    cube.dq[2, :4] = pixel["JUMP_DET"]
    np.testing.assert_allclose(bad_fractions(cube, 1), [0.0, 0.3, 0.0])
    np.testing.assert_allclose(bad_fractions(cube, 1 | 4), [0.0, 0.3, 0.4])
    np.testing.assert_allclose(bad_fractions(cube, 0), [0.0, 0.2, 0.0])


def test_pixels_that_see_no_sky_do_not_count(cube):
    cube.data[:, :5] = np.nan
    cube.dq[:, :5] = pixel["NON_SCIENCE"] | 1
    cube.data[1, 5:7] = np.nan
    cube.dq[2] |= pixel["NON_SCIENCE"]
    np.testing.assert_allclose(bad_fractions(cube, 1), [0.0, 0.4, 1.0])


def test_distance_from_the_median_place(cube):
    table = np.zeros(3, cube.get_dtype("star_places"))
    table["x"], table["y"], table["good"] = (10.0, 10.0, 13.0), (5.0, 5.0, 9.0), 1
    cube.star_places = table
    np.testing.assert_allclose(star_offsets(cube), [0.0, 0.0, 5.0])
    cube.star_places["good"][0] = 0
    found = star_offsets(cube)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], 2.5)
    cube.star_places["good"] = 0
    assert np.isnan(star_offsets(cube)).all()


def test_places_that_no_step_has_measured(cube):
    with pytest.raises(InputError, match=r"x_calints\.fits: no table .*STARPOS.* or leave"):
        star_offsets(cube)
