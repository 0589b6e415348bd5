"""The arrays of an exposure: those that it really has."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import JwstDataModel
from stdatamodels.jwst.datamodels.dqflags import pixel

__all__ = ["PLANES", "array_of", "arrays_of", "good_samples", "set_arrays"]

PLANES = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat")
"""Arrays with a plane for each integration."""


def array_of(model: JwstDataModel, name: str) -> np.ndarray | None:
    """Return an array of a model, or None: asking the host for what is missing would make it."""
    try:
        values: Any = model.getarray_noinit(name)
    except AttributeError:
        return None
    values = np.asarray(values)
    return values if values.size else None


def arrays_of(model: JwstDataModel) -> dict[str, np.ndarray]:
    """Return those arrays of `PLANES` that a model has in the shape of its data."""
    found = ((name, array_of(model, name)) for name in PLANES)
    return {name: a for name, a in found if a is not None and a.shape == model.shape}


def good_samples(model: JwstDataModel) -> NDArray[np.bool_]:
    """Return the pixels that hold a value: finite, and not DO_NOT_USE."""
    return np.isfinite(model.data) & ((model.dq & np.uint32(pixel["DO_NOT_USE"])) == 0)


def set_arrays(model: JwstDataModel, arrays: Mapping[str, np.ndarray]) -> None:
    """Give a model arrays and tables whose types are right.

    The host reads its schemas again to check each one, which takes longer than making it.
    """
    checks, model._validate_on_assignment = model._validate_on_assignment, False
    try:
        for name, values in arrays.items():
            setattr(model, name, values)
    finally:
        model._validate_on_assignment = checks
