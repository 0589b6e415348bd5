import numpy as np
import pytest
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import AlignRefsStep
from coronx.steps.coron._base import bit_mask
from tests.steps.reference_shifts import TRUE


def test_errors_and_flags_move_with_the_images(aligned, stack):
    data, err, dq = aligned.data, aligned.err, aligned.dq
    gone = (dq & pixel["DO_NOT_USE"]) != 0
    assert np.isfinite(data[~gone]).all()
    assert (err[~gone] > 0.0).all()
    empty = np.isnan(data)
    assert (dq[empty] & pixel["NON_SCIENCE"]).all()
    assert empty.mean() < 0.02
    # Repaired pixels stay known as such, each on the one, two or four that it overlaps.
    repaired = (dq[:, :, :, 10:] & pixel["FLUX_ESTIMATED"]) != 0
    count = ((stack.dq[:, :, 10:] & pixel["DO_NOT_USE"]) != 0).sum(axis=(1, 2))
    for m in range(4):
        assert 2 * count[m] <= repaired[0, m].sum() <= 4 * count[m] + 4
    inner = np.s_[0, 0, 20:60, 20:60]
    np.testing.assert_allclose(np.median(err[inner]), np.median(stack.err[0, 20:60, 20:60]), 0.02)


@pytest.mark.parametrize(
    ("bits", "value"),
    [
        ("OUTLIER, SATURATED", 18),
        ("16, 2", 18),
        ("18", 18),
        (18, 18),
        (["OUTLIER", "SATURATED"], 18),
        (["16", "2"], 18),
        ("DO_NOT_USE", 1),
        ("", 0),
        (None, 0),
        ("None", 0),
        ([], 0),
    ],
)
def test_bits(bits, value):
    assert bit_mask(bits) == value


@pytest.fixture
def flagged(stack):
    """Return a stack with a spike marked OUTLIER, one SATURATED, one not a number."""
    model = stack.copy()
    model.data[model.dq != 0] = 0.0
    model.dq[:] = 0
    for column, flag in ((40, "OUTLIER"), (50, "SATURATED"), (60, None)):
        model.data[0, 40, column] = 500.0 if flag else np.nan
        model.dq[0, 40, column] = pixel[flag] if flag else 0
    return model


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"bad_bits": "OUTLIER, SATURATED"}, set()),
        ({"bad_bits": "16, 2"}, set()),
        ({"bad_bits": "18"}, set()),
        ({"bad_bits": "OUTLIER"}, {50}),
        ({"bad_bits": ["SATURATED"]}, {40}),
        ({"bad_bits": ""}, {40, 50}),
        ({"bad_bits": None}, {40, 50}),
        ({}, {40, 50}),
    ],
)
def test_bad_bits_choose_what_is_repaired(target, flagged, options, kept):
    result = AlignRefsStep.call(target, flagged, per_integration=False, **options)
    dx, dy = np.rint(TRUE[0]).astype(int)
    row = np.nan_to_num(result.data[0, 38 + dy : 43 + dy]).max(axis=0)
    assert {c for c in (40, 50, 60) if row[c + dx - 1 : c + dx + 2].max() > 100.0} == kept
    # What is not a number is repaired whatever the bits.
    assert np.isfinite(result.data[0, 40, 55:65]).all()


def test_median_box_length(target, make_exposure):
    star = make_exposure(
        "p_calints.fits", seed=11, nints=1, is_psf=True, blemishes=False, noise=0.01
    )
    star.dq[0, 100:103, 100:103] = pixel["DO_NOT_USE"]
    star.data[0, 100:103, 100:103] = 7e4
    # Nothing good within one pixel of the block's middle: zero there; a wider box sees enough.
    narrow, wide = (
        AlignRefsStep.call(target, star, median_box_length=box, per_integration=False)
        for box in (3, 7)
    )
    truth = np.median(star.data[0, 97:106, 97:106][star.dq[0, 97:106, 97:106] == 0])
    assert abs(narrow.data[0, 101, 101]) < 0.5 * truth
    assert 0.5 * truth < wide.data[0, 101, 101] < 2.0 * truth
    none = AlignRefsStep.call(target, star, median_box_length=0, per_integration=False)
    assert abs(none.data[0, 101, 101]) < 0.5 * truth


def test_nan_in_err_stays_local(target, stack, aligned):
    spoilt = stack.copy()
    spoilt.err[1, 50, 60] = np.nan
    spoilt.err[2, 90, 60] = 50.0
    result = AlignRefsStep.call(target, spoilt)
    difference = np.nan_to_num(result.err) != np.nan_to_num(aligned.err)
    assert np.array_equal(np.isnan(result.err), np.isnan(aligned.err))
    for m, (row, column) in ((1, (50, 60)), (2, (90, 60))):
        rows, columns = np.nonzero(np.abs(result.err - aligned.err)[0, m] > 0.05)
        if m == 2:
            assert rows.size > 0
        assert (np.abs(rows - row) <= 5).all()
        assert (np.abs(columns - column) <= 5).all()
    assert not difference[:, 0].mean() > 0.5
    assert np.nanmin(result.err) > 0.0
