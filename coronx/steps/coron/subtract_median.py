"""Subtract the level of the sky from each integration."""

import logging
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.arrays import good_samples
from coronx.models.field import halo_of, mean_of, open_field
from coronx.models.schema import level_table, levels_of
from coronx.models.variance import set_error
from coronx.ops.sky_level import border_of, sky_levels
from coronx.steps.coron._base import CoronStep

__all__ = ["SubtractMedianStep"]

log = logging.getLogger(__name__)

_ROBUST = 5.0  # sigma above the median: what is brighter is not sky


class SubtractMedianStep(CoronStep):
    """Subtract one number from each integration: the level of the sky away from the star.

    The coronagraph's mask, its holder and the star's halo are kept out of the estimate, which
    the table ``levels`` keeps with its uncertainty.
    """

    class_alias = "coronx_subtract_median"
    once = True

    spec = """
        method = option("robust", "sigma_clipped", "border", default="robust")  # Which pixels the median is taken of
        sigma = float(default=3.0,min=0.5)  # Limit of sigma_clipped and border, in standard deviations
        borderwidth = integer(default=32,min=1)  # Width of the border, in pixels
        suffix = string(default='medsub')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Subtract levels.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An exposure, an association, or several exposures.

        Returns
        -------
        CubeModel or ModelContainer
            The same less their levels, with the table ``levels``.

        Raises
        ------
        InputError
            If an exposure has no pixel to take a level of, or the border no middle.
        """
        return self.each(init, self._subtract)

    def _subtract(self, model: CubeModel) -> CubeModel:
        good = good_samples(model)
        field = open_field(model) & good.any(axis=0)
        if not field.any():
            raise InputError(
                f"{name_of(model)}: no good pixel that sees the sky; skip subtract_median for it"
            )
        halo = halo_of(model, mean_of(model.data, good), field)
        part = self._border(model, field)
        sky = halo.outside & part
        if not sky.any():
            sky = part  # in the halo everywhere: it is taken off
        bright = self.method == "robust"
        levels = sky_levels(
            model.data,
            good,
            sky,
            extra=halo.model,
            clip="bright" if bright else "both",
            sigma=_ROBUST if bright else self.sigma,
        )
        result = self.copy_of(model)
        result.levels = level_table(levels, halo.sigma)
        level, sigma = levels_of(result.levels)
        result.data = model.data - level
        set_error(result, model, np.hypot(model.err, sigma))
        log.info(
            "%s: levels %.4g to %.4g, each +- %.2g, from %d pixels beyond %d of the star",
            name_of(model), level.min(), level.max(), sigma.max(), np.count_nonzero(sky),
            halo.radius,
        )  # fmt: skip
        return result

    def _border(self, model: CubeModel, field: np.ndarray) -> np.ndarray:
        if self.method != "border":
            return field
        try:
            return border_of(field, self.borderwidth)
        except ValueError as err:
            raise InputError(
                f"{name_of(model)}: borderwidth = {self.borderwidth}: {err}; give a smaller one"
            ) from err
