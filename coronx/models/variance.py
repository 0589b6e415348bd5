"""Keep ERR and VAR_* of a product telling the same."""

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.arrays import array_of
from coronx.ops.shift import move_whole

__all__ = ["set_error", "set_moved_error"]


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
        return
    rest = total - read - (0.0 if flat is None else flat)
    result.var_rnoise = np.where(np.isfinite(read), read, total).astype(np.float32)
    result.var_poisson = np.maximum(np.nan_to_num(rest), 0.0).astype(np.float32)
    if flat is not None:
        result.var_flat = flat.copy()


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
    for name, part in parts.items():
        setattr(result, name, part)


def _median(values: NDArray[np.float32]) -> float:
    few = values[::_STRIDE, ::_STRIDE]
    known = few[np.isfinite(few)]
    return float(np.median(known)) if known.size else 0.0


def _array(model: CubeModel, name: str) -> NDArray[np.float32] | None:
    """Return an array of the model if the exposure really has it."""
    values = array_of(model, name)
    told = values is not None and values.shape == model.shape and (values > 0.0).any()
    return values if told else None
