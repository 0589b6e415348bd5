"""The arrays of an exposure: those that it really has."""

from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import JwstDataModel

__all__ = ["PLANES", "array_of", "arrays_of"]

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
