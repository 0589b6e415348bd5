import numpy as np
import pytest

from coronx.models.pointing import StarPlace, find_star, record_star
from coronx.models.star_places import (
    has_star,
    record_places,
    registration_by_header,
    star_error,
    star_places,
)
from coronx.refdata.modes import MODES

CENTER = np.array(MODES["nircam-335r"].center)


@pytest.fixture
def exposure(make_exposure):
    return make_exposure("a_calints.fits", nints=3)


def test_without_a_record_it_is_the_wcs_and_the_dither(exposure):
    assert not has_star(exposure)
    places, sigma = star_places(exposure)
    np.testing.assert_allclose(places, np.tile(CENTER, (3, 1)))
    assert np.isnan(sigma).all()
    exposure.meta.dither.x_offset, exposure.meta.dither.y_offset = 0.063, -0.126
    places, _ = star_places(exposure)
    np.testing.assert_allclose(places, np.tile(np.add(CENTER, (1.0, -2.0)), (3, 1)), atol=1e-3)


def test_what_is_recorded_goes_before_the_dither(exposure):
    record_star(exposure, StarPlace(140.0, 170.0, "test"))
    exposure.meta.dither.x_offset = 1.0
    assert has_star(exposure)
    np.testing.assert_allclose(star_places(exposure)[0], [[140.0, 170.0]] * 3)


def test_places_of_integrations_are_read_as_they_were_written(exposure):
    given = np.array([(150.0, 170.0), (150.4, 170.2), (99.0, 99.0)])
    sigma = np.full((3, 2), 0.02)
    good = np.array([True, True, False])
    record_places(exposure, given, sigma, good, source="test")
    star = find_star(exposure)
    assert (star.x, star.y, star.source) == (pytest.approx(150.2), pytest.approx(170.1), "test")
    assert exposure.meta.coronx.star_sigma_x == pytest.approx(0.4 / np.sqrt(2.0))
    assert exposure.star_places["x"][0] == 151.0  # 1-indexed in tables
    places, told = star_places(exposure)
    np.testing.assert_allclose(places[:2], given[:2])
    # One that is not to be believed is where the others are.
    np.testing.assert_allclose(places[2], (150.2, 170.1))
    np.testing.assert_array_equal(told[:2], sigma[:2])
    assert np.isnan(told[2]).all()


def test_the_error_of_the_place_is_no_scatter(exposure):
    assert np.isnan(star_error(exposure)).all()
    given = np.tile((150.0, 170.0), (3, 1))
    sigma = np.array([(0.03, 0.05), (0.05, 0.05), (9.0, 9.0)])
    good = np.array([True, True, False])
    record_places(exposure, given, sigma, good, source="test")
    # As large as one integration's: what misleads one misleads all.
    np.testing.assert_allclose(star_error(exposure), [np.sqrt(0.5 * (9.0 + 25.0)) / 100.0, 0.05])
    record_star(exposure, StarPlace(150.1, 170.0, "test, aligned"))
    assert np.isfinite(star_error(exposure)).all()
    record_star(exposure, StarPlace(140.0, 170.0, "given"))
    assert np.isnan(star_error(exposure)).all()
    record_places(exposure, given, sigma, good, source="test", error=np.array([0.1, 0.2]))
    np.testing.assert_allclose(star_error(exposure), [0.1, 0.2])


def test_no_good_place_records_no_star(exposure):
    none = np.zeros(3, bool)
    record_places(exposure, np.ones((3, 2)), np.ones((3, 2)), none, source="test")
    assert not has_star(exposure)
    assert (exposure.star_places["good"] == 0).all()


def test_shifts_by_header_lead_to_a_place(exposure):
    given = np.array([(150.0, 170.0), (150.4, 170.2), (149.0, 171.0)])
    record_places(exposure, given, np.full((3, 2), 0.02), np.ones(3, bool), source="test")
    found = registration_by_header(exposure, np.array([160.0, 160.0]))
    np.testing.assert_allclose(found.shift + given, 160.0)
    assert found.converged.all()
    np.testing.assert_array_equal(found.sigma, 0.02)
