"""Take what is smooth out of frames."""

from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.variance import set_moved_error
from coronx.ops.high_pass import high_pass
from coronx.steps.coron._base import CoronStep

__all__ = ["HighPassFilterStep"]


class HighPassFilterStep(CoronStep):
    """Subtract from every frame its convolution with a wide Gaussian.

    Bad pixels have no weight in it.
    """

    class_alias = "coronx_high_pass_filter"
    once = True

    spec = """
        size = float(default=10.0,min=1.0)  # Size of the filter in pixels: larger structure is taken out
        bad_bits = force_list(default=list("DO_NOT_USE"))  # DQ flags of bad pixels, names or integers; none: ""
        suffix = string(default='hpfilt')  # Suffix of the products
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Filter exposures.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An exposure, an association, or several exposures.

        Returns
        -------
        CubeModel or ModelContainer
            The exposures filtered.
        """
        return self.each(init, self._filtered)

    def _filtered(self, model: CubeModel) -> CubeModel:
        bad = self.bad_pixels(model)
        data, variance = np.empty_like(model.data), np.empty_like(model.err)
        for n, image in enumerate(model.data):
            data[n], variance[n] = high_pass(image, model.err[n] ** 2, bad[n], size=self.size)
        result = self.copy_of(model, renewed=True)
        result.data, result.dq = data, model.dq.copy()
        set_moved_error(result, model, np.sqrt(variance), np.zeros((len(data), 2)))
        result.meta.coronx.high_pass_size = self.size
        return result
