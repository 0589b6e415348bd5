"""Measure a CCD's read noise."""

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_master import frames_of, stack_frames
from coronx.ops.read_noise import ReadNoise, read_noise
from coronx.steps.ground._base import GroundStep

__all__ = ["MeasureReadNoiseStep"]

log = logging.getLogger(__name__)

_TABLE = [("first", "S128"), ("second", "S128"), ("offset", "f8"), ("used", "i8"),
          ("clipped", "i8"), ("noise", "f8"), ("noise_sigma", "f8"), ("electrons", "f8"),
          ("electrons_sigma", "f8")]  # fmt: skip
_HISTOGRAM = [("pair", "i4"), ("difference", "f8"), ("count", "i8")]


class MeasureReadNoiseStep(GroundStep):
    """Measure the read noise in the differences of bias frames."""

    class_alias = "coronx_measure_read_noise"

    spec = """
        gain = float(default=None)  # Gain in electrons per ADU; none: as the frames say
        clip = float(default=3.0,min=2.0)  # Distance from the mean beyond which pixels are left out, in standard deviations
        temperature_tolerance = float(default=0.5,min=0.0)  # Largest distance of the CCD from its set temperature, in degrees
        suffix = string(default='readnoise')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel:
        """Measure the read noise.

        Parameters
        ----------
        init : str, Path, GroundFrames or list
            An association, of which members of exptype bias are taken, or two or more frames.

        Returns
        -------
        GroundImageModel
            The first frame, trimmed, with the read noise in its header and tables.

        Raises
        ------
        InputError
            If frames do not belong together, are less than two, are the same, or say nothing of
            the gain.
        """
        models = frames_of(self.open_frames(init), "bias")
        self.set_primary_input(models[0])  # a list has no name to call the product by
        gain = self._gain(models[0])
        stack = stack_frames(models, overscan="none", tolerance=self.temperature_tolerance)
        pairs = []
        for n, (first, second) in enumerate(pairwise(stack.data)):
            bad = stack.bad[n] | stack.bad[n + 1]
            try:
                pairs.append(read_noise(first, second, bad, clip=self.clip))
            except ValueError as err:
                names = f"{name_of(models[n])}, {name_of(models[n + 1])}"
                raise InputError(f"{names}: {err}; give other frames") from err
        value, sigma = _together(pairs)
        result = stack.models[0]
        told = result.meta.ground
        told.gain, told.read_noise, told.read_noise_sigma = gain, gain * value, gain * sigma
        names = [Path(name_of(model)).name for model in models]
        rows = [
            (a, b, p.offset, p.used, p.clipped, p.value, p.sigma, gain * p.value, gain * p.sigma)
            for (a, b), p in zip(pairwise(names), pairs, strict=True)
        ]
        result.read_noise_table = np.array(rows, _TABLE)
        result.read_noise_histogram = np.array(
            [
                (n, *bin_)
                for n, pair in enumerate(pairs, 1)
                for bin_ in zip(pair.difference, pair.counts, strict=True)
            ],
            _HISTOGRAM,
        )
        self.mark(result, "COMPLETE")
        log.info(
            "read noise %.4g +- %.2g ADU, %.4g +- %.2g electrons at %.4g electrons/ADU",
            value, sigma, gain * value, gain * sigma, gain,
        )  # fmt: skip
        return result

    def _gain(self, model: GroundImageModel) -> float:
        gain = self.gain if self.gain is not None else model.meta.ground.gain
        if gain is None or not gain > 0.0:
            found = "no gain" if gain is None else f"gain {gain:g}"
            raise InputError(
                f"{name_of(model)}: {found}; give the option gain, in electrons per ADU, or EGAIN "
                "in its header"
            )
        return float(gain)


def _together(pairs: list[ReadNoise]) -> tuple[float, float]:
    """Return the mean of the pairs and its uncertainty: from their own, or from their scatter.

    Pairs that share a frame are correlated; that many are not there as pairs of their own.
    """
    values = np.array([pair.value for pair in pairs])
    own = float(np.sqrt(np.mean([pair.sigma**2 for pair in pairs])))
    independent = (len(pairs) + 1) / 2
    scatter = float(values.std(ddof=1)) if len(pairs) > 1 else 0.0
    return float(values.mean()), max(own, scatter) / independent**0.5
