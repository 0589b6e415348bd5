"""Arithmetic of images: values, errors that are the scatter, flags, units."""

import numpy as np
import pytest

from coronx.ops.arithmetic import OPERATIONS, compute, unit_of_result

NUMPY = {"ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "DIV": np.divide}
NONE = 129


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["u2", "i4", "f4", "f8", ">f4"])
def test_values_of_any_type(operation, kind, rng):
    a, b = (rng.integers(1, 60000, (20, 30)).astype(kind) for _ in range(2))
    result = compute(a, b, operation=operation)
    expected = NUMPY[operation](a.astype(float), b.astype(float))
    assert result.data.dtype == np.float32
    np.testing.assert_allclose(result.data, expected, rtol=1e-7)
    assert result.err is None
    assert not result.dq.any()
    np.testing.assert_allclose(
        compute(a, 7, operation=operation).data, NUMPY[operation](a.astype(float), 7.0), rtol=1e-7
    )


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("scalar", [False, True])
def test_error_is_the_scatter(operation, scalar, rng):
    shape = (200, 200)
    a_err, b_err = (np.full(shape, e, np.float32) for e in (3.0, 1.5))
    a = 100.0 + a_err * rng.standard_normal(shape)
    b = -40.0 + (0.0 if scalar else b_err * rng.standard_normal(shape))
    result = compute(
        a, -40.0 if scalar else b, operation=operation, first_err=a_err,
        second_err=None if scalar else b_err,
    )  # fmt: skip
    assert result.err is not None
    assert np.std(result.data) / np.median(result.err) == pytest.approx(1.0, abs=0.02)


def test_blemishes_stay_where_they_are(rng):
    a, b = rng.uniform(1, 2, (2, 9, 9)).astype("f4")
    a_dq, b_dq = np.zeros((2, 9, 9), "u4")
    err = np.full((9, 9), 0.1, "f4")
    a[1, 1], b[2, 2], b[3, 3], a[4, 4] = np.nan, 0.0, np.inf, 3e38
    a_dq[1, 1], b_dq[5, 5], a_dq[5, 5] = 8, 4, 2
    b[4, 4] = 1e-5
    result = compute(
        a, b, operation="DIV", first_err=err, second_err=err, first_dq=a_dq, second_dq=b_dq,
        undefined=NONE,
    )  # fmt: skip
    flagged = {(1, 1): 8 | NONE, (2, 2): NONE, (3, 3): NONE, (4, 4): NONE, (5, 5): 6}
    for y in range(9):
        for x in range(9):
            assert result.dq[y, x] == flagged.get((y, x), 0)
            gone = (y, x) in [(1, 1), (2, 2), (3, 3), (4, 4)]
            assert np.isnan(result.data[y, x]) == gone
    assert np.isnan(result.err[2, 2])
    assert np.isfinite(result.err[5, 5])
    assert result.undefined == 2
    # inputs are as they were
    assert b[2, 2] == 0.0
    assert a_dq.sum() == 8 + 2


def test_nothing_over_nothing_and_a_division_by_the_number_zero():
    image = np.array([[0.0, 1.0], [-1.0, np.nan]])
    for operand in (0.0, np.zeros((2, 2))):
        result = compute(image, operand, operation="DIV", undefined=NONE)
        assert np.isnan(result.data).all()
        assert (result.dq == NONE).all()
        assert result.undefined == 3


def test_what_makes_no_sense():
    with pytest.raises(ValueError, match=r"'POW'.*ADD, SUB, MUL, DIV"):
        compute(np.ones((2, 2)), 1.0, operation="POW")
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(2, 1\)"):
        compute(np.ones((2, 2)), np.ones((2, 1)), operation="ADD")


@pytest.mark.parametrize(
    ("operation", "first", "second", "unit"),
    [
        ("ADD", "ADU", "adu", "ADU"),
        ("SUB", "electron", "electron", "electron"),
        ("SUB", "nanomaggy", "nanomaggy", "nanomaggy"),
        ("ADD", "ADU", None, "ADU"),
        ("ADD", None, "ADU", "ADU"),
        ("DIV", None, "ADU", None),
        ("MUL", "ADU", "", "ADU"),
        ("MUL", "", "ADU", "ADU"),
        ("MUL", "ADU", "ADU", "ADU2"),
        ("DIV", "ADU", "ADU", ""),
        ("DIV", "ADU", "s", "ADU / s"),
        ("DIV", "electron / s", "s", "electron / s2"),
        ("MUL", "ADU", "electron / ADU", "electron"),
        ("DIV", "ADU", None, "ADU"),
    ],
)
def test_units(operation, first, second, unit):
    assert unit_of_result(operation, first, second) == unit


@pytest.mark.parametrize(("first", "second"), [("ADU", "electron"), ("ADU", ""), ("nmgy", "ADU")])
def test_sums_of_different_units_are_refused(first, second):
    with pytest.raises(ValueError, match=f"'{first}' and '{second}'"):
        unit_of_result("SUB", first, second)
