"""Exposures aligned to the first: shifts, frames, errors, flags, records."""

import numpy as np
import pytest
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.pointing import find_star, mask_place
from coronx.models.star_places import star_places
from tests.steps.align_frames.star_shifts import (
    FIRST,
    GONE,
    PLACES,
    TOLERANCE,
    run,
    shifts_of,
    true_shifts,
)

SKY = (311.2897, -31.3411)  # of the star, in every exposure


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
