import logging

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel, PsfMaskModel

from coronx.errors import InputError
from coronx.models.pointing import displace, record_mask
from coronx.models.schema import extend
from coronx.refdata.modes import MODES
from coronx.refdata.psfmask import fit_psfmask
from coronx.refdata.transmission import is_bar, transmission

ROUND = MODES["nircam-335r"]


def exposure(mode, shape=None, start=None):
    model = CubeModel(data=np.zeros((1, *(shape or mode.shape)), "f4"))
    model.meta.filename = "x_calints.fits"
    model.meta.instrument.coronagraph = mode.coronmsk
    model.meta.subarray.name = mode.subarray
    model.meta.subarray.xstart, model.meta.subarray.ystart = start or mode.start
    return model


def mask(data, start=None):
    model = PsfMaskModel(data=np.asarray(data, "f4"))
    model.meta.filename = "mask.fits"
    if start is not None:
        model.meta.subarray.xstart, model.meta.subarray.ystart = start
    return model


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_mask_that_fits_is_taken_as_it_is(mode, caplog):
    fitted = fit_psfmask(mask(transmission(mode)), exposure(mode))
    np.testing.assert_allclose(fitted.data, transmission(mode), atol=1e-6)
    np.testing.assert_allclose(fitted.hole, mode.center, atol=0.02)
    assert not fitted.recentered
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_mask_of_a_larger_array_is_cut(mode):
    (ny, nx), (x0, y0) = mode.shape, mode.start
    dx, dy = min(13, x0 - 1), min(17, y0 - 1)
    center = (mode.center[0] + dx, mode.center[1] + dy)
    large = transmission(mode, shape=(ny + 40, nx + 30), center=center)
    fitted = fit_psfmask(mask(large, (x0 - dx, y0 - dy)), exposure(mode))
    np.testing.assert_allclose(fitted.data, transmission(mode), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "start"),
    [
        ((400, 400), None),
        ((400, 400), (1, 1)),
        ((400, 400), (493, 1502)),
        ((300, 320), (492, 1502)),
    ],
)
def test_a_shape_that_keywords_do_not_explain_is_refused(shape, start):
    with pytest.raises(InputError, match=r"mask\.fits.*does not fit.*x_calints\.fits.*override"):
        fit_psfmask(mask(np.ones(shape), start), exposure(MODES["nircam-335r"]))


def test_an_inverted_mask():
    mode = MODES["nircam-335r"]
    fitted = fit_psfmask(mask(1.0 - transmission(mode)), exposure(mode), inverted=True)
    np.testing.assert_allclose(fitted.data, transmission(mode), atol=1e-6)
    np.testing.assert_allclose(fitted.hole, mode.center, atol=0.02)


def test_weights_are_finite_and_between_0_and_1():
    mode = MODES["nircam-335r"]
    data = transmission(mode)
    data[0, 0], data[0, 1], data[0, 2] = np.nan, 1.5, -0.5
    fitted = fit_psfmask(mask(data), exposure(mode))
    assert fitted.data[0, :3].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("inverted", [False, True])
def test_a_mask_that_blocks_everything_is_refused(inverted):
    mode = MODES["nircam-335r"]
    with pytest.raises(InputError, match=r"mask\.fits: the mask blocks every pixel; give mask_con"):
        fit_psfmask(mask(np.full(mode.shape, float(inverted))), exposure(mode), inverted=inverted)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_hole_away_from_its_place_in_flight(mode, caplog):
    x, y = mode.center
    away = (x if is_bar(mode) else x + 8.0, y - 9.0)
    distance = np.hypot(away[0] - x, away[1] - y)
    given = mask(transmission(mode, center=away))
    kept = fit_psfmask(given, exposure(mode))
    (told,) = warnings_of(caplog)
    assert told.startswith(f"mask.fits: its hole is at ({away[0] + 1:.1f}, {away[1] + 1:.1f})")
    assert f"{distance:.1f} pixels from the centre of {mode.coronmsk} in flight" in told
    assert "recenter_mask" in told
    assert "override_psfmask" in told
    assert not kept.recentered
    caplog.clear()
    moved = fit_psfmask(given, exposure(mode), move=True)
    assert warnings_of(caplog) == []
    assert moved.recentered
    np.testing.assert_allclose(moved.hole, mode.center, atol=0.02)


def test_a_pixel_off_is_within_tolerance(caplog):
    mode = MODES["nircam-335r"]
    center = (mode.center[0] + 1.0, mode.center[1] - 1.0)
    fitted = fit_psfmask(mask(transmission(mode, center=center)), exposure(mode), move=True)
    assert not fitted.recentered
    assert warnings_of(caplog) == []


def test_no_hole_or_no_known_mode_is_no_warning(caplog):
    mode = MODES["nircam-335r"]
    assert fit_psfmask(mask(np.ones(mode.shape)), exposure(mode)).hole is None
    other = exposure(mode)
    other.meta.subarray.name = "FULL"
    assert fit_psfmask(mask(transmission(mode, center=(160, 160))), other).hole is None
    assert warnings_of(caplog) == []


SIDES = (12, 7, 20, 3)  # left, right, bottom, top


def reframed(mode, sides):
    """Return an exposure of another frame: sides are pixels more, negative ones fewer."""
    left, right, bottom, top = sides
    (ny, nx), (x, y) = mode.shape, mode.start
    shape = (ny + bottom + top, nx + left + right)
    model = exposure(mode, shape, (x - left, y - bottom))
    model.meta.subarray.ysize, model.meta.subarray.xsize = shape
    return model


@pytest.mark.parametrize("name", ["nircam-335r", "nircam-lwb", "miri-1140"])
def test_a_padded_frame_has_no_weight_in_its_margin(name, caplog):
    mode = MODES[name]
    ny, nx = mode.shape
    # Some files tell another corner than SIAF does: their size is what counts.
    given = mask(transmission(mode), (mode.start[0], mode.start[1] + 2))
    fitted = fit_psfmask(given, reframed(mode, SIDES))
    assert fitted.data.shape == (ny + 23, nx + 19)
    np.testing.assert_allclose(
        fitted.data[20 : 20 + ny, 12 : 12 + nx], transmission(mode), atol=1e-6
    )
    margin = fitted.data.copy()
    margin[20 : 20 + ny, 12 : 12 + nx] = 0.0
    assert not margin.any()
    np.testing.assert_allclose(fitted.hole, np.add(mode.center, (12, 20)), atol=0.02)
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("name", ["nircam-335r", "nircam-lwb", "miri-1140"])
def test_a_cropped_frame_gets_its_part(name):
    mode = MODES[name]
    ny, nx = mode.shape
    fitted = fit_psfmask(mask(transmission(mode)), reframed(mode, (-12, -7, -20, -3)))
    np.testing.assert_allclose(fitted.data, transmission(mode)[20 : ny - 3, 12 : nx - 7], atol=1e-6)
    np.testing.assert_allclose(fitted.hole, np.subtract(mode.center, (12, 20)), atol=0.02)


def test_a_frame_cut_at_one_side_and_padded_at_the_other():
    mode = MODES["nircam-335r"]
    sides = (12, -12, -5, 5)
    told = reframed(mode, sides)
    plain = transmission(mode)
    # Of the subarray's size, and not told to be another: its header may be of an older SIAF.
    np.testing.assert_allclose(fit_psfmask(mask(plain), told).data, plain, atol=1e-6)
    extend(told).meta.coronx.pad_frames = "COMPLETE"
    fitted = fit_psfmask(mask(plain), told)
    np.testing.assert_allclose(fitted.data[:-5, 12:], plain[5:, :-12], atol=1e-6)
    assert not fitted.data[-5:].any()
    assert not fitted.data[:, :12].any()


def test_a_hole_is_moved_before_the_frame_is_cut(caplog):
    mode = MODES["nircam-335r"]
    away = mask(transmission(mode, center=(mode.center[0] + 8, mode.center[1] - 9)))
    frame = reframed(mode, (-40, -40, -40, -40))
    kept = fit_psfmask(away, frame)
    (told,) = warnings_of(caplog)
    assert "recenter_mask" in told
    np.testing.assert_allclose(kept.hole, np.subtract(mode.center, (32, 49)), atol=0.05)
    moved = fit_psfmask(away, frame, move=True)
    assert moved.recentered
    np.testing.assert_allclose(moved.hole, np.subtract(mode.center, 40), atol=0.02)
    expected = fit_psfmask(away, exposure(mode), move=True).data[40:-40, 40:-40]
    np.testing.assert_allclose(moved.data, expected, atol=1e-6)


def test_a_mask_drawn_for_the_frame_itself():
    mode = MODES["nircam-335r"]
    padded = np.pad(transmission(mode), ((20, 3), (12, 7)), constant_values=0.5)
    np.testing.assert_allclose(fit_psfmask(mask(padded), reframed(mode, SIDES)).data, padded)
    cut = transmission(mode)[20:-3, 12:-7]
    fitted = fit_psfmask(mask(cut), reframed(mode, (-12, -7, -20, -3)))
    np.testing.assert_allclose(fitted.data, cut, atol=1e-6)


def test_a_frame_padded_without_telling_is_refused():
    mode = MODES["nircam-335r"]
    silent = reframed(mode, SIDES)
    silent.meta.subarray.ysize, silent.meta.subarray.xsize = mode.shape
    with pytest.raises(InputError, match="SUBSTRT keywords do not explain it"):
        fit_psfmask(mask(transmission(mode)), silent)


def test_a_frame_that_the_mask_blocks_is_refused():
    mode = MODES["nircam-335r"]
    (ny, nx), (x, y) = mode.shape, mode.center
    hole = reframed(mode, (-int(x), int(x) - nx + 2, -int(y), int(y) - ny + 2))
    data = transmission(mode)
    data[int(y) - 3 : int(y) + 5, int(x) - 3 : int(x) + 5] = 0.0
    with pytest.raises(InputError, match="the mask blocks every pixel"):
        fit_psfmask(mask(data), hole)


@pytest.mark.realdata
def test_real_files(realdata, caplog):
    mode = MODES["nircam-335r"]
    folder = realdata / "psfmask"
    with PsfMaskModel(str(folder / "jwst_nircam_psfmask_0019.fits")) as model:
        before_flight = fit_psfmask(model, exposure(mode))
        (told,) = warnings_of(caplog)
        assert told.startswith("jwst_nircam_psfmask_0019.fits: its hole is at (160.5, 160.5), 17")
        moved = fit_psfmask(model, exposure(mode), move=True)
    caplog.clear()
    with PsfMaskModel(str(folder / "jwst_nircam_psfmask_mask335r_shift.fits")) as model:
        by_hand = fit_psfmask(model, exposure(mode))
    assert warnings_of(caplog) == []
    np.testing.assert_allclose(before_flight.hole, (159.5, 159.5), atol=0.02)
    np.testing.assert_allclose(moved.hole, mode.center, atol=0.02)
    assert np.hypot(*np.subtract(by_hand.hole, mode.center)) < 0.5
    assert np.sqrt(np.mean((moved.data - by_hand.data) ** 2)) < 0.01


def test_the_mask_follows_pixels_that_were_moved():
    frames = extend(exposure(ROUND))
    file = mask(transmission(ROUND))
    still = fit_psfmask(file, frames)
    displace(frames, 9.3, -15.6)
    moved = fit_psfmask(file, frames)
    np.testing.assert_allclose(moved.hole, np.add(still.hole, (9.3, -15.6)), atol=1e-9)
    expected = transmission(ROUND, center=tuple(np.add(ROUND.center, (9.3, -15.6))))
    inner = np.s_[118:198, 118:198]  # the field's edges are steps
    np.testing.assert_allclose(moved.data[inner], expected[inner], atol=0.02)


def test_the_hole_is_moved_to_where_the_mask_is_recorded():
    frames = extend(exposure(ROUND))
    record_mask(frames, ROUND.center[0] + 2.5, ROUND.center[1] + 4.1)
    file = mask(transmission(ROUND))
    found = fit_psfmask(file, frames, move=True)
    assert found.recentered
    np.testing.assert_allclose(found.hole, np.add(ROUND.center, (2.5, 4.1)))
