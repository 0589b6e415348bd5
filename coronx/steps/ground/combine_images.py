"""Combine CCD images of one grid."""

import logging
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import set_arrays
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.ground_stack import GroundStack, stack_images
from coronx.ops.image_combination import Combination, combine_images
from coronx.steps.ground._base import GroundStep

__all__ = ["CombineImagesStep"]

log = logging.getLogger(__name__)


class CombineImagesStep(GroundStep):
    """Combine images of one grid into one, without what only one of them has.

    What was made of which frames, with their offsets and weights, is in the table ``inputs``.
    """

    class_alias = "coronx_combine_images"

    spec = """
        method = option("mean", "median", "sum", default="mean")  # Weighted mean, median, or sum
        clip = option("errors", "scatter", "none", default="errors")  # What outliers are measured by: ERR, or the scatter of a pixel's values (of eight images or more)
        sigma = float(default=5.0,min=1.0)  # Limit of an outlier's deviation from the median
        tolerance = float(default=0.5,min=0.0)  # Share of the light above the sky by which stars may differ (seeing) without being clipped
        scale = option("none", "exposure", "stars", default="none")  # What the images' light is made equal by, to the first's
        offset = option("none", "median", default="none")  # Make each image's sky that of the first
        weight = option("noise", "exposure", "equal", default="noise")  # What weighs an image: inverse variance of its sky, exposure time, or nothing
        repaired = option("last", "use", default="last")  # Pixels filled from their neighbours: used where no image has a measured one, or as any other
        mixed_filters = boolean(default=False)  # Combine images of different filters
        suffix = string(default='combined')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel:
        """Combine images.

        Parameters
        ----------
        init : str, Path, GroundFrames or list
            An association, of which the members of exptype science are taken, or images.

        Returns
        -------
        GroundImageModel
            The combined image.

        Raises
        ------
        InputError
            If images are not on one grid, or do not belong together.
        """
        self.check_options()
        frames = self.open_frames(init)
        models = frames.of("science") or list(frames)
        self.set_primary_input(models[0])  # a list has no name to call the product by
        stack = stack_images(
            models, scale=self.scale, offset=self.offset, weight=self.weight,
            mixed_filters=self.mixed_filters,
        )  # fmt: skip
        try:
            made = combine_images(
                stack.data, stack.err, stack.dq,
                method=self.method, clip=self.clip, sigma=self.sigma, tolerance=self.tolerance,
                scales=stack.scales.tolist(), offsets=stack.offsets.tolist(),
                weights=stack.weights.tolist(), bad_bits=FLAGS["DO_NOT_USE"],
                poor_bits=FLAGS["REPAIRED"] if self.repaired == "last" else 0,
                no_data=FLAGS["DO_NOT_USE"] | FLAGS["NO_DATA"],
            )  # fmt: skip
        except ValueError as err:
            raise InputError(f"{name_of(models[0])}: {err}; set other options") from err
        for model, scale, lost in zip(models, stack.scales, made.clipped, strict=True):
            log.info(
                "%s: scale %.4f, %d pixels clipped", name_of(model), scale, np.count_nonzero(lost)
            )
        result = self._result(models, stack, made)
        self.mark(result, "COMPLETE")
        return result

    def _result(
        self, models: list[GroundImageModel], stack: GroundStack, made: Combination
    ) -> GroundImageModel:
        result = self.copy_of(models[0])
        for name in ("stars", "psf_shape", "quality"):
            if name in tables_of(result):
                del result.instance[name]
        arrays = {"data": made.data, "dq": made.dq}
        if made.err is not None:
            arrays["err"] = made.err
        set_arrays(result, arrays)
        table = np.zeros(len(models), result.get_dtype("inputs"))
        table["file"] = [name_of(model) for model in models]
        table["level"], table["weight"] = stack.offsets, stack.weights
        result.inputs = table
        _describe(result, models, stack, self.method, self.scale)
        scales = ", ".join(f"{value:.5g}" for value in stack.scales)
        result.add_history_entry(f"{self.class_alias}: scales {scales}")
        return result


def _describe(
    result: GroundImageModel,
    models: list[GroundImageModel],
    stack: GroundStack,
    method: str,
    scale: str,
) -> None:
    """Say in keywords what one exposure like the result would be."""
    ground, count = result.meta.ground, len(models)
    times = [model.meta.ground.exposure_time for model in models]
    if all(times):
        each = times[0] if scale != "none" else float(np.average(times, weights=stack.weights))
        ground.exposure_time = float(each * count if method == "sum" else each)
    if ground.gain and method != "sum":
        ground.gain = float(ground.gain / np.sum(stack.weights**2))
    if ground.read_noise:
        ground.read_noise = float(ground.read_noise * count**0.5)
    if ground.saturation and method == "sum":
        ground.saturation = float(ground.saturation * count)
    known = [model.meta.ground.correlation for model in models]
    if all(known):
        ground.correlation = float(np.sqrt(np.average(np.square(known), weights=stack.weights)))
    ground.fwhm = ground.sky_level = ground.sky_rms = ground.rejected = None
