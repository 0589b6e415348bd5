"""The star's place without optics: by symmetry, by what is given, by the pointing."""

import numpy as np
import pytest
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import RecenterFramesStep
from coronx.errors import InputError
from tests.steps.recenter_frames.star_offsets import MIDDLE, MODE, OFFSETS, SCALE, error_of

pytestmark = pytest.mark.usefixtures("no_optics")


def test_without_optics_symmetry_tells(measured, exposure):
    assert np.abs(error_of(measured)).max() < 8.0
    assert np.abs(error_of(measured) / SCALE).max() < 5 * measured.star_places["sigma_x"].max()
    record = measured.meta.coronx
    assert record.star_source == "symmetry"
    assert record.recenter_frames == "MEASURED"
    for name in ("data", "err", "dq", "var_poisson"):
        np.testing.assert_array_equal(getattr(measured, name), getattr(exposure, name))
    assert measured.meta.wcsinfo.crpix1 == exposure.meta.wcsinfo.crpix1
    assert (record.mask_x, record.mask_y) == pytest.approx(np.add(MODE.center, 1.0))
    # Mask and star are kept apart.
    assert record.star_x != record.mask_x
    assert list(measured.star_places["integration"]) == [1, 2, 3]


def test_the_record_is_the_mean_of_all_integrations_not_the_last_ones(measured):
    table, record = measured.star_places, measured.meta.coronx
    for axis, at, scatter in (
        ("x", record.star_x, record.star_sigma_x), ("y", record.star_y, record.star_sigma_y),
    ):  # fmt: skip
        assert at == pytest.approx(table[axis].mean())
        assert scatter == pytest.approx(table[axis].std(ddof=1))
        assert abs(at - table[axis][-1]) > 0.02


def test_integrations_and_exposures_are_measured_each(observe, measured):
    np.testing.assert_allclose(
        np.diff(error_of(measured), axis=0), 0.0, atol=2.5, err_msg="relative places"
    )
    other = observe([(-25.0, 10.0)], seed=2, name="psf_00001_nrcalong_calints.fits", is_psf=True)
    both = RecenterFramesStep.call([observe(OFFSETS[:1]), other])
    assert isinstance(both, ModelContainer)
    first, second = both
    assert np.abs(error_of(first, OFFSETS[:1])).max() < 8.0
    assert np.abs(error_of(second, [(-25.0, 10.0)])).max() < 8.0


def test_nan_in_the_image_is_no_matter(exposure):
    assert np.isnan(exposure.data).any(), "the exposure has NaN with DQ = 0"
    worse = exposure.copy()
    worse.data[1] = np.nan
    worse.data[2, 160:180, 150:155] = np.nan
    result = RecenterFramesStep.call(worse)
    assert list(result.star_places["good"]) == [1, 0, 1]
    assert np.abs(error_of(result)[[0, 2]]).max() < 10.0
    table = result.star_places
    assert result.meta.coronx.star_x == pytest.approx(table["x"][[0, 2]].mean())


def test_an_exposure_without_a_good_pixel_is_refused(exposure):
    worse = exposure.copy()
    worse.data[:] = np.nan
    with pytest.raises(InputError, match="no good pixel"):
        RecenterFramesStep.call(worse)


def test_bad_bits_are_left_out(exposure):
    worse = exposure.copy()
    rows, cols = np.s_[150:165], np.s_[130:170]
    worse.data[:, rows, cols] += 3000.0
    worse.dq[:, rows, cols] |= pixel["SATURATED"]
    told = RecenterFramesStep.call(worse, bad_bits="DO_NOT_USE,SATURATED")
    assert np.abs(error_of(told)).max() < 12.0
    untold = RecenterFramesStep.call(worse)
    assert not untold.star_places["good"].any() or np.abs(error_of(untold)).max() > 30.0


def test_given_and_mask(exposure):
    given = RecenterFramesStep.call(exposure, star_center=[148.25, 172.5])
    record = given.meta.coronx
    assert (record.star_x, record.star_y, record.star_source) == (149.25, 173.5, "given")
    by_mask = RecenterFramesStep.call(exposure, method="mask").meta.coronx
    assert (by_mask.star_x, by_mask.star_y) == pytest.approx((by_mask.mask_x, by_mask.mask_y))
    assert by_mask.star_source == "mask centre"
    with pytest.raises(InputError, match="star_center"):
        RecenterFramesStep.call(exposure, method="given")


def test_a_mask_that_is_not_known_needs_the_star(exposure, caplog):
    other = exposure.copy()
    other.meta.instrument.coronagraph = "NONE"
    with pytest.raises(InputError, match=r"CORONMSK = NONE.*star_center"):
        RecenterFramesStep.call(other, method="symmetry")
    left = RecenterFramesStep.call(other)
    assert left.meta.coronx.recenter_frames == "SKIPPED"
    assert "where the mask is is not known" in caplog.text
    given = RecenterFramesStep.call(other, star_center=[148.25, 172.5])
    assert given.meta.coronx.star_x == 149.25
    assert given.meta.coronx.mask_x is None


def test_another_method_measures_anew(measured):
    again = RecenterFramesStep.call(measured, star_center=[148.25, 172.5])
    assert again.meta.coronx.star_source == "given"
    assert RecenterFramesStep.call(again, method="mask").meta.coronx.star_source == "mask centre"


def test_where_no_star_is_found_it_is_said_and_nothing_is_recorded(exposure, caplog):
    result = RecenterFramesStep.call(exposure, max_offset=0.01)
    assert "no star is found by symmetry" in caplog.text
    record = result.meta.coronx
    assert record.star_x is None
    assert record.star_source is None
    assert not result.star_places["good"].any()
    # To be moved, it must be somewhere: where the pointing puts it.
    moved = RecenterFramesStep.call(exposure, max_offset=0.01, measure_only=False)
    assert moved.meta.coronx.star_source == "CRPIX"
    assert moved.meta.wcsinfo.crpix1 == pytest.approx(MIDDLE + 1)


def test_what_is_taken_from_the_pointing_is_where_the_dither_puts_it(exposure):
    dithered = exposure.copy()
    dithered.meta.dither.x_offset, dithered.meta.dither.y_offset = 0.015, -0.010
    record = RecenterFramesStep.call(dithered, method="mask").meta.coronx
    assert record.star_x - record.mask_x == pytest.approx(0.015 / 0.063, rel=0.02)
    assert record.star_y - record.mask_y == pytest.approx(-0.010 / 0.063, rel=0.02)
    assert record.star_sigma_x is None
