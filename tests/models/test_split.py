import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel, ImageModel

from coronx.models.split import split_integrations


@pytest.fixture
def cube():
    rng = np.random.default_rng(0)
    model = CubeModel(data=rng.normal(size=(3, 6, 7)).astype(np.float32))
    model.err = rng.uniform(1, 2, model.shape).astype(np.float32)
    model.dq = rng.integers(0, 5, model.shape).astype(np.uint32)
    model.var_rnoise = rng.uniform(1, 2, model.shape).astype(np.float32)
    model.area = rng.uniform(0.9, 1.1, (6, 7)).astype(np.float32)
    model.meta.filename = "a_psfsub.fits"
    model.meta.target.catalog_name = "a star"
    return model


def test_each_integration_is_an_image_with_the_cubes_metadata(cube):
    images = list(split_integrations(cube))
    assert len(images) == 3
    for n, image in enumerate(images):
        assert isinstance(image, ImageModel)
        for name in ("data", "err", "dq", "var_rnoise"):
            np.testing.assert_array_equal(getattr(image, name), getattr(cube, name)[n])
        np.testing.assert_array_equal(image.area, cube.area)
        assert image.meta.target.catalog_name == "a star"


def test_a_change_of_an_image_does_not_reach_the_cube(cube):
    before = cube.data.copy()
    for image in split_integrations(cube):
        image.data[:] = 0.0
        image.meta.target.catalog_name = "another"
    np.testing.assert_array_equal(cube.data, before)
    assert cube.meta.target.catalog_name == "a star"


def test_images_come_one_at_a_time(cube):
    images = split_integrations(cube)
    assert next(images).shape == (6, 7)
    assert len(list(images)) == 2
