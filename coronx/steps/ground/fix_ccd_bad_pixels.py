"""Repair the bad pixels of CCD images."""

import logging
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_repair import repair_image
from coronx.steps.ground._base import GroundStep

__all__ = ["FixCcdBadPixelsStep"]

log = logging.getLogger(__name__)


class FixCcdBadPixelsStep(GroundStep):
    """Replace bad pixels by the median of the good ones around them.

    What is repaired is flagged REPAIRED and no longer DO_NOT_USE; why it was bad stays.
    """

    class_alias = "coronx_fix_ccd_bad_pixels"

    spec = """
        bad_bits = force_list(default=list("BAD_PIXEL", "BAD_COLUMN", "USER_BAD", "COSMIC_RAY"))  # DQ flags of pixels to repair; those that hold no number are repaired, too
        distance = integer(default=2,min=1)  # Pixels that the box reaches in each direction
        fewest = integer(default=4,min=1)  # Good pixels that a box needs; with fewer, the pixel is left as it is
        suffix = string(default='ccdfix')  # Suffix of the products
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Repair images.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            The images, with the keywords NREPAIR and NBADLEFT.

        Raises
        ------
        InputError
            If `bad_bits` are not flags.
        """
        return self.each(init, self._fixed)

    def check_options(self) -> None:
        """Refuse flags that are not known."""
        for name in self.bad_bits:
            if name not in FLAGS:
                raise InputError(f"bad_bits {name!r}: no such flag; known are {', '.join(FLAGS)}")

    def _fixed(self, model: GroundImageModel) -> GroundImageModel:
        bits = np.uint32(sum({FLAGS[name] for name in self.bad_bits}))
        before = (model.dq & np.uint32(FLAGS["REPAIRED"])) != 0
        empty = (model.dq & np.uint32(FLAGS["NO_DATA"])) != 0
        finite = np.isfinite(model.data)
        bad = ((((model.dq & bits) != 0) & ~before) | ~finite) & ~empty
        result = self.copy_of(model)
        counts = repair_image(result, bad, distance=self.distance, fewest=self.fewest)
        ground = result.meta.ground
        ground.repaired = (ground.repaired or 0) + counts.repaired
        ground.unrepaired = counts.left
        log.info("%s: %d pixels repaired, %d left", name_of(model), *counts)
        return result
