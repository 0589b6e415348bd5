"""Stars moved to the frame's middle."""

import logging

import numpy as np
import pytest
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import RecenterFramesStep
from coronx.errors import InputError
from coronx.models.pointing import mask_place
from tests.steps.recenter_frames.star_offsets import MIDDLE, MODE, OFFSETS, SCALE

pytestmark = pytest.mark.usefixtures("no_optics")


def fresh(model):
    """Return a copy as it would come without any record."""
    bare = model.copy()
    for name in ("star_x", "star_y", "star_source", "mask_x", "mask_y", "recenter_frames"):
        setattr(bare.meta.coronx, name, None)
    return bare


def test_moved_once_to_the_middle(exposure, centred):
    record = centred.meta.coronx
    assert record.recenter_frames == "COMPLETE"
    assert (record.star_x - 1, record.star_y - 1) == pytest.approx((MIDDLE, MIDDLE))
    assert centred.shape == exposure.shape
    shift = np.subtract((MIDDLE, MIDDLE), np.array(MODE.center) + np.mean(OFFSETS, axis=0) / SCALE)
    assert np.subtract(mask_place(centred), MODE.center) == pytest.approx(shift, abs=0.15)
    # The sky position of the star is what it was.
    before = RecenterFramesStep.call(exposure).meta.coronx
    sky = centred.meta.wcs(MIDDLE, MIDDLE, with_bounding_box=False)
    assert sky == pytest.approx((before.star_ra, before.star_dec), abs=1e-9)
    good = (centred.dq & pixel["DO_NOT_USE"]) == 0
    assert np.isfinite(centred.data[good]).all()
    assert (centred.err[good] > 0.0).all()
    total = centred.var_poisson + centred.var_rnoise
    np.testing.assert_allclose(total[good], centred.err[good] ** 2, rtol=1e-3)
    # What comes from beyond the frame holds nothing.
    empty = np.isnan(centred.data)
    assert empty.any()
    assert (centred.dq[empty] & pixel["NON_SCIENCE"]).any()


def test_flux_is_kept(observe):
    clean = observe(blemishes=False)
    moved = RecenterFramesStep.call(clean, measure_only=False)
    y, x = np.indices(clean.shape[1:])
    sums = []
    for model, star in ((clean, MODE.center), (moved, (MIDDLE, MIDDLE))):
        sums.append(model.data[:, np.hypot(x - star[0], y - star[1]) < 90].sum(axis=1))
    np.testing.assert_allclose(sums[0], sums[1], rtol=2e-3)


def test_all_by_the_mean_or_each_by_its_own(exposure, centred):
    table = centred.star_places
    assert (table["x"].mean(), table["y"].mean()) == pytest.approx((MIDDLE + 1, MIDDLE + 1))
    assert np.ptp(table["x"]) > 0.05
    own = RecenterFramesStep.call(exposure, measure_only=False, per_integration=True)
    for axis in ("x", "y"):
        np.testing.assert_allclose(own.star_places[axis], MIDDLE + 1.0, atol=1e-9)
    # Subtracted from each other they are alike only if each was moved by its own.
    area = np.s_[130:190, 130:190]
    rms = [np.nanstd(m.data[1][area] - m.data[2][area]) for m in (own, centred)]
    assert rms[0] < 0.8 * rms[1]


def test_measured_again_after_the_move_it_is_there(centred):
    # The mask moved with the star: its place is kept.
    again = fresh(centred)
    again.meta.coronx.mask_x, again.meta.coronx.mask_y = (m + 1 for m in mask_place(centred))
    again = RecenterFramesStep.call(again)
    found = again.meta.coronx
    assert (found.star_x - 1, found.star_y - 1) == pytest.approx((MIDDLE, MIDDLE), abs=0.05)


@pytest.mark.parametrize("interpolation", ["spline", "lanczos"])
def test_interpolations_agree(exposure, centred, interpolation):
    other = RecenterFramesStep.call(exposure, measure_only=False, interpolation=interpolation)
    area = np.s_[:, 130:190, 130:190]
    differ = np.nanstd(other.data[area] - centred.data[area])
    assert 0.0 < differ < 0.1 * np.nanstd(centred.data[area])


def test_done_before_it_does_nothing(centred, measured, caplog):
    with caplog.at_level(logging.INFO):
        again = RecenterFramesStep.call(centred, measure_only=False)
        once_more = RecenterFramesStep.call(measured)
    assert "done before" in caplog.text
    assert "measured before" in caplog.text
    for name in ("data", "err", "dq"):
        np.testing.assert_array_equal(getattr(again, name), getattr(centred, name))
    np.testing.assert_array_equal(once_more.star_places, measured.star_places)
    assert once_more.meta.coronx.star_x == measured.meta.coronx.star_x
    # What was only measured can still be moved, from the place that it has.
    moved = RecenterFramesStep.call(measured, measure_only=False)
    assert moved.meta.coronx.star_x - 1 == pytest.approx(MIDDLE)


def test_a_star_so_far_away_that_nothing_would_be_left_is_refused(exposure):
    far = [900.0, 172.5]
    with pytest.raises(InputError, match=r"star_00001.*\(900\.0, 172\.5\).*320 x 320.*star_center"):
        RecenterFramesStep.call(exposure, star_center=far, measure_only=False)
    # To be told of, it may be anywhere: a crop may leave it out.
    assert RecenterFramesStep.call(exposure, star_center=far).meta.coronx.star_x == 901.0
