"""Combine bias frames to a master."""

from typing import Any

import numpy as np

from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_master import combine_frames, frames_of, master_model, stack_frames
from coronx.steps.ground._base import GroundStep

__all__ = ["BuildMasterBiasStep"]


class BuildMasterBiasStep(GroundStep):
    """Average bias frames of one CCD, without what is far from their median.

    Frames have to be of one telescope, shape, binning and temperature; the one that is not is
    named.
    """

    class_alias = "coronx_build_master_bias"

    spec = """
        sigma = float(default=5.0,min=1.0)  # Distance from the median beyond which a sample is left out, in standard deviations
        overscan = option("smooth", "rows", "constant", "none", default="smooth")  # How the overscan's level is taken along it; none: only trim
        temperature_tolerance = float(default=0.5,min=0.0)  # Largest distance of the CCD from its set temperature, in degrees
        suffix = string(default='masterbias')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel:
        """Combine bias frames.

        Parameters
        ----------
        init : str, Path, GroundFrames or list
            An association, of which members of exptype bias are taken, or frames.

        Returns
        -------
        GroundImageModel
            The master bias, with ERR and the table ``inputs``.

        Raises
        ------
        InputError
            If frames do not belong together, or are less than two.
        """
        models = frames_of(self.open_frames(init), "bias")
        self.set_primary_input(models[0])  # a list has no name to call the product by
        stack = stack_frames(models, overscan=self.overscan, tolerance=self.temperature_tolerance)
        levels = [float(np.nanmedian(frame)) for frame in stack.data]
        result = master_model(stack, "bias", combine_frames(stack, sigma=self.sigma), levels=levels)
        self.mark(result, "COMPLETE")
        return result
