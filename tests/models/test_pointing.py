import numpy as np
import pytest

from coronx.models.pointing import (
    StarPlace,
    displace,
    find_star,
    mask_place,
    record_mask,
    record_star,
)
from coronx.models.schema import extend
from coronx.refdata.modes import MODES

MODE = MODES["nircam-335r"]


@pytest.fixture
def exposure(make_exposure):
    return make_exposure(nints=1, dither=(0.4, -0.3), roll=33.0)


def test_everything_follows_pixels_that_moved(exposure):
    record_star(exposure, StarPlace(150.0, 174.0, "given"))
    table = np.zeros(1, exposure.get_dtype("star_places"))
    table["integration"], table["x"], table["y"] = 1, 151.0, 175.0
    exposure.star_places = table
    before = exposure.copy()
    displace(exposure, 3.25, -1.5)
    for x, y in ((10.0, 20.0), (150.0, 174.0), (300.0, 5.0)):
        np.testing.assert_allclose(
            exposure.meta.wcs(x + 3.25, y - 1.5, with_bounding_box=False),
            before.meta.wcs(x, y, with_bounding_box=False),
            rtol=0,
            atol=1e-11,
        )
    assert exposure.meta.wcsinfo.crpix1 == pytest.approx(before.meta.wcsinfo.crpix1 + 3.25)
    assert exposure.meta.wcsinfo.crpix2 == pytest.approx(before.meta.wcsinfo.crpix2 - 1.5)
    star = find_star(exposure)
    assert (star.x, star.y, star.source) == (153.25, 172.5, "given")
    assert exposure.meta.coronx.star_ra == before.meta.coronx.star_ra
    assert mask_place(exposure) == pytest.approx((MODE.center[0] + 3.25, MODE.center[1] - 1.5))
    assert (exposure.star_places["x"][0], exposure.star_places["y"][0]) == (154.25, 173.5)
    assert exposure.meta.wcsinfo.s_region != before.meta.wcsinfo.s_region


def test_the_box_of_the_wcs_is_that_of_a_new_frame(exposure):
    exposure.data = np.zeros((1, 340, 330), "f4")
    displace(exposure, 5.0, 10.0)
    (low_x, high_x), (low_y, high_y) = exposure.meta.wcs.bounding_box.bounding_box(order="F")
    assert (low_x, high_x, low_y, high_y) == (-0.5, 329.5, -0.5, 339.5)


def test_without_wcs_the_places_still_follow(exposure):
    exposure.meta.wcs = None
    displace(exposure, 1.0, 2.0)
    assert mask_place(exposure) == pytest.approx((MODE.center[0] + 1.0, MODE.center[1] + 2.0))


def test_the_mask_is_where_siaf_says_for_the_part_of_the_detector_shown(exposure):
    assert mask_place(exposure) == pytest.approx(MODE.center)
    exposure.meta.subarray.xstart += 12
    exposure.meta.subarray.ystart -= 7
    assert mask_place(exposure) == pytest.approx((MODE.center[0] - 12, MODE.center[1] + 7))
    # The whole detector.
    exposure.meta.subarray.name, exposure.meta.subarray.xstart = "FULL", 1
    exposure.meta.subarray.ystart = 1
    assert mask_place(exposure) == pytest.approx((640.2, 1674.6))


def test_the_mask_recorded_goes_first(exposure):
    record_mask(exposure, 12.5, 13.5)
    assert mask_place(exposure) == (12.5, 13.5)
    assert exposure.meta.coronx.mask_x == 13.5


@pytest.mark.parametrize("change", ["mask", "detector", "start"])
def test_no_mask_no_place(exposure, change):
    if change == "mask":
        exposure.meta.instrument.coronagraph = None
    elif change == "detector":
        exposure.meta.instrument.detector = "NRCBLONG"
    else:
        exposure.meta.subarray.xstart = exposure.meta.subarray.ystart = None
        exposure.meta.subarray.name = "SUB400P"
    assert mask_place(extend(exposure)) is None


def test_without_start_the_subarray_itself_is_meant(exposure):
    exposure.meta.subarray.xstart = exposure.meta.subarray.ystart = None
    assert mask_place(exposure) == MODE.center
