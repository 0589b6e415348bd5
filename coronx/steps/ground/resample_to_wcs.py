"""Resample CCD images to one WCS."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs.utils import pixel_to_pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of, set_arrays
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_flags import FLAGS, good_pixels
from coronx.models.ground_grid import Grid, common_grid
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.ground_registration import register_frames
from coronx.models.ground_wcs import set_wcs, wcs_of
from coronx.ops.wcs_resampling import resample_to_wcs
from coronx.steps.ground._base import GroundStep

__all__ = ["ResampleToWcsStep"]

log = logging.getLogger(__name__)

_NO_DATA = FLAGS["DO_NOT_USE"] | FLAGS["NO_DATA"]


class ResampleToWcsStep(GroundStep):
    """Resample images to one grid: of the sky, or of pixels where they know no sky.

    Images without a WCS are registered to each other by the stars that coronx_find_stars found.
    """

    class_alias = "coronx_resample_to_wcs"

    spec = """
        method = option("adaptive", "hann", "exact", "interp", default="adaptive")  # Adaptive with a Gaussian or a Hann kernel, overlap of pixels, or bilinear
        grid = option("common", "reference", default="common")  # A grid that holds all images, or the reference's own pixels
        reference = string(default="")  # Name of an image among the inputs, or another file; by default the first that has a WCS
        pixel_scale = float(default=None)  # Pixel of the common grid in arcseconds; by default the smallest of the images'
        auto_rotate = boolean(default=False)  # Rotate the common grid to be as small as it can be; else north is up
        conserve = option("flux", "brightness", default="flux")  # What stays where pixels change their size: a star's sum, or an area's brightness
        min_weight = float(default=0.5,min=0.001,max=1.0)  # Least share of a pixel's kernel on good pixels for it to be data
        register = option("auto", "shift", "similarity", "affine", default="auto")  # How images without a WCS may lie on each other; auto: shifted, with rotation and scale only if that fits better
        refine_above = float(default=0.05,min=0.0)  # Error of a registration by stars in pixels, above which all light refines it; 0: never
        suffix = string(default='resampled')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Resample images.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            The images on one grid, NaN and NO_DATA where they have none.

        Raises
        ------
        InputError
            If an image has neither a WCS nor stars in common with the reference.
        """
        return self.together(init, self._resample)

    def check_options(self) -> None:
        """Check the pixel."""
        if self.pixel_scale is not None and not self.pixel_scale > 0:
            raise InputError(
                f"pixel_scale = {self.pixel_scale:g}: no size of a pixel; give arcseconds"
            )

    def _resample(self, models: list[GroundImageModel]) -> list[GroundImageModel]:
        reference = self._reference(models)
        ways = register_frames(
            models, reference, kind=self.register, refine_above=self.refine_above
        )
        if self.method == "exact" and not ways[0].has_celestial:
            raise InputError(
                f"{name_of(models[0])}: method = exact needs a WCS of the sky; solve astrometry "
                "first, or take adaptive"
            )
        if self.grid == "reference":
            own = [reference] if wcs_of(reference) is None else []
            wcs = register_frames(own, reference)[0] if own else wcs_of(reference)
            grid = Grid(wcs, tuple(reference.shape))
        else:
            grid = common_grid(
                ways, [tuple(model.shape) for model in models],
                pixel_scale=self.pixel_scale, auto_rotate=self.auto_rotate,
            )  # fmt: skip
        log.info("grid of %d x %d pixels", grid.shape[1], grid.shape[0])
        return [self._moved(model, way, grid) for model, way in zip(models, ways, strict=True)]

    def _reference(self, models: list[GroundImageModel]) -> GroundImageModel:
        if not self.reference:
            return next((model for model in models if wcs_of(model) is not None), models[0])
        for model in models:
            if self.reference in (name_of(model), Path(name_of(model)).stem):
                return model
        return self.open_frame(self.reference)

    def _moved(self, model: GroundImageModel, way: Any, grid: Grid) -> GroundImageModel:
        if model.meta.ground.correlation:
            log.warning(
                "%s: was resampled before; its pixels' noise is correlated, which ERR of the "
                "result does not know", name_of(model),
            )  # fmt: skip
        if not good_pixels(model).any():
            raise InputError(f"{name_of(model)}: no good pixel; leave it out")
        made = resample_to_wcs(
            model.data, arrays_of(model).get("err"), model.dq,
            wcs=way, to_wcs=grid.wcs, shape=grid.shape, method=self.method,
            bad_bits=FLAGS["DO_NOT_USE"], no_data=_NO_DATA,
            min_weight=self.min_weight, conserve_flux=self.conserve == "flux",
        )  # fmt: skip
        if not np.isfinite(made.data).any():
            raise InputError(
                f"{name_of(model)}: lies nowhere on the grid of {name_of(self._reference([model]))}"
                "; leave it out, or take grid = common"
            )
        result = self.copy_of(model)
        arrays = {"data": made.data, "dq": made.dq}
        if made.err is not None:
            arrays["err"] = made.err
        set_arrays(result, arrays)
        set_wcs(result, grid.wcs)
        _move_stars(result, model, way, grid)
        if np.isfinite(made.correlation):
            result.meta.ground.correlation = made.correlation * (
                model.meta.ground.correlation or 1.0
            )
        log.info(
            "%s: %.1f %% of the grid; noise of large areas %.2f times that of ERR",
            name_of(model), 100 * np.isfinite(made.data).mean(), made.correlation,
        )  # fmt: skip
        return result


def _move_stars(result: GroundImageModel, model: GroundImageModel, way: Any, grid: Grid) -> None:
    """Give the stars their places on the grid; what tells shapes in the old pixels goes."""
    tables = tables_of(model)
    if "psf_shape" in tables:
        del result.instance["psf_shape"]
    if "stars" not in tables:
        return
    stars = tables["stars"].copy()
    x, y = pixel_to_pixel(way, grid.wcs, stars["x"] - 1.0, stars["y"] - 1.0)
    unit = np.sqrt(np.abs(np.linalg.det(way.pixel_scale_matrix))
                   / np.abs(np.linalg.det(grid.wcs.pixel_scale_matrix)))  # fmt: skip
    stars["x"], stars["y"] = x + 1.0, y + 1.0
    for name in ("x_sigma", "y_sigma", "fwhm"):
        stars[name] *= unit
    if grid.wcs.has_celestial:
        stars["ra"], stars["dec"] = grid.wcs.all_pix2world(x, y, 0)
    inside = (x > -0.5) & (x < grid.shape[1] - 0.5) & (y > -0.5) & (y < grid.shape[0] - 0.5)
    result.stars = stars[inside]
    if model.meta.ground.fwhm:
        result.meta.ground.fwhm = float(model.meta.ground.fwhm * unit)
