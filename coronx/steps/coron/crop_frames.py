"""Take a margin off frames."""

from typing import Any

from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.pointing import find_star, mask_place
from coronx.models.reframe import crop_frame
from coronx.ops.geometry import sides_of, window
from coronx.steps.coron._base import CoronStep, whole_numbers

__all__ = ["CropFramesStep"]


class CropFramesStep(CoronStep):
    """Take a margin off the frames of an exposure, or leave a window about a place.

    All arrays are cut alike; WCS, S_REGION, the places of star and mask, and the subarray's
    corner and size follow.
    """

    class_alias = "coronx_crop_frames"

    spec = """
        npix = force_list(default=list())  # Pixels to take off: one number, or four: left, right, bottom, top
        size = force_list(default=list())  # Size of the window to leave: one number, or two: x, y; after npix
        center = option("frame", "star", "mask", default="frame")  # Middle of the window
        suffix = string(default='cropped')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Crop an exposure, or each exposure of an association.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            Exposure, association, or exposures.

        Returns
        -------
        CubeModel or ModelContainer

        Raises
        ------
        InputError
            If neither `npix` nor `size` is given, they are no such numbers, nothing is left, or
            the window reaches beyond the frame.
        """
        return self.each(init, self._change)

    def check_options(self) -> None:
        """Read `npix` and `size`."""
        if not (self.npix or self.size):
            raise InputError("npix and size: neither is given; say what to crop")
        self.sides = whole_numbers("npix", self.npix or [0], sides_of)
        self.window = whole_numbers("size", self.size, tuple) if self.size else None

    def _change(self, model: CubeModel) -> CubeModel:
        result = self.copy_of(model)
        try:
            crop_frame(result, self.sides)
            if self.window is not None:
                ny, nx = result.shape[-2:]
                crop_frame(result, window((ny, nx), self.window, self._middle(result)))
        except ValueError as err:
            raise InputError(f"{name_of(model)}: {err}; crop less") from err
        return result

    def _middle(self, model: CubeModel) -> tuple[float, float]:
        if self.center == "star":
            star = find_star(model)
            return star.x, star.y
        if self.center == "frame":
            ny, nx = model.shape[-2:]
            return (nx - 1) / 2, (ny - 1) / 2
        place = mask_place(model)
        if place is None:
            raise InputError(
                f"{name_of(model)}: where the mask is is not known (CORONMSK "
                f"{model.meta.instrument.coronagraph}); give center another value"
            )
        return place
