from types import SimpleNamespace

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import ImageModel


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    """Return a PSFMASK file for the frames here, and a wider one for the speckles."""
    folder = tmp_path_factory.mktemp("masks")
    paths = {}
    for shape in ((64, 60), (64, 64)):
        paths[shape] = str(folder / f"mask_{shape[1]}.fits")
        ImageModel(data=np.ones(shape, np.float32)).save(paths[shape])
    return SimpleNamespace(gaussian=paths[64, 60], speckle=paths[64, 64])
