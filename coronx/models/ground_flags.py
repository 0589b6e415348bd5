"""Flags of the pixels of CCD images from the ground."""

import numpy as np
from numpy.typing import NDArray
from stdatamodels import DataModel

__all__ = ["BAD", "FLAGS", "good_pixels", "with_repairs"]

FLAGS = {
    "DO_NOT_USE": 1,
    "SATURATED": 2,
    "COSMIC_RAY": 4,
    "BAD_PIXEL": 8,
    "BAD_COLUMN": 16,
    "USER_BAD": 32,
    "REPAIRED": 64,
    "NO_DATA": 128,
}
"""A pixel that cannot be used has DO_NOT_USE beside the bit that says why. Once it is repaired, it
has REPAIRED instead of DO_NOT_USE; why it was bad stays."""

BAD = FLAGS["BAD_PIXEL"] | FLAGS["BAD_COLUMN"] | FLAGS["USER_BAD"]
"""Flags of what is wrong with a detector, whatever is imaged."""


def good_pixels(model: DataModel) -> NDArray[np.bool_]:
    """Return the pixels of an image that hold a value: finite, and not DO_NOT_USE."""
    return np.isfinite(model.data) & ((model.dq & np.uint32(FLAGS["DO_NOT_USE"])) == 0)


def with_repairs(
    dq: NDArray[np.uint32], repaired: NDArray[np.bool_], left: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """Return flags of an image of which some pixels were repaired, and others could not be."""
    unusable, mended = np.uint32(FLAGS["DO_NOT_USE"]), np.uint32(FLAGS["REPAIRED"])
    flags = np.where(repaired, (dq | mended) & ~unusable, dq)
    return np.where(left, flags | unusable, flags)
