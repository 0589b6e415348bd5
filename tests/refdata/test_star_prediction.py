import numpy as np
import pytest

from coronx.refdata.modes import MODES
from coronx.refdata.psf_file import StarImage
from coronx.refdata.psf_model import star_model
from coronx.refdata.star_prediction import ExpectedStar

MODE = MODES["nircam-335r"]


@pytest.fixture(scope="module")
def model(stpsf_data):
    return star_model(MODE, "F335M", data_path=stpsf_data, opd="none", nlambda=1, fov_pixels=21)


@pytest.fixture(scope="module")
def image():
    y, x = np.indices((21, 21)) - 10.0
    return StarImage(MODE, np.exp(-(x**2 + y**2) / 8.0))


def test_slopes_are_those_of_the_image_by_pixel(model):
    expected = ExpectedStar(model, drift_nm=0.0, center=(0.2, -0.3))
    place = np.array([0.4, -0.3])
    predicted = expected(place)
    for axis, slope in enumerate(predicted.slopes):
        # Not smaller: images are made in single precision.
        step = 0.02 * np.eye(2)[axis]
        differ = (expected.image(place + step) - expected.image(place - step)) / 0.04
        np.testing.assert_allclose(slope, differ, atol=5e-3 * np.abs(differ).max())
    assert predicted.modes.shape == (0, 21, 21)


def test_modes_are_of_the_drift_that_is_expected(model):
    place = np.array([0.41, -0.29])
    one, two = (ExpectedStar(model, drift_nm=nm)(place).modes for nm in (6.0, 12.0))
    assert one.shape == (108, 21, 21)
    np.testing.assert_allclose(two, 2.0 * one)
    assert np.abs(one).max() > 0.0


def test_what_was_made_is_kept(model, monkeypatch):
    expected = ExpectedStar(model, drift_nm=0.0)
    place = np.array([0.1, 0.2])
    first = expected(place)
    monkeypatch.setattr(type(model), "image", None)
    assert expected(place.copy()) is first


def test_a_model_and_an_image_move_as_a_whole(model, image):
    plain, moved = (ExpectedStar(image, center=c).image(np.zeros(2)) for c in ((0, 0), (0.5, 2.0)))
    y, x = np.indices(plain.shape)
    for axis, step in ((x, 0.5), (y, 2.0)):
        before, after = ((axis * i).sum() / i.sum() for i in (plain, moved))
        assert after - before == pytest.approx(step, abs=1e-3)
    # A star 3 pixels off the mask, the mask 3 pixels off the middle: not the star on the mask.
    free, held = model.image((0.0, 0.0)), model.moved((3.0, 0.0)).image((0.0, 0.0))
    np.testing.assert_allclose(held[:, 3:], free[:, :-3], atol=1e-3 * free.max())
    beside = model.image((3.0 * model.scale[0], 0.0))
    assert np.abs(beside[:, 3:] - free[:, :-3]).max() > free.max()


def test_an_image_has_no_modes(image):
    assert len(ExpectedStar(image, drift_nm=10.0)(np.zeros(2)).modes) == 0
