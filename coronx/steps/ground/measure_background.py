"""Measure the sky's level and noise over an image, and subtract it."""

import logging
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_flags import good_pixels
from coronx.models.ground_image import GroundImageModel
from coronx.ops.background_mesh import MeshBackground, measure_background
from coronx.steps.ground._base import GroundStep

__all__ = ["MeasureBackgroundStep"]

log = logging.getLogger(__name__)


class MeasureBackgroundStep(GroundStep):
    """Measure the sky on a mesh of boxes, sources left out, and subtract it."""

    class_alias = "coronx_measure_background"
    once = True

    spec = """
        subtract = boolean(default=True)  # Subtract the sky; if not, only SKYLEVEL and SKYRMS are written
        save_background = boolean(default=False)  # Save the sky and its noise as an image of their own, _bkgmap
        boxes = integer(default=16,min=1)  # Boxes along each axis
        smallest_box = integer(default=48,min=8)  # Least side of a box, in pixels
        filter_size = integer(default=3,min=1)  # Side of the median filter over the boxes, odd; 1: none
        exclude_percent = float(default=25.0,min=0.0,max=100.0)  # A box with more pixels left out is filled from its neighbours
        sigma = float(default=3.0,min=1.0)  # Clipping within a box, in standard deviations
        estimator = option("median", "mode", default="median")  # Level of a box; mode is 2.5 median - 1.5 mean
        source_sigma = float(default=2.0,min=0.5)  # Sources are so far above the sky, in standard deviations
        source_pixels = integer(default=5,min=0)  # ... over so many connected pixels; 0: none is looked for
        source_grow = integer(default=13,min=1)  # Diameter of the disc by which they are grown, in pixels
        suffix = string(default='bkg')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Measure the sky, and subtract it.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            The same less their sky, or as they were, with SKYLEVEL and SKYRMS.

        Raises
        ------
        InputError
            If an image has no box with enough sky, or `filter_size` is even.
        """
        return self.each(init, self._change)

    def check_options(self) -> None:
        """Raise an `InputError` if the filter has no middle."""
        if self.filter_size % 2 == 0:
            raise InputError(f"filter_size = {self.filter_size}: has no middle; give an odd one")

    def _change(self, model: GroundImageModel) -> GroundImageModel:
        try:
            sky = measure_background(
                model.data,
                ~good_pixels(model),
                boxes=self.boxes,
                smallest_box=self.smallest_box,
                filter_size=self.filter_size,
                exclude_percent=self.exclude_percent,
                sigma=self.sigma,
                estimator=self.estimator,
                source_sigma=self.source_sigma,
                source_pixels=self.source_pixels,
                source_grow=self.source_grow,
            )
        except ValueError as err:
            raise InputError(
                f"{name_of(model)}: {err}; give a larger exclude_percent or other boxes"
            ) from err
        result = self.copy_of(model)
        result.meta.ground.sky_level = float(np.median(sky.level))
        result.meta.ground.sky_rms = float(np.median(sky.rms))
        if self.subtract:
            result.data = model.data - sky.level
            err = arrays_of(model).get("err")
            if err is not None:
                result.err = np.hypot(err, sky.err)
        else:
            self.mark(result, "MEASURED")
        if self.save_background:
            self._save_map(model, sky)
        log.info(
            "%s: sky %.5g +- %.3g a pixel, boxes of %d x %d, %.1f %% in sources",
            name_of(model), result.meta.ground.sky_level, result.meta.ground.sky_rms,
            sky.box[1], sky.box[0], 100 * sky.sources.mean(),
        )  # fmt: skip
        return result

    def _save_map(self, model: GroundImageModel, sky: MeshBackground) -> None:
        shown = self.copy_of(model)
        shown.data, shown.err, shown.dq = sky.level, sky.rms, np.zeros_like(model.dq)
        self.finalize_result(shown, [])
        self.save_model(shown, suffix="bkgmap", output_file=name_of(model), force=True)
