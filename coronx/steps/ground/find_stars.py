"""Find stars, measure their light and their shape."""

from pathlib import Path
from typing import Any

from coronx.errors import InputError, name_of
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_image import GroundImageModel
from coronx.models.star_catalogue import StarOptions, add_stars
from coronx.models.star_regions import write_regions
from coronx.steps.ground._base import GroundStep

__all__ = ["FindStarsStep"]


class FindStarsStep(GroundStep):
    """Find the stars of an image, and measure places, fluxes and the shape over the field.

    The tables ``stars`` and ``psf_shape`` are added to the image, whose pixels stay as they are.
    """

    class_alias = "coronx_find_stars"

    spec = """
        fwhm = float(default=3.0,min=1.0)  # FWHM of the stars to begin with, in pixels
        threshold = float(default=7.0,min=1.0)  # Limit of detection, in standard deviations of the background
        box = integer(default=64,min=8)  # Side of the boxes that the background is measured in, in pixels
        aperture = float(default=1.5,min=0.3)  # Radius of the aperture, in FWHM
        total = float(default=4.0,min=0.5)  # Radius of the aperture that fluxes are corrected to, in FWHM
        annulus = float_list(min=2,max=2,default=list(5.0, 8.0))  # Radii between which a star's background is taken, in FWHM
        zero_point = float(default=None)  # Magnitude of 1 ADU/s; by default the frame's ZEROPT, else 0
        regions = boolean(default=False)  # Write the stars as a DS9 region file, too
        allow_none = boolean(default=False)  # Accept an image without stars
        suffix = string(default='stars')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Find stars.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            The images with tables of stars.

        Raises
        ------
        InputError
            If an image has no star, or the apertures make no sense.
        """
        return self.each(init, self._find)

    def check_options(self) -> None:
        """Compare the radii."""
        inner, outer = self.annulus
        if not self.aperture <= self.total:
            raise InputError(
                f"total = {self.total:g}: smaller than aperture = {self.aperture:g}; give a larger "
                "one"
            )
        if not self.aperture <= inner < outer:
            raise InputError(
                f"annulus = {inner:g}, {outer:g}: not two radii beyond aperture = "
                f"{self.aperture:g}, the smaller first; give others"
            )

    def _find(self, model: GroundImageModel) -> GroundImageModel:
        result = self.copy_of(model)
        options = StarOptions(
            fwhm=self.fwhm, threshold=self.threshold, box=self.box,
            aperture=self.aperture, total=self.total, annulus=tuple(self.annulus),
            zero_point=self.zero_point,
        )  # fmt: skip
        add_stars(result, options, allow_none=self.allow_none)
        if self.regions and len(result.stars):
            made = self.make_output_path(basepath=name_of(result), suffix=self.suffix, ext=".reg")
            write_regions(Path(made), result.stars, fwhm=result.meta.ground.fwhm)
        return result
