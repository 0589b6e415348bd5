"""The data model of CCD images from the ground."""

from typing import Any

import numpy as np
from stdatamodels import DataModel

from coronx.models.arrays import array_of
from coronx.models.schemas import GROUND_IMAGE

__all__ = ["ROLES", "GroundImageModel", "tables_of"]

ROLES = ("science", "bias", "dark", "flat")
"""What a frame may be an image of."""


class GroundImageModel(DataModel):
    """A CCD image from the ground: signal, error and flags, and what its header says.

    Cards of the header that the schema does not know are kept, and written again. The data
    are in ADU unless ``meta.bunit`` says otherwise.

    Attributes
    ----------
    data, err : ndarray (ny, nx), float32
        Signal and its 1-sigma error. A raw frame has no error yet: ask
        `coronx.models.arrays.arrays_of`.
    dq : ndarray (ny, nx), uint32
        Flags, see `coronx.models.ground_flags`.
    """

    schema_url = GROUND_IMAGE

    def on_init(self, init: Any) -> None:
        """Give the model flags where it has none."""
        super().on_init(init)
        if array_of(self, "dq") is None and (data := array_of(self, "data")) is not None:
            self.dq = np.zeros(data.shape, np.uint32)

    def get_primary_array_name(self) -> str:
        """Return the name of the array whose shape is the model's."""
        return "data"

    # The host's framework takes for a data model what has these two.
    @property
    def crds_observatory(self) -> str:
        """The observatory in CRDS: none."""
        return "none"

    def get_crds_parameters(self) -> dict[str, Any]:
        """Return nothing: CRDS knows no reference file for these images."""
        return {}


def tables_of(model: GroundImageModel) -> dict[str, np.ndarray]:
    """Return the tables that a model has, by their names in the schema."""
    found = {}
    for name, described in model.schema["properties"].items():
        if isinstance(described.get("datatype"), list) and name in model.instance:
            table = np.asarray(getattr(model, name))
            if table.size:
                found[name] = table
    return found
