"""Give frames a margin."""

from typing import Any

from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.reframe import pad_frame
from coronx.ops.geometry import sides_of
from coronx.steps.coron._base import CoronStep, whole_numbers

__all__ = ["PadFramesStep"]


class PadFramesStep(CoronStep):
    """Give the frames of an exposure a margin that holds nothing.

    SCI, ERR and VAR_* are NaN there, DQ says DO_NOT_USE and NON_SCIENCE; WCS, S_REGION, the
    places of star and mask, and the subarray's corner and size follow.
    """

    class_alias = "coronx_pad_frames"

    spec = """
        npix = force_list(default=list())  # Pixels to add: one number, or four: left, right, bottom, top
        cval = float(default=nan)  # What SCI holds in the margin; if it is not NaN, ERR and VAR_* are 0 there
        suffix = string(default='padded')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Pad an exposure, or each exposure of an association.

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
            If `npix` is not one or four numbers of at least 0.
        """
        return self.each(init, self._change)

    def check_options(self) -> None:
        """Read `npix`."""
        self.sides = whole_numbers("npix", self.npix, sides_of)

    def _change(self, model: CubeModel) -> CubeModel:
        result = self.copy_of(model)
        pad_frame(result, self.sides, value=self.cval)
        return result
