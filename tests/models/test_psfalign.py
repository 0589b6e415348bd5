import tracemalloc

import numpy as np
import pytest
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import CubeModel, QuadModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.flags import OUTSIDE
from coronx.models.psfalign import PsfAlignModel
from coronx.models.schema import extend, plane_table, shift_table
from coronx.ops.registration import Registration
from coronx.ops.shift import shift_flags, shift_image, shift_variance

NINT, NREF, SHAPE = 3, 4, (24, 25)
PLACES = np.array([[0.0, 0.0], [0.04, -0.07], [0.6, -1.3]])
REFERENCE_SHIFTS = np.array([[0.1, 0.2], [1.5, -0.4], [-2.2, 0.0], [0.0, 0.0]])


def registration(shifts):
    count = len(shifts)
    ones = np.ones(count)
    return Registration(shifts, ones, np.full((count, 2), 0.01), ones, ones.astype(bool))


def make(nint=NINT, nref=NREF, shape=SHAPE, places=PLACES):
    rng = np.random.default_rng(0)
    size = (nref, *shape)
    data = rng.normal(5.0, 1.0, size).astype(np.float32)
    err = rng.uniform(0.5, 2.0, size).astype(np.float32)
    dq = np.zeros(size, np.uint32)
    dq[0, 5, 6], dq[1, :2] = pixel["FLUX_ESTIMATED"], OUTSIDE
    dq[-1] = OUTSIDE
    model = PsfAlignModel.from_common(data, err, dq)
    exposures = [CubeModel((n, 2, 2)) for n in (nref, nint)]
    for exposure, name in zip(exposures, ("ref_calints.fits", "sci_calints.fits"), strict=True):
        exposure.meta.filename = name
    model.reference_shifts = shift_table(
        exposures[0], registration(np.resize(REFERENCE_SHIFTS, (nref, 2)))
    )
    model.integration_shifts = shift_table(exposures[1], registration(-places), inverse=True)
    model.meta.filename = "sci_psfalign.fits"
    model.meta.instrument.name = "NIRCAM"
    model.meta.cal_step.align_psfs = "COMPLETE"
    model.meta.coronx.mask_x = 12.5
    return model


@pytest.fixture
def model():
    return make()


def same(one, other):
    for name in ("data", "err", "dq"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_planes_are_the_references_moved_to_each_integration(model):
    common = model.common
    for n, place in enumerate(PLACES):
        for m in range(NREF):
            flags = common["dq"][m]
            variance = common["err"][m] ** 2
            if np.abs(place).max() >= 0.1:
                flags = shift_flags(flags, place, outside=OUTSIDE)
                variance = shift_variance(variance, place)
            gone = flags & OUTSIDE == OUTSIDE
            data = np.where(gone, np.nan, shift_image(common["data"][m], place))
            np.testing.assert_array_equal(model.dq[n, m], flags)
            np.testing.assert_allclose(model.data[n, m], data, atol=1e-5)
            np.testing.assert_allclose(
                model.err[n, m], np.where(gone, np.nan, np.sqrt(variance)), rtol=1e-5
            )


def test_one_move_is_two_in_turn(speckles):
    # The references' first move and the integration's place add up, but for the Nyquist terms.
    image = speckles(33)
    first, second = np.array([1.5, -0.4]), np.array([0.6, -1.3])
    common = shift_image(image, first).astype(np.float32)[None]
    model = PsfAlignModel.from_common(
        common, np.ones_like(common), np.zeros(common.shape, np.uint32)
    )
    cube = CubeModel((2, 2, 2))
    model.integration_shifts = shift_table(
        cube, registration(-np.array([[0, 0], second])), inverse=True
    )
    both = shift_image(image, first + second)
    seen = np.isfinite(model.data[1, 0])
    assert seen.mean() > 0.9
    np.testing.assert_allclose(model.data[1, 0][seen], both[seen], atol=1e-6)


def test_shapes_types_and_single_planes(model):
    assert model.shape == (NINT, NREF, *SHAPE)
    assert model.data.dtype == model.err.dtype == np.float32
    assert model.dq.dtype == np.uint32
    np.testing.assert_array_equal(model.plane("data", 2, 1), model.data[2, 1])
    np.testing.assert_array_equal(model.shifts, PLACES)
    assert isinstance(model, QuadModel)


def test_round_trip_through_fits(model, tmp_path):
    path = tmp_path / "sci_psfalign.fits"
    model.save(str(path))
    again = PsfAlignModel.open(path)
    assert again.shape == model.shape
    assert again.common is not None
    same(again, model)
    np.testing.assert_array_equal(again.shifts, model.shifts)
    np.testing.assert_array_equal(again.reference_shifts["dx"], REFERENCE_SHIFTS[:, 0])
    assert again.integration_shifts["exposure"].astype("S64")[0] == b"sci_calints.fits"
    assert again.meta.instrument.name == "NIRCAM"
    assert again.meta.cal_step.align_psfs == "COMPLETE"
    assert again.meta.coronx.mask_x == 12.5
    assert again.meta.filename == path.name


def test_written_again_the_file_says_the_same(model, tmp_path):
    model.save(str(tmp_path / "one.fits"))
    PsfAlignModel.open(tmp_path / "one.fits").save(str(tmp_path / "two.fits"))
    same(PsfAlignModel.open(tmp_path / "two.fits"), model)


@pytest.mark.parametrize("suffix", ["fits", "asdf"])
def test_the_hosts_open_gives_the_same_arrays(model, tmp_path, suffix):
    path = tmp_path / f"sci_psfalign.{suffix}"
    model.save(str(path))
    with datamodels.open(str(path)) as plain:
        assert type(plain) is QuadModel
        assert plain.shape == model.shape
        same(plain, model)
        assert plain.meta.cal_step.align_psfs == "COMPLETE"
        np.testing.assert_array_equal(plain.integration_shifts["dx"], PLACES[:, 0])
        assert len(plain.reference_shifts) == NREF


def test_a_plain_quad_is_opened_whole(tmp_path):
    quad = QuadModel(data=np.ones((2, 3, 4, 5), np.float32))
    path = tmp_path / "quad.fits"
    quad.save(str(path))
    model = PsfAlignModel.open(path)
    assert model.common is None
    assert model.shape == (2, 3, 4, 5)
    np.testing.assert_array_equal(model.data, 1.0)
    model.save(str(tmp_path / "again.fits"))
    with datamodels.open(str(tmp_path / "again.fits")) as again:
        np.testing.assert_array_equal(again.data, 1.0)


def test_a_copy_is_equal_and_its_record_its_own(model):
    copy = model.copy()
    same(copy, model)
    copy.meta.cal_step.align_psfs = "SKIPPED"
    copy.integration_shifts["dx"] = 9.0
    assert model.meta.cal_step.align_psfs == "COMPLETE"
    np.testing.assert_array_equal(model.shifts, PLACES)
    same(PsfAlignModel(model), model)


def test_the_4d_array_is_not_formed_unless_asked_for(tmp_path):
    nint, nref, shape = 40, 10, (64, 64)
    places = np.linspace(0.0, 0.4, 2 * nint).reshape(nint, 2)
    places[0] = 0.0
    model = make(nint, nref, shape, places)
    whole = 4 * nint * nref * shape[0] * shape[1]
    path = tmp_path / "big.fits"
    tracemalloc.start()
    try:
        assert model.shape == (nint, nref, *shape)
        assert model.copy().shape == model.shape
        model.plane("data", 3, 3)
        model.save(str(path))
        again = PsfAlignModel.open(path)
        assert again.shape == model.shape
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 3 * whole
    assert peak < 0.5 * whole
    np.testing.assert_array_equal(
        again.plane("data", nint - 1, 2), model.plane("data", nint - 1, 2)
    )


def test_metadata_of_a_cube_is_taken_over(model):
    cube = extend(CubeModel((NREF, *SHAPE)))
    cube.meta.target.catalog_name = "a star"
    cube.planes = plane_table(cube)
    model.update(cube)
    assert model.meta.target.catalog_name == "a star"
    assert model.shape == (NINT, NREF, *SHAPE)
