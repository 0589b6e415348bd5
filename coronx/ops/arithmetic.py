"""Add, subtract, multiply and divide images, with their errors, flags and units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units
from numpy.typing import NDArray

__all__ = ["OPERATIONS", "Computed", "compute", "unit_of_result"]

OPERATIONS = ("ADD", "SUB", "MUL", "DIV")
"""Names of the operations."""

_Values = NDArray[np.floating] | NDArray[np.integer] | float


@dataclass(frozen=True)
class Computed:
    """Result of an operation on two images.

    Attributes
    ----------
    data : ndarray (ny, nx), float32
        NaN where there is no result.
    err : ndarray (ny, nx), float32, or None
        1-sigma error; None if that of the first image is not known.
    dq : ndarray of uint32 (ny, nx)
        Flags of both images, and `undefined` where there is no result.
    undefined : int
        Pixels without a result that both images had a value of: divisions by zero, and what is
        too large for a float32.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32] | None
    dq: NDArray[np.uint32]
    undefined: int


def compute(
    first: _Values,
    second: _Values,
    *,
    operation: str,
    first_err: NDArray[np.floating] | None = None,
    second_err: NDArray[np.floating] | float | None = None,
    first_dq: NDArray[np.uint32] | None = None,
    second_dq: NDArray[np.uint32] | None = None,
    undefined: int = 1,
) -> Computed:
    """Compute first (operation) second, pixel by pixel.

    Parameters
    ----------
    first : ndarray (ny, nx)
        Image, of any type of numbers.
    second : ndarray (ny, nx) or float
        Image, or a number for all pixels.
    operation : {"ADD", "SUB", "MUL", "DIV"}
        What is done.
    first_err, second_err : ndarray (ny, nx), or float for the second, optional
        1-sigma errors. They are taken to be independent of each other. Without one, the
        second counts as exact; without one of the first, none is known of the result.
    first_dq, second_dq : ndarray of uint32 (ny, nx), optional
        Flags.
    undefined : int
        Flags set where there is no result.

    Returns
    -------
    Computed

    Raises
    ------
    ValueError
        If the operation is none of these, or the images differ in shape.

    Notes
    -----
    Errors are propagated to first order: for a product the variance is
    (b sigma_a)^2 + (a sigma_b)^2, for a ratio q = a / b it is (sigma_a^2 + q^2 sigma_b^2) / b^2.
    """
    if operation not in OPERATIONS:
        raise ValueError(f"operation {operation!r}; known are {', '.join(OPERATIONS)}")
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if b.ndim and b.shape != a.shape:
        raise ValueError(f"images of shapes {a.shape} and {b.shape}")
    value = _value(a, b, operation)
    err = None
    if first_err is not None:
        own = np.asarray(first_err, dtype=np.float64)
        other = np.float64(0.0) if second_err is None else np.asarray(second_err, np.float64)
        err = _error(a, b, own, other, operation)
    data = _single(value)
    given = np.isfinite(a) & np.isfinite(b)
    none = ~given | ~np.isfinite(data)
    dq = np.zeros(a.shape, dtype=np.uint32)
    for flags in (first_dq, second_dq):
        if flags is not None:
            dq |= flags
    dq[none] |= np.uint32(undefined)
    data[none] = np.nan
    single = None
    if err is not None:
        single = _single(err)
        single[none | ~np.isfinite(single)] = np.nan
    return Computed(data, single, dq, int(np.count_nonzero(none & given)))


def unit_of_result(operation: str, first: str | None, second: str | None) -> str | None:
    """Return the unit of the result of an operation on two images.

    Parameters
    ----------
    operation : {"ADD", "SUB", "MUL", "DIV"}
        What is done.
    first, second : str or None
        Units of the images as in a FITS BUNIT, ADU in any case of letters. "" has no unit, as a
        ratio has none, and None is not known: what it is combined with keeps its unit.

    Returns
    -------
    str or None
        "" if the result has no unit, None if it is not known.

    Raises
    ------
    ValueError
        If two different units are added or subtracted.
    """
    if first is None or second is None:
        return second if first is None and operation != "DIV" else first
    if operation in ("ADD", "SUB"):
        if _unit(first) != _unit(second):
            raise ValueError(f"units {first!r} and {second!r}")
        return first
    if not second:
        return first
    a, b = _unit(first), _unit(second)
    made = (a * b if operation == "MUL" else a / b).to_string("generic")
    return made.replace("adu", "ADU")


def _unit(text: str) -> units.UnitBase:
    named = "adu" if text.strip().lower() == "adu" else text
    # A survey's own unit is a unit like others: it only cannot be converted.
    make: Any = units.Unit
    return make(named.replace("ADU", "adu"), parse_strict="silent")


def _value(a: NDArray[np.float64], b: NDArray[np.float64], operation: str) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        match operation:
            case "ADD":
                return a + b
            case "SUB":
                return a - b
            case "MUL":
                return a * b
            case _:
                return a / b


def _error(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    own: NDArray[np.float64],
    other: NDArray[np.float64] | np.float64,
    operation: str,
) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        match operation:
            case "ADD" | "SUB":
                return np.hypot(own, other)
            case "MUL":
                return np.hypot(b * own, a * other)
            case _:
                return np.hypot(own, a / b * other) / np.abs(b)


def _single(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
