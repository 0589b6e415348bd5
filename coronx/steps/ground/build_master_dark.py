"""Combine dark frames to a master."""

from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.ground_agreement import check_exposures
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_master import (
    FrameStack,
    check_calibration,
    combine_frames,
    frames_of,
    master_model,
    stack_frames,
)
from coronx.steps.ground._base import GroundStep

__all__ = ["BuildMasterDarkStep"]


class BuildMasterDarkStep(GroundStep):
    """Average dark frames of one CCD and exposure time, and subtract the bias if it is given.

    Only a dark without its bias can be scaled to other exposure times.
    """

    class_alias = "coronx_build_master_dark"

    spec = """
        bias = string(default=None)  # Master bias to subtract; none: the bias stays in the dark
        sigma = float(default=5.0,min=1.0)  # Distance from the median beyond which a sample is left out, in standard deviations
        overscan = option("smooth", "rows", "constant", "none", default="smooth")  # How the overscan's level is taken along it; none: only trim
        temperature_tolerance = float(default=0.5,min=0.0)  # Largest distance of the CCD from its set temperature, in degrees
        suffix = string(default='masterdark')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel:
        """Combine dark frames.

        Parameters
        ----------
        init : str, Path, GroundFrames or list
            An association, of which members of exptype dark are taken, or frames.

        Returns
        -------
        GroundImageModel
            The master dark, with ERR and the table ``inputs``.

        Raises
        ------
        InputError
            If frames do not belong together, are less than two, or had their bias subtracted
            before.
        """
        models = frames_of(self.open_frames(init), "dark")
        self.set_primary_input(models[0])  # a list has no name to call the product by
        check_exposures(models, same=True)
        self._check_done(models)
        stack = stack_frames(models, overscan=self.overscan, tolerance=self.temperature_tolerance)
        bias = None if self.bias is None else self.open_frame(self.bias)
        levels = [float(np.nanmedian(frame)) for frame in stack.data]
        if bias is not None:
            check_calibration(stack.models[0], bias, "bias")
            _check_levels(stack, levels, bias)
        used = () if bias is None else (bias,)
        master = combine_frames(stack, sigma=self.sigma)
        result = master_model(stack, "dark", master, levels=levels, used=used)
        if bias is not None:
            result.data = np.asarray(result.data - bias.data, np.float32)
            result.err = np.asarray(np.hypot(result.err, bias.err), np.float32)
            result.meta.ground.bias_subtracted = True
            result.meta.ground.bias_file = name_of(bias)
        self.mark(result, "COMPLETE")
        return result

    def _check_done(self, models: list[GroundImageModel]) -> None:
        """Raise where the bias would be subtracted twice, or of some frames only."""
        done = [bool(model.meta.ground.bias_subtracted) for model in models]
        if any(done) and self.bias is not None:
            raise InputError(
                f"{name_of(models[done.index(True)])}: its bias was subtracted before; leave out "
                "the option bias"
            )
        if any(done) and not all(done):
            few = 2 * sum(done) <= len(done)
            which = "subtracted" if few else "not subtracted"
            raise InputError(
                f"{name_of(models[done.index(few)])}: its bias was {which}, unlike that of the "
                "others; leave it out"
            )


def _check_levels(stack: FrameStack, levels: list[float], bias: GroundImageModel) -> None:
    """Raise where a dark is so far below the bias that there is none in it."""
    level = float(np.nanmedian(bias.data))
    spread = float(np.nanpercentile(bias.data, 84.0)) - level
    for model, found in zip(stack.models, levels, strict=True):
        if found < level - max(0.5 * abs(level), 5.0 * spread):
            raise InputError(
                f"{name_of(model)}: median {found:.5g} ADU, where the bias has {level:.5g}: its "
                "bias was subtracted before; leave out the option bias"
            )
