"""Convolve frames with a Gaussian."""

import logging
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import name_of
from coronx.models.flags import MENDED
from coronx.models.sampling import chosen_blur, record_blur
from coronx.models.variance import set_moved_error
from coronx.ops.blur import blur_frames
from coronx.steps.coron._base import CoronStep

__all__ = ["BlurFramesStep"]

log = logging.getLogger(__name__)


class BlurFramesStep(CoronStep):
    """Convolve every frame with a Gaussian, so that an undersampled PSF can be moved.

    Bad pixels have no weight.
    """

    class_alias = "coronx_blur_frames"
    once = True

    spec = """
        sigma = string(default="auto")  # Sigma of the Gaussian in pixels, or auto: what widens the PSF to 3.45 pixels
        bad_bits = force_list(default=list("DO_NOT_USE"))  # DQ flags of bad pixels, names or integers; none: ""
        suffix = string(default='blurred')  # Suffix of the products
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Blur exposures.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An exposure, an association, or several exposures.

        Returns
        -------
        CubeModel or ModelContainer
            The exposures blurred; one whose PSF is wide enough already as it was, SKIPPED.
        """
        return self.each(init, self._blurred)

    def _blurred(self, model: CubeModel) -> CubeModel:
        sigma = chosen_blur(model, self.sigma)
        result = self.copy_of(model, renewed=sigma > 0.0)
        if sigma == 0.0:
            log.info("%s: the PSF is wide enough; left as it is", name_of(model))
            self.mark(result, "SKIPPED")
            return result
        data, variance, flags = blur_frames(
            model.data,
            model.err,
            model.dq,
            self.bad_pixels(model),
            sigma,
            **MENDED,
        )
        result.data, result.dq = data, flags
        set_moved_error(result, model, np.sqrt(variance), np.zeros((len(data), 2)))
        record_blur(result, sigma)
        return result
