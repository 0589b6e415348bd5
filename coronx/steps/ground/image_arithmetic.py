"""Add, subtract, multiply or divide images."""

import logging
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_alignment import check_same_shape
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.ops.arithmetic import compute, unit_of_result
from coronx.steps.ground._base import GroundStep

__all__ = ["ImageArithmeticStep"]

log = logging.getLogger(__name__)


class ImageArithmeticStep(GroundStep):
    """Compute image (operation) operand, pixel by pixel, with the error of the result."""

    class_alias = "coronx_image_arithmetic"

    spec = """
        operation = option("ADD", "SUB", "MUL", "DIV", default="ADD")  # What is done
        operand = string(default="")  # A number, or the file of an image of the same shape
        bunit = string(default="")  # Unit of the result; by default it follows from those of the images, a number has none of its own
        suffix = string(default='arith')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Compute.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            Each with the operand added, and so on.

        Raises
        ------
        InputError
            If there is no operand, or it does not fit an image in shape or unit.
        """
        self.check_options()
        other = self._operand()
        return self.each(init, lambda model: self._change(model, other))

    def check_options(self) -> None:
        """Raise an `InputError` if there is no operand."""
        if not str(self.operand).strip():
            raise InputError("operand: none given; give a number or the file of an image")

    def _operand(self) -> GroundImageModel | float:
        try:
            return float(self.operand)
        except ValueError:
            return self.open_frame(self.operand)

    def _change(self, model: GroundImageModel, other: GroundImageModel | float) -> GroundImageModel:
        arrays = arrays_of(model)
        theirs: dict[str, np.ndarray] = {}
        if not isinstance(other, float):
            check_same_shape(model, other)
            theirs = arrays_of(other)
            if "err" in arrays and "err" not in theirs:
                log.warning("%s: no ERR; taken to be exact", name_of(other))
        done = compute(
            model.data,
            other if isinstance(other, float) else other.data,
            operation=self.operation,
            first_err=arrays.get("err"),
            second_err=theirs.get("err"),
            first_dq=arrays.get("dq"),
            second_dq=theirs.get("dq"),
            undefined=FLAGS["DO_NOT_USE"] | FLAGS["NO_DATA"],
        )
        unit = self._unit(model, other)
        result = self.copy_of(model)
        result.data, result.dq = done.data, done.dq
        if done.err is not None:
            result.err = done.err
        result.meta.bunit = unit
        if done.undefined:
            log.warning(
                "%s: %d pixels without a result, flagged NO_DATA", name_of(model), done.undefined
            )
        return result

    def _unit(self, model: GroundImageModel, other: GroundImageModel | float) -> str | None:
        if self.bunit:
            return self.bunit
        first = model.meta.bunit
        second = None if isinstance(other, float) else other.meta.bunit
        if isinstance(other, float):
            return first
        try:
            return unit_of_result(self.operation, first, second)
        except ValueError as err:
            raise InputError(
                f"{name_of(other)}: {err} do not add up; convert one of them, or name the "
                "unit of the result with --bunit"
            ) from err
