import json
import logging

import numpy as np
import pytest
from jwst import datamodels
from jwst.datamodels import ModelContainer
from scipy.ndimage import gaussian_filter
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import AlignFramesStep
from coronx.errors import InputError
from coronx.models.members import role_of
from coronx.models.pointing import StarPlace, find_star, mask_place, record_star
from coronx.models.star_places import record_places, star_places
from coronx.ops.interpolation import move_frame
from coronx.refdata.modes import MODES

MODE = MODES["nircam-335r"]
SKY = (311.2897, -31.3411)  # of the star, in every exposure
MIDDLE = (159.5, 159.5)
TOLERANCE = 0.012  # pixels: what 3 % of speckles that are not alike do to a registration
GONE = pixel["DO_NOT_USE"] | pixel["NON_SCIENCE"]
FIRST = np.array(MODE.center)
PLACES = {
    "roll1": [FIRST, np.add(FIRST, (0.3, -0.2))],
    "roll2": [np.add(FIRST, (-0.45, 0.65))],
    "psf1": [np.add(FIRST, (0.6, -0.4))],
}


def run(models, **options):
    return AlignFramesStep.call(models, **options)


def shifts_of(model):
    return np.stack([model.frame_shifts["dx"], model.frame_shifts["dy"]], axis=1)


def true_shifts(name):
    return PLACES["roll1"][0] - np.array(PLACES[name])


@pytest.fixture(scope="module")
def exposures(make_exposure):
    """Two rolls and a reference, whose stars are where PLACES says, each recorded."""

    def make(name, seed, roll=20.0, **options):
        places = np.array(PLACES[name])
        jitter = places[1] - places[0] if len(places) > 1 else (0.0, 0.0)
        return make_exposure(
            f"{name}_calints.fits", seed=seed, nints=len(places), dither=places[0] - FIRST,
            jitter=jitter, roll=roll, **options,
        )  # fmt: skip

    return [
        make("roll1", 1),
        make("roll2", 2, roll=30.0),
        make("psf1", 11, is_psf=True, brightness=2.0),
    ]


@pytest.fixture(scope="module")
def aligned(exposures):
    return run(exposures, star_center=list(FIRST))


def test_true_shifts_are_found_in_single_precision(exposures, aligned):
    # The host's fit, and others', stay at 1e-3 of a pixel with float32 under NumPy 2.
    assert exposures[0].data.dtype == np.float32
    assert isinstance(aligned, ModelContainer)
    for name, model in zip(PLACES, aligned, strict=True):
        assert isinstance(model, CubeModel)
        np.testing.assert_allclose(shifts_of(model), true_shifts(name), atol=TOLERANCE)
        assert (model.frame_shifts["converged"] == 1).all()
        assert (model.frame_shifts["sigma_x"] < TOLERANCE).all()
        assert set(np.asarray(model.frame_shifts)["exposure"].astype(str)) == {
            f"{name}_calints.fits"
        }
        assert model.meta.coronx.align_frames == "COMPLETE"
    np.testing.assert_array_equal(shifts_of(aligned[0])[0], 0.0)
    np.testing.assert_allclose(aligned[2].frame_shifts["scale"], 2.0, rtol=0.03)


def test_frames_lie_on_the_first(exposures, aligned):
    first = exposures[0]
    ok = (first.dq[0] == 0) & np.isfinite(first.data[0])
    frames = [(m.data[n] / (2.0 if m is aligned[2] else 1.0), m.dq[n]) for m, n in (
        (aligned[0], 1), (aligned[1], 0), (aligned[2], 0),
    )]  # fmt: skip
    for frame, flags in frames:
        good = ok & (flags == 0)
        assert np.std((frame - first.data[0])[good]) < 3.5, "noise; 40 where not aligned"


def test_the_frame_that_is_aligned_to_is_not_interpolated(exposures, aligned):
    for name in ("data", "err"):
        np.testing.assert_array_equal(
            getattr(aligned[0], name)[0], getattr(exposures[0], name)[0], strict=True
        )
    # A pixel that is NaN, and was not flagged, is.
    told = exposures[0].dq[0] | np.where(np.isnan(exposures[0].data[0]), pixel["DO_NOT_USE"], 0)
    np.testing.assert_array_equal(aligned[0].dq[0], told)


def test_the_star_is_at_one_pixel_in_every_product_and_the_wcs_puts_it_there(aligned):
    for model in aligned:
        star = find_star(model)
        assert (star.x, star.y) == pytest.approx(tuple(FIRST), abs=1e-9)
        places, _ = star_places(model)
        np.testing.assert_allclose(places, FIRST[None] + np.zeros((len(places), 1)))
        assert (model.star_places["good"] == 1).all()
        assert mask_place(model) is not None
    # The reference has one integration, so that pointing and star are one thing.
    psf = aligned[2]
    ra, dec = psf.meta.wcs(*FIRST, with_bounding_box=False)
    east = (ra - SKY[0]) * np.cos(np.radians(SKY[1])) * 3600.0
    assert np.hypot(east, (dec - SKY[1]) * 3600.0) < TOLERANCE * 0.063 * 1.5
    assert psf.meta.coronx.star_ra == pytest.approx(ra)
    assert psf.meta.wcsinfo.crpix1 == pytest.approx(FIRST[0] + 1.0, abs=TOLERANCE)


def test_dq_moves_with_the_image(exposures, aligned):
    before, after = exposures[2].dq[0], aligned[2].dq[0]
    (row, col) = (int(i[0]) for i in np.nonzero(before[20:-20, 20:-20]))
    row, col = row + 20, col + 20
    dx, dy = shifts_of(aligned[2])[0]
    near = after[int(row + np.floor(dy)) :, int(col + np.floor(dx)) :][:2, :2]
    # It was filled, so it may be used, and says that it was.
    assert (near == pixel["FLUX_ESTIMATED"]).all()
    assert np.isfinite(aligned[2].data[0][row - 3 : row + 4, col - 3 : col + 4]).all()


def test_frames_keep_their_size_and_nothing_enters_from_the_other_side(exposures, aligned):
    for given, made in zip(exposures, aligned, strict=True):
        assert made.shape == given.shape
    psf = aligned[2]  # moved by -0.6, so that its last column has half a source
    assert (psf.dq[0, :, -1] & GONE == GONE).all()
    assert np.isnan(psf.data[0, :, -1]).all()
    empty = np.isnan(psf.data)
    assert (psf.dq[empty] & pixel["DO_NOT_USE"]).all()
    assert np.array_equal(np.isnan(psf.err), empty)
    assert empty.mean() < 0.02


def test_err_is_moved_as_a_variance(exposures):
    target = exposures[0]
    psf = exposures[2].copy()
    psf.err[0, 100, 200] = np.nan
    psf.err[0, 60, 60] = 500.0
    moved = run([target, psf])[1]
    assert np.isfinite(moved.err[0, 95:106, 195:206]).all()
    assert (moved.err[np.isfinite(moved.err)] > 0.0).all()
    wild = np.argwhere(moved.err[0] > 20.0)
    assert len(wild) > 0
    assert np.abs(wild - 60).max() <= 5


def test_err_and_variances_agree(aligned):
    for model in aligned:
        total = model.var_poisson + model.var_rnoise + model.var_flat
        good = np.isfinite(model.err)
        np.testing.assert_allclose(total[good], model.err[good] ** 2, rtol=1e-4)
        inner = np.s_[:, 20:60, 20:60]
        assert np.median(model.var_rnoise[inner]) == pytest.approx(1.0, rel=0.05)


def test_inputs_are_not_touched(exposures):
    copies = [m.copy() for m in exposures]
    run(exposures[::2], interpolation="lanczos", max_shift=3.0)
    for given, copy in zip(exposures, copies, strict=True):
        for name in ("data", "err", "dq"):
            np.testing.assert_array_equal(getattr(given, name), getattr(copy, name))
        assert given.meta.wcsinfo.crpix1 == copy.meta.wcsinfo.crpix1
        assert getattr(given.meta, "coronx", None) is None or not given.hasattr("frame_shifts")


def test_run_twice_is_run_once(aligned, caplog):
    again = run(aligned)
    for one, two in zip(aligned, again, strict=True):
        np.testing.assert_array_equal(one.data, two.data)
        assert two.meta.coronx.star_x == one.meta.coronx.star_x
    assert sum("done before; left as it is" in r.getMessage() for r in caplog.records) == 3


def test_a_new_exposure_joins_those_that_were_aligned_before(exposures, aligned):
    first, _, psf = run([aligned[0], aligned[1], exposures[2]])
    np.testing.assert_array_equal(first.data, aligned[0].data)
    np.testing.assert_allclose(shifts_of(psf), true_shifts("psf1"), atol=TOLERANCE)
    assert find_star(psf).x == pytest.approx(find_star(first).x)


@pytest.fixture
def placed(exposures):
    """The exposures with the star's places measured, well but for the reference's second row."""
    models = [m.copy() for m in exposures]
    for name, model in zip(PLACES, models, strict=True):
        places = np.array(PLACES[name])
        good = np.ones(len(places), bool)
        record_places(model, places, np.full(places.shape, 0.01), good, source="test")
    return models


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


def test_a_frame_that_is_not_registered_is_named_and_gone(exposures, make_exposure, caplog):
    far = make_exposure("far_calints.fits", seed=12, nints=1, dither=(4.0, 0.0), is_psf=True)
    result = run([*exposures[:1], far], max_shift=2.0)
    (line,) = [r.getMessage() for r in caplog.records if "not registered" in r.getMessage()]
    assert line.startswith("far_calints.fits integration 1: not registered within max_shift")
    assert np.isnan(result[1].data).all()
    assert (result[1].dq & GONE == GONE).all()
    assert (result[1].star_places["good"] == 0).all()
    with pytest.raises(InputError, match=r"roll2.*no other frame could be registered"):
        run([exposures[1], far], max_shift=2.0)
    with_room = run([exposures[1], far], max_shift=6.0)
    assert shifts_of(with_room[1])[0, 0] == pytest.approx(-4.45, abs=TOLERANCE)


def test_a_bad_first_frame_is_named(exposures):
    first = exposures[1].copy()
    first.dq[:] = pixel["DO_NOT_USE"]
    with pytest.raises(InputError, match=r"roll2_calints.*no good pixel.*take out its first"):
        run([first, exposures[2]])
    flat = exposures[1].copy()
    flat.data[:], flat.dq[:] = 3.0, 0
    with pytest.raises(InputError, match=r"roll2_calints.*flat"):
        run([flat, exposures[2]])


def test_exposures_that_are_not_alike_are_refused(exposures):
    other = exposures[2].copy()
    other.meta.instrument.filter = "F444W"
    with pytest.raises(InputError, match="FILTER is F444W"):
        run([exposures[0], other])


def test_backgrounds_are_left_alone_and_an_exposure_is_enough(exposures, make_exposure):
    empty = make_exposure("sky_calints.fits", seed=13, nints=1)
    empty.meta.asn.exptype = "background"
    result = run([empty, exposures[0]])
    np.testing.assert_array_equal(result[0].data, empty.data)
    assert result[0].meta.coronx.align_frames == "SKIPPED"
    assert role_of(result[0]) == "background"
    np.testing.assert_allclose(shifts_of(result[1])[1], (-0.3, 0.2), atol=TOLERANCE)
    single = run(exposures[0])
    assert isinstance(single, CubeModel)
    np.testing.assert_array_equal(single.data, result[1].data)
    with pytest.raises(InputError, match="no exposure of a star"):
        run([empty])


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


def test_an_association(exposures, tmp_path):
    members = []
    for model, kind in zip(exposures, ("science", "science", "psf"), strict=True):
        model.copy().save(str(tmp_path / model.meta.filename))
        members.append({"expname": model.meta.filename, "exptype": kind})
    table = {
        "asn_type": "coron3", "asn_id": "a3001", "asn_pool": "none",
        "products": [{"name": "target", "members": members}],
    }  # fmt: skip
    (tmp_path / "target_asn.json").write_text(json.dumps(table))
    (tmp_path / "out").mkdir()
    AlignFramesStep.call(
        str(tmp_path / "target_asn.json"), mask="annulus", mask_shape=[8.0, 100.0],
        save_results=True, output_dir=str(tmp_path / "out"),
    )  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").glob("*.fits")) == [
        "psf1_aligned.fits", "roll1_aligned.fits", "roll2_aligned.fits",
    ]  # fmt: skip
    made = json.loads((tmp_path / "out" / "target_aligned_asn.json").read_text())
    assert made["products"][0]["members"][2] == {"expname": "psf1_aligned.fits", "exptype": "psf"}
    with datamodels.open(str(tmp_path / "out" / "psf1_aligned.fits")) as model:
        np.testing.assert_allclose(shifts_of(model), true_shifts("psf1"), atol=TOLERANCE)
        assert find_star(model).source == "coronx_align_frames"


def test_no_mask_applies(exposures, caplog, monkeypatch):
    monkeypatch.setattr(AlignFramesStep, "get_reference_file", lambda *_args: "N/A")
    with caplog.at_level(logging.WARNING):
        result = run([exposures[0], exposures[2]])
    assert any("all of the frame is fitted" in r.getMessage() for r in caplog.records)
    np.testing.assert_allclose(shifts_of(result[1]), true_shifts("psf1"), atol=TOLERANCE)
