"""What the options do: where shifts are from, where stars go, what is fitted and how."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError
from coronx.models.pointing import StarPlace, find_star, mask_place, record_star
from coronx.models.star_places import star_places
from coronx.ops.interpolation import move_frame
from tests.steps.align_frames.star_shifts import (
    FIRST,
    GONE,
    MODE,
    PLACES,
    TOLERANCE,
    run,
    shifts_of,
    true_shifts,
)

MIDDLE = (159.5, 159.5)


def test_header_shifts_are_those_to_the_first_of_all(placed):
    # A reference that is overwritten by the last exposure shows in the third.
    result = run(placed, align_algo="header")
    for name, model in zip(PLACES, result, strict=True):
        np.testing.assert_allclose(shifts_of(model), true_shifts(name), atol=1e-9)
        assert model.frame_shifts["sigma_x"] == pytest.approx(0.01)
        assert find_star(model).x == pytest.approx(FIRST[0])


def test_header_without_table_takes_the_place_recorded_or_crpix_and_dither(exposures):
    first, roll2, psf = (m.copy() for m in exposures)
    record_star(roll2, StarPlace(*PLACES["roll2"][0], "test"))
    psf.meta.wcsinfo.crpix1, psf.meta.wcsinfo.crpix2 = FIRST + 1.0
    psf.meta.dither.x_offset, psf.meta.dither.y_offset = 0.6 * 0.063, -0.4 * 0.063
    result = run([first, roll2, psf], align_algo="header")
    np.testing.assert_allclose(shifts_of(result[1]), true_shifts("roll2"), atol=1e-6)
    np.testing.assert_allclose(shifts_of(result[2]), true_shifts("psf1"), atol=1e-3)


def test_recentring_and_alignment_are_one_interpolation(placed):
    result = run(placed, recenter=True)
    psf = result[2]
    np.testing.assert_allclose(
        shifts_of(psf)[0], np.array(MIDDLE) - PLACES["psf1"][0], atol=TOLERANCE
    )
    given = placed[2]
    once = move_frame(
        given.data[0], given.err[0] ** 2, given.dq[0], (given.dq[0] & 1) != 0, shifts_of(psf)[0],
        outside=GONE, repaired=pixel["FLUX_ESTIMATED"], unusable=1,
    )  # fmt: skip
    np.testing.assert_array_equal(psf.data[0], once.data)
    for model in result:
        star = find_star(model)
        assert (star.x, star.y) == pytest.approx(MIDDLE, abs=1e-9)
        assert model.shape[-2:] == (320, 320)
    moved = np.array(mask_place(result[0])) - MODE.center
    np.testing.assert_allclose(moved, shifts_of(result[0]).mean(axis=0))


def test_recentring_without_a_place_says_what_to_do(exposures):
    with pytest.raises(InputError, match=r"roll1_calints.*run coronx_recenter_frames before"):
        run(exposures, recenter=True)


def test_measure_only_moves_nothing_and_tells_where_the_star_is(placed):
    measured = run(placed, measure_only=True)
    for name, given, model in zip(PLACES, placed, measured, strict=True):
        for array in ("data", "err", "dq"):
            np.testing.assert_array_equal(getattr(model, array), getattr(given, array))
        np.testing.assert_allclose(shifts_of(model), true_shifts(name), atol=TOLERANCE)
        places, sigma = star_places(model)
        np.testing.assert_allclose(places, PLACES[name], atol=TOLERANCE)
        assert (sigma < TOLERANCE).all()
        star = find_star(model)
        assert (star.x, star.y) == pytest.approx(tuple(places.mean(axis=0)))
        assert model.meta.coronx.align_frames == "MEASURED"
        assert model.meta.wcsinfo.crpix1 == given.meta.wcsinfo.crpix1
    # What was measured is not done yet; and it is all that a move needs.
    moved = run(measured, align_algo="header")
    for name, model in zip(PLACES, moved, strict=True):
        np.testing.assert_allclose(shifts_of(model), true_shifts(name), atol=TOLERANCE)
        assert model.meta.coronx.align_frames == "COMPLETE"


def two_scenes(exposures):
    """Return two exposures: what is in a wide box off the frame's middle moved, the rest not."""
    y, x = np.indices(MODE.shape)
    star = np.array([110.0, 220.0])
    box = (np.abs(x - star[0]) <= 70) & (np.abs(y - star[1]) <= 25)
    first, psf = exposures[1].copy(), exposures[1].copy()
    clean = np.nan_to_num(first.data[0] * (first.dq[0] == 0))
    inner = np.array(clean)
    moved = move_frame(
        inner, np.ones(inner.shape), first.dq[0], np.zeros(inner.shape, bool),
        np.array([0.7, -0.5]), outside=0,
    ).data  # fmt: skip
    first.data[0] = clean
    psf.data[0] = np.where(box, np.nan_to_num(moved), clean)
    first.dq[:] = psf.dq[:] = 0
    psf.meta.filename = "boxed_calints.fits"
    return [first, psf], [float(v) for v in star]


def test_shapes_of_the_mask_are_about_the_star_x_before_y(exposures):
    # Shapes kept as (y, x) and used as (x, y) would look at what did not move.
    models, star = two_scenes(exposures)
    options = {"star_center": star, "mask": "rectangle"}
    inside = run(models, mask_shape=[120.0, 40.0], **options)[1]
    np.testing.assert_allclose(shifts_of(inside)[0], (-0.7, 0.5), atol=0.02)
    # Turned, most of it is in what did not move.
    turned = run(models, mask_shape=[40.0, 120.0], **options)[1]
    assert np.abs(shifts_of(turned)[0] - (-0.7, 0.5)).max() > 0.05
    circle = run(models, star_center=star, mask="circle", mask_shape=[20.0])[1]
    np.testing.assert_allclose(shifts_of(circle)[0], (-0.7, 0.5), atol=0.02)
    ring = run(models, star_center=star, mask="annulus", mask_shape=[120.0, 150.0])[1]
    np.testing.assert_allclose(shifts_of(ring)[0], 0.0, atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": "circle"}, "circle takes radius"),
        ({"mask": "annulus", "mask_shape": [50.0, 20.0]}, "annulus takes inner, outer"),
        ({"mask": "rectangle", "mask_shape": [50.0]}, "rectangle takes width, height"),
        ({"blur": "much"}, "blur 'much': give none, auto, or a sigma"),
        ({"bad_bits": ["NOT_A_BIT"]}, "not DQ flags"),
        ({"recenter": True, "star_center": [150.0, -400.0], "mask": "none"}, "nothing is left"),
    ],
)
def test_options_that_make_no_sense_are_refused(exposures, options, message):
    with pytest.raises(InputError, match=message):
        run(exposures[1], **options)


def test_all_of_the_frame_can_be_fitted(exposures):
    result = run([exposures[0], exposures[2]], mask="none")
    np.testing.assert_allclose(shifts_of(result[1]), true_shifts("psf1"), atol=TOLERANCE)


def test_interpolations_agree_where_the_scene_is_sampled(exposures, aligned):
    inner = np.s_[20:-20, 20:-20]
    for way in ("spline", "lanczos"):
        other = run([exposures[0], exposures[2]], interpolation=way)[1]
        difference = (other.data[0] - aligned[2].data[0])[inner]
        assert 0.0 < np.std(difference) < 2.5
        assert np.median(other.err[0][inner]) < np.median(aligned[2].err[0][inner])


def test_blur_is_part_of_the_interpolation_and_auto_depends_on_the_filter(exposures, aligned):
    first, psf = exposures[0], exposures[2]
    plain = aligned[2]
    first_blurred, blurred = run([first, psf], blur="auto")
    sigma = blurred.meta.coronx.blur_sigma
    # F356W behind 5.2 m at 0.063": 2.24 pixels wide; 3.45 are wanted.
    assert sigma == pytest.approx(np.sqrt(3.45**2 - 2.243**2) / 2.355, rel=0.01)
    expected = gaussian_filter(np.nan_to_num(plain.data[0]), sigma)
    inner = np.s_[20:-20, 20:-20]
    assert np.std((blurred.data[0] - expected)[inner]) < 0.05 * np.std(expected[inner])
    assert np.nanmedian(blurred.err) < 0.5 * np.nanmedian(plain.err)
    # The first frame, though it stays where it is, is blurred like the others.
    assert np.nanmedian(np.abs(first_blurred.data[0] - first.data[0])) > 0.3
    given = run(exposures[1], blur="0.5")
    assert given.meta.coronx.blur_sigma == 0.5


def test_a_file_to_align_to(exposures, tmp_path):
    aim = exposures[2].copy()
    aim.save(str(tmp_path / "aim_calints.fits"))
    result = run(exposures[:2], align_to_file=str(tmp_path / "aim_calints.fits"))
    for name, model in zip(("roll1", "roll2"), result, strict=True):
        expected = PLACES["psf1"][0] - np.array(PLACES[name])
        np.testing.assert_allclose(shifts_of(model), expected, atol=TOLERANCE)
        assert find_star(model).x == pytest.approx(PLACES["psf1"][0][0])
    with pytest.raises(InputError, match="no such file"):
        run(exposures[:1], align_to_file=str(tmp_path / "nowhere.fits"))


def test_bad_bits_choose_what_is_filled(exposures):
    target, psf = exposures[0], exposures[2].copy()
    psf.data[0, 80:82, 90] = 5e4
    psf.dq[0, 80:82, 90] = pixel["OUTLIER"]
    kept = run([target, psf])[1]
    mended = run([target, psf], bad_bits=["DO_NOT_USE", "OUTLIER"])[1]
    area = np.s_[0, 76:87, 85:95]
    assert np.nanmax(kept.data[area]) > 1e4
    assert np.nanmax(mended.data[area]) < 3e3
    assert (mended.dq[area] & pixel["FLUX_ESTIMATED"]).any()
