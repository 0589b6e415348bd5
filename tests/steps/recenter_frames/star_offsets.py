"""Where the stars of the exposures are, and how far off they are found."""

import numpy as np

from coronx.refdata.modes import MODES

MODE = MODES["nircam-335r"]
SCALE = np.multiply(MODE.scale, 1e3)
MIDDLE = 159.5
OFFSETS = ((20.0, -30.0), (24.0, -28.0), (17.0, -33.0))  # mas, one an integration


def error_of(model, offsets=OFFSETS):
    """Return the errors in mas of the places in the table."""
    table = model.star_places
    places = np.stack([table["x"], table["y"]], axis=1) - 1.0
    return (places - MODE.center) * SCALE - np.array(offsets)
