"""Combine flat fields to a master."""

from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.ground_agreement import check_alike, check_exposures
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_master import (
    FrameStack,
    check_calibration,
    combine_frames,
    frames_of,
    master_model,
    stack_frames,
)
from coronx.ops.flat_frames import FlatFrames, scale_flats
from coronx.steps.ground._base import GroundStep

__all__ = ["BuildMasterFlatStep"]

_CLOSE = 0.01  # relative difference of exposure times that are the same


class BuildMasterFlatStep(GroundStep):
    """Average flat fields of one filter, each less bias and dark, and divided by its own median.

    Pixels that respond too little are flagged.
    """

    class_alias = "coronx_build_master_flat"

    spec = """
        bias = string(default=None)  # Master bias to subtract
        dark = string(default=None)  # Master dark to subtract, scaled to the exposure times if its bias was subtracted
        sigma = float(default=5.0,min=1.0)  # Distance from the median beyond which a sample is left out, in standard deviations
        low = float(default=0.2,min=0.0)  # Response, over the median, below which a pixel is flagged
        saturation = float(default=None)  # Level from which a pixel is saturated, in ADU; none: as the frame says
        saturated = float(default=0.01,min=0.0,max=1.0)  # Largest part of saturated pixels in a frame
        overscan = option("smooth", "rows", "constant", "none", default="smooth")  # How the overscan's level is taken along it; none: only trim
        temperature_tolerance = float(default=0.5,min=0.0)  # Largest distance of the CCD from its set temperature, in degrees
        suffix = string(default='masterflat')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel:
        """Combine flat fields.

        Parameters
        ----------
        init : str, Path, GroundFrames or list
            An association, of which members of exptype flat are taken, or frames.

        Returns
        -------
        GroundImageModel
            The master flat, of median 1, with ERR and the table ``inputs``.

        Raises
        ------
        InputError
            If frames do not belong together, are less than two or saturated, or the masters are
            not made for them.
        """
        models = frames_of(self.open_frames(init), "flat")
        self.set_primary_input(models[0])  # a list has no name to call the product by
        check_alike(models, ("telescope", "shape", "binning", "filter"))
        if any(model.meta.ground.flat_divided for model in models):
            raise InputError(f"{name_of(models[0])}: already divided by a flat; give raw flats")
        times = check_exposures(models, same=False)
        stack = stack_frames(
            models,
            overscan=self.overscan,
            tolerance=self.temperature_tolerance,
            saturation=self.saturation,
        )
        self._check_saturation(stack)
        bias = self._master(self.bias, "bias", stack)
        dark = self._master(self.dark, "dark", stack)
        flats = self._scaled(stack, bias, dark, times)
        scale = float(np.mean(flats.levels))
        master = combine_frames(stack, flats.frames, sigma=self.sigma, scale=scale)
        used = [m for m in (bias, dark) if m is not None]
        result = master_model(stack, "flat", master, levels=list(flats.levels), used=used)
        result.err = np.sqrt(result.err**2 + flats.shared).astype(np.float32)
        told = result.meta.ground
        told.normalization, result.meta.bunit = scale, ""
        if bias is not None:
            told.bias_subtracted, told.bias_file = True, name_of(bias)
        if dark is not None:
            told.bias_subtracted, told.dark_subtracted = True, True
            told.dark_file = name_of(dark)
        weak = np.nan_to_num(result.data) < self.low
        flag = np.uint32(FLAGS["BAD_PIXEL"] | FLAGS["DO_NOT_USE"])
        result.dq |= np.where(weak, flag, np.uint32(0))
        self.mark(result, "COMPLETE")
        return result

    def _master(self, given: Any, role: str, stack: FrameStack) -> GroundImageModel | None:
        if given is None:
            return None
        model = self.open_frame(given)
        check_calibration(stack.models[0], model, role)
        return model

    def _check_saturation(self, stack: FrameStack) -> None:
        for model, full in zip(stack.models, stack.saturated, strict=True):
            if full.mean() > self.saturated:
                level = self.saturation or model.meta.ground.saturation
                raise InputError(
                    f"{name_of(model)}: {100 * full.mean():.3g} % of its pixels are saturated (at "
                    f"{level:g} ADU); leave it out"
                )

    def _scaled(
        self,
        stack: FrameStack,
        bias: GroundImageModel | None,
        dark: GroundImageModel | None,
        times: list[float],
    ) -> FlatFrames:
        done = [model for model in stack.models if model.meta.ground.bias_subtracted]
        if done and (bias is not None or dark is not None):
            raise InputError(
                f"{name_of(done[0])}: its bias was subtracted before; leave out the options bias "
                "and dark"
            )
        ratios = None if dark is None else _ratios(stack, bias, dark, times)
        try:
            return scale_flats(
                stack.data,
                stack.bad,
                bias=None if bias is None else bias.data,
                bias_err=None if bias is None else bias.err,
                dark=None if dark is None else dark.data,
                dark_err=None if dark is None else dark.err,
                dark_ratios=ratios,
            )
        except ValueError as err:
            name = name_of(stack.models[err.args[1]])
            raise InputError(f"{name}: {err.args[0]} ADU; leave it out") from err


def _ratios(
    stack: FrameStack, bias: GroundImageModel | None, dark: GroundImageModel, times: list[float]
) -> np.ndarray:
    """Return the exposure times over that of the dark, if it can be scaled."""
    time = check_exposures([dark], same=True)[0]
    ratios = np.asarray(times) / time
    if dark.meta.ground.bias_subtracted:
        if bias is None:
            raise InputError(f"{name_of(dark)}: has no bias in it; give the master bias, too")
        return ratios
    if bias is not None:
        raise InputError(
            f"{name_of(dark)}: its bias is in it, and would be subtracted twice; make it with the "
            "option bias"
        )
    for model, found, ratio in zip(stack.models, times, ratios, strict=True):
        if abs(ratio - 1.0) > _CLOSE:
            raise InputError(
                f"{name_of(dark)}: its bias is in it, so that its {time:g} s cannot be scaled to "
                f"the {found:g} s of {name_of(model)}; make it with the option bias"
            )
    return np.ones(len(times))
