"""Split a cube of integrations into images that the host's resample step takes."""

from collections.abc import Iterator

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel, ImageModel

__all__ = ["split_integrations"]

_PER_INTEGRATION = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat")


def split_integrations(cube: CubeModel) -> Iterator[ImageModel]:
    """Yield each integration of a cube as an image, with the cube's metadata and WCS."""
    present = {}
    for name in (*_PER_INTEGRATION, "area"):
        try:
            values = np.asarray(cube.getarray_noinit(name))
        except AttributeError:
            continue
        if values.size:
            present[name] = values
    for n in range(cube.shape[0]):
        # Nothing is new in it: checking every value again takes longer than subtracting the star.
        image = ImageModel(validate_on_assignment=False)
        for name, values in present.items():
            setattr(image, name, values[n].copy() if values.ndim == 3 else values)
        image.update(cube)
        image.meta.wcs = cube.meta.wcs
        yield image
