"""Keep ERR and VAR_* of a product telling the same."""

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.arrays import array_of

__all__ = ["set_error"]


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


def _array(model: CubeModel, name: str) -> NDArray[np.float32] | None:
    """Return an array of the model if the exposure really has it."""
    values = array_of(model, name)
    told = values is not None and values.shape == model.shape and np.nan_to_num(values).any()
    return values if told else None
