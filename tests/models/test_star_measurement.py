import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.pointing import StarPlace
from coronx.models.star_measurement import (
    by_model,
    by_symmetry,
    mode_and_mask,
    place_at,
    pointed_at,
    record_measured,
)
from coronx.refdata.modes import MODES
from coronx.refdata.psf_file import StarImage

MODE = MODES["nircam-335r"]
OPTIONS = {"bad_bits": 1, "max_offset": 0.15}


def gauss(place):
    y, x = np.indices(MODE.shape)
    return np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * 6.0**2))


@pytest.fixture
def exposure(make_exposure):
    """An exposure of a round blot off the mask's centre, which is all there is."""
    model = make_exposure(nints=2)
    model.data = np.where(model.dq == 0, 0.0, model.data).astype("f4")
    rng = np.random.default_rng(1)
    for image, dx in zip(model.data, (0.7, 0.9), strict=True):
        good = np.isfinite(image) & (image == 0.0)
        image[good] = (5e3 * gauss(np.add(MODE.center, (dx, -0.6))))[good]
    model.data += rng.normal(size=model.shape).astype("f4")
    return model


@pytest.fixture
def star():
    y, x = np.indices((65, 65)) - 32.0
    return StarImage(MODE, np.exp(-(x**2 + y**2) / (2 * 6.0**2)))


def test_the_same_place_by_both_methods(exposure, star):
    expected = {}
    for found in (
        by_model(exposure, star, expected, drift_nm=0.0, **OPTIONS),
        by_symmetry(exposure, **OPTIONS),
    ):
        assert found.good.all()
        np.testing.assert_allclose(
            found.places - MODE.center, [(0.7, -0.6), (0.9, -0.6)], atol=0.03
        )
    # Predictions are kept for the next exposure, whose mask is at the same place.
    assert len(expected) == 1
    by_model(exposure, star, expected, drift_nm=0.0, **OPTIONS)
    assert len(expected) == 1


def test_the_mask_recorded_is_where_it_is_looked_for(exposure, star):
    exposure.data = np.roll(exposure.data, (-7, 12), axis=(1, 2))
    exposure.dq = np.roll(exposure.dq, (-7, 12), axis=(1, 2))
    exposure.meta.subarray.xstart -= 12
    exposure.meta.subarray.ystart += 7
    found = by_model(exposure, star, {}, drift_nm=0.0, **OPTIONS)
    np.testing.assert_allclose(found.places - MODE.center, [(12.7, -7.6), (12.9, -7.6)], atol=0.03)


def test_a_mask_at_the_edge_or_beyond_the_frame(exposure, star):
    exposure.meta.subarray.xstart += 140
    found = by_model(exposure, star, {}, drift_nm=0.0, **OPTIONS)
    assert found.places.shape == (2, 2)
    exposure.meta.subarray.xstart += 400
    for found in (
        by_model(exposure, star, {}, drift_nm=0.0, **OPTIONS), by_symmetry(exposure, **OPTIONS),
    ):  # fmt: skip
        assert not found.good.any()


def test_no_mask_is_an_error(exposure):
    exposure.meta.instrument.coronagraph = "NONE"
    with pytest.raises(InputError, match="CORONMSK = NONE"):
        mode_and_mask(exposure)


def test_what_is_recorded(exposure):
    found = by_symmetry(exposure, **OPTIONS)
    mean = record_measured(exposure, found)
    record = exposure.meta.coronx
    assert (record.star_x, record.star_y) == pytest.approx(tuple(mean + 1))
    assert record.star_sigma_x == pytest.approx(found.places[:, 0].std(ddof=1))
    assert record.mask_x == pytest.approx(MODE.center[0] + 1)
    given = place_at(exposure, (100.0, 120.0), "given")
    record_measured(exposure, given)
    assert exposure.meta.coronx.star_x == 101.0
    assert exposure.meta.coronx.star_sigma_x is None


def test_the_dither_is_added_to_the_pointing(exposure):
    exposure.meta.dither.x_offset = 0.063
    found = pointed_at(exposure, StarPlace(150.0, 170.0, "CRPIX"))
    np.testing.assert_allclose(found.places, [(151.0, 170.0)] * 2, atol=1e-3)
