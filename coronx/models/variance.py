"""Keep ERR and VAR_* of a product telling the same."""

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.arrays import array_of
from coronx.ops.shift import move_whole

__all__ = ["set_error", "set_moved_error", "set_repaired_error"]


_STRIDE = 6  # every pixel is not needed to tell by what factor a frame's variance changed


def set_error(result: CubeModel, source: CubeModel, err: NDArray[np.float32]) -> None:
    """Set a product's ERR, and VAR_* that add up to its square.

    The read-noise and flat-field variances of the source are kept, and what is more than
    they is put to the Poisson variance; a source without them gives a read-noise variance
    of ERR squared, so that inverse-variance weights downstream mean something.

    Parameters
    ----------
    result : CubeModel
        Changed in place.
    source : CubeModel
        The exposure that the product was made from.
    err : ndarray (nint, ny, nx)
        1-sigma errors of the product.
    """
    result.err = err
    total = np.square(err, dtype=np.float32)
    read = _array(source, "var_rnoise")
    flat = _array(source, "var_flat")
    if read is None:
        result.var_rnoise = total
        result.var_poisson = np.zeros_like(total)
        _empty(result, "var_flat")
        return
    result.var_rnoise = np.where(np.isfinite(read), read, total)
    total -= read
    if flat is not None:
        total -= flat
    result.var_poisson = np.fmax(total, np.float32(0.0), out=total)  # 0 for NaN, too
    if flat is not None:
        result.var_flat = flat.copy()
    else:
        _empty(result, "var_flat")


def set_moved_error(
    result: CubeModel, source: CubeModel, err: NDArray[np.float32], shifts: NDArray[np.float64]
) -> None:
    """Set the ERR of a product whose frames were moved, and VAR_* that add up to its square.

    The sum is that of ERR. What of it is read noise, and what is the flat field's, is
    taken from the nearest pixel of the source, and scaled by what moving did to the frame's
    variance as a whole.

    Parameters
    ----------
    result : CubeModel
        Changed in place.
    source : CubeModel
        The exposure that the product was made from.
    err : ndarray (nint, ny, nx)
        1-sigma errors of the product; NaN where there is none.
    shifts : ndarray (nint, 2)
        (dx, dy) in pixels by which the frames were moved.
    """
    given = {n: _array(source, n) for n in ("var_rnoise", "var_flat")}
    parts = {n: np.empty(err.shape, np.float32) for n, a in given.items() if a is not None}
    if "var_rnoise" not in parts:
        set_error(result, source, err)
        return
    left = np.square(err, dtype=np.float32)
    for n, rest in enumerate(left):
        gone = np.isnan(rest)
        whole = np.rint(shifts[n]).astype(int)
        factor = _median(rest) / (_median(source.err[n]) ** 2 or 1.0)
        for name, part in parts.items():
            moved = move_whole(given[name][n], whole)
            moved *= np.float32(factor)
            # What is not known of the read noise is all of it.
            np.fmin(moved, rest, out=part[n])
            np.copyto(part[n], np.nan, where=gone)
            rest -= part[n]
    result.err, result.var_poisson = err, left
    _empty(result, "var_flat")
    for name, part in parts.items():
        setattr(result, name, part)


def _median(values: NDArray[np.float32]) -> float:
    few = values[::_STRIDE, ::_STRIDE]
    known = few[np.isfinite(few)]
    return float(np.median(known)) if known.size else 0.0


def _array(model: CubeModel, name: str) -> NDArray[np.float32] | None:
    """Return an array of the model if the exposure really has it."""
    values = array_of(model, name)
    told = values is not None and values.shape == model.shape and bool((values > 0.0).any())
    return values if told else None


def _empty(result: CubeModel, name: str) -> None:
    """Make a variance that the source had, but did not tell anything by, zero where ERR is known.

    What is in it, zeros and NaN, is of the source's pixels, which may be elsewhere now.
    """
    values = array_of(result, name)
    if values is not None:
        setattr(result, name, np.where(np.isnan(result.err), result.err, np.float32(0.0)))


def set_repaired_error(
    result: CubeModel,
    source: CubeModel,
    err: NDArray[np.float32],
    repaired: NDArray[np.bool_],
) -> None:
    """Set a product's ERR where pixels were repaired, and VAR_* there, which add up to its square.

    All other pixels keep the source's to the bit. Where the source has variances, the parts
    of a repaired pixel are its read-noise and flat-field variances as far as they go, and
    the rest is put to the Poisson variance; where it has none, `set_error` makes them.

    Parameters
    ----------
    result : CubeModel
        Changed in place.
    source : CubeModel
        The exposure that the product was made from.
    err : ndarray (nint, ny, nx)
        1-sigma errors of the product.
    repaired : ndarray of bool (nint, ny, nx)
        Pixels that were repaired.
    """
    poisson = array_of(source, "var_poisson")
    told = _array(source, "var_rnoise") is not None or _array(source, "var_poisson") is not None
    if poisson is None or not told:
        set_error(result, source, err)
        return
    result.err = err
    rest = np.square(err[repaired], dtype=np.float32)
    for name in ("var_rnoise", "var_flat"):
        values = array_of(source, name)
        if values is not None and values.shape == source.shape:
            part = np.clip(np.nan_to_num(values[repaired]), 0.0, rest)
            setattr(result, name, _with(values, repaired, part))
            rest = rest - part
    result.var_poisson = _with(poisson, repaired, rest)


def _with(
    values: NDArray[np.float32], at: NDArray[np.bool_], new: NDArray[np.float32]
) -> NDArray[np.float32]:
    result = values.copy()
    result[at] = new
    return result
