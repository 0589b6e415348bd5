import numpy as np
import pytest

from coronx.ops.alignment import Exposure, align_stack, clean_exposure, registration_noise
from coronx.ops.fourier import apply_ramp, forward, without_nyquist
from coronx.ops.median import fill_local_median
from coronx.ops.registration import Template
from coronx.ops.shift import shift_flags, shift_variance

DNU, NONSCI, ESTIMATED = 1, 512, 2**26
OUTSIDE = DNU | NONSCI
OPTIONS = {"bad_bits": DNU, "box": 3, "blank": 0, "repaired": ESTIMATED, "unusable": DNU}


def exposure(data, variance=1.0, flags=None):
    data = np.asarray(data, np.float32)
    if flags is None:
        flags = np.zeros(data.shape, np.uint32)
    known = np.broadcast_to(np.float32(variance), data.shape).copy()
    return Exposure(data, known, flags, np.zeros(data.shape, bool))


@pytest.fixture
def raw():
    """Return data, errors and flags with every kind of blemish."""
    rng = np.random.default_rng(0)
    data = rng.normal(10.0, 1.0, (2, 20, 22)).astype(np.float32)
    error = rng.uniform(0.5, 1.5, data.shape).astype(np.float32)
    flags = np.zeros(data.shape, np.uint32)
    flags[0, 5, 5], flags[0, 6, 6] = DNU | 4, 4
    data[1, 3, 3], data[1, 4, 10], data[1, 0, 0] = np.nan, np.inf, -np.inf
    return data, error, flags


def test_bad_pixels_are_local_medians_and_say_so(raw):
    data, error, flags = raw
    frames = clean_exposure(data, error, flags, **OPTIONS)
    bad = np.zeros(data.shape, bool)
    bad[0, 5, 5] = bad[1, 3, 3] = bad[1, 4, 10] = bad[1, 0, 0] = True
    np.testing.assert_array_equal(frames.bad, bad)
    truth = fill_local_median(data, bad)
    np.testing.assert_allclose(frames.data, truth, rtol=1e-6)
    assert frames.flags[0, 5, 5] == 4 | ESTIMATED
    assert frames.flags[0, 6, 6] == 4
    assert frames.flags[1, 3, 3] == ESTIMATED
    assert np.count_nonzero(frames.flags & ESTIMATED) == 4
    assert frames.data.dtype == frames.variance.dtype == np.float32


def test_the_input_is_not_changed(raw):
    before = [a.copy() for a in raw]
    clean_exposure(*raw, **OPTIONS)
    for array, copy in zip(raw, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_variance_is_positive_and_finite_whatever_err_holds(raw):
    data, error, flags = raw
    error[0, 2, 2:7] = [np.nan, np.inf, -np.inf, -1.0, 0.0]
    error[1, 10, 10] = 1e30  # its square is beyond float32
    error[1, 3, 3] = 40.0  # of a bad pixel
    with np.errstate(over="ignore"):
        frames = clean_exposure(data, error, flags, **OPTIONS)
    assert np.isfinite(frames.variance).all()
    assert (frames.variance > 0.2).all()
    assert (frames.variance < 2.3).all()
    keep = ~frames.bad & np.isfinite(error) & (error > 0.0) & (error < 2.0)
    np.testing.assert_allclose(frames.variance[keep], error[keep] ** 2, rtol=1e-6)


def test_an_unknown_variance_is_zero(raw):
    data, _, flags = raw
    for error in (np.zeros_like(data), np.full_like(data, np.nan)):
        frames = clean_exposure(data, error, flags, **OPTIONS)
        assert (frames.variance == 0.0).all()
        assert np.isfinite(frames.data).all()


def test_blank_pixels_are_zero_and_keep_their_flags(raw):
    data, error, flags = raw
    flags[0, 8:10, 8:10] = NONSCI | DNU
    flags[0, 8, 12] = NONSCI
    frames = clean_exposure(data, error, flags, **{**OPTIONS, "blank": NONSCI})
    assert (frames.data[0, 8:10, 8:10] == 0.0).all()
    assert (frames.flags[0, 8:10, 8:10] == NONSCI | DNU).all()
    assert frames.data[0, 8, 12] == data[0, 8, 12]


@pytest.mark.parametrize(("bits", "count"), [(0, 0), (1, 1), (4, 2), (5, 2)])
def test_bad_bits_choose_the_flags(raw, bits, count):
    data, error, flags = raw
    frames = clean_exposure(data, error, flags, **{**OPTIONS, "bad_bits": bits})
    assert frames.bad[0].sum() == count
    assert frames.bad[1].sum() == 3  # not finite: always bad


def test_weight_is_the_mask_squared_over_the_noise():
    mask = np.array([[1.0, 0.5], [0.0, 1.0]])
    target, references = exposure(np.ones((2, 2, 2)), 3.0), exposure(np.ones((4, 2, 2)), 5.0)
    weight, variance = registration_noise(mask, target, references)
    np.testing.assert_allclose(variance, 8.0)
    np.testing.assert_allclose(weight, mask**2 / np.sqrt(8.0))


def test_the_edges_have_no_weight():
    frames = exposure(np.ones((1, 64, 48)), 1.0)
    weight, _ = registration_noise(np.ones((64, 48)), frames, frames)
    assert np.count_nonzero(weight) == 54 * 38
    assert (weight[5:-5, 5:-5] > 0.0).all()


def test_weight_without_variances_is_the_mask_squared():
    mask = np.array([[1.0, 0.5], [0.0, 1.0]])
    frames = exposure(np.ones((2, 2, 2)), 0.0)
    weight, variance = registration_noise(mask, frames, frames)
    np.testing.assert_array_equal(weight, mask**2)
    np.testing.assert_array_equal(variance, 1.0)


def test_a_tiny_variance_does_not_take_all_the_weight():
    variance = np.ones((1, 8, 8), np.float32)
    variance[0, 3, 3] = 1e-12
    frames = Exposure(variance, variance, np.zeros((1, 8, 8), np.uint32), variance < 0)
    weight, _ = registration_noise(np.ones((8, 8)), frames, frames)
    assert weight.max() <= 1e3**0.5 * np.median(weight) * 1.001


def test_references_land_on_the_template(speckles, hole):
    true = [(0.0, 0.0), (0.6, -0.3), (-1.2, 2.3)]
    references = exposure([2.0 * speckles(64, s) for s in true], 0.01)
    references.flags[1, 20, 30] = 4
    found = align_stack(references, Template(speckles(64), hole(64)), outside=OUTSIDE)
    np.testing.assert_allclose(found.registration.shift, -np.array(true), atol=0.01)
    np.testing.assert_allclose(found.registration.scale, 2.0, rtol=0.01)
    inner = np.s_[:, 6:-6, 6:-6]
    truth = np.broadcast_to(2.0 * speckles(64), found.data.shape)
    np.testing.assert_allclose(found.data[inner], truth[inner], atol=0.01)
    for m, shift in enumerate(found.registration.shift):
        spectrum = without_nyquist(forward(references.data[m].astype(float)), (64, 64))
        moved = apply_ramp(spectrum, shift, (64, 64))
        np.testing.assert_allclose(found.data[m], moved, atol=1e-6)
        np.testing.assert_array_equal(
            found.variance[m], shift_variance(references.variance[m], shift)
        )
        flags = shift_flags(references.flags[m], shift, outside=OUTSIDE)
        np.testing.assert_array_equal(found.flags[m], flags)
    assert (found.flags[1] & 4).any()


def test_a_reference_that_cannot_be_registered_is_flagged_throughout(speckles, hole):
    references = exposure([speckles(64), speckles(64, (12.0, 0.0)), np.zeros((64, 64))])
    found = align_stack(
        references, Template(speckles(64), hole(64), max_shift=3.0), outside=OUTSIDE
    )
    np.testing.assert_array_equal(found.registration.converged, [True, False, False])
    assert not (found.flags[0] & OUTSIDE).any()
    assert (found.flags[1:] & OUTSIDE == OUTSIDE).all()
    assert np.isfinite(found.data).all()
    assert np.isfinite(found.variance).all()
