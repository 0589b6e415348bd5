"""Subtract the continuum from an image taken through a narrow filter."""

import logging
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_alignment import check_same_grid
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_flags import FLAGS, good_pixels
from coronx.models.ground_image import GroundImageModel
from coronx.ops.continuum import subtract_continuum
from coronx.steps.ground._base import GroundStep

__all__ = ["SubtractContinuumStep"]

log = logging.getLogger(__name__)


class SubtractContinuumStep(GroundStep):
    """Subtract a scaled broad-band image, with the PSFs matched."""

    class_alias = "coronx_subtract_continuum"
    once = True

    spec = """
        continuum = string(default="")  # File of the broad-band image, aligned with the narrow-band one
        match = option("psf", "gaussian", "none", default="psf")  # Blur the sharper image with the kernel between the stars' PSFs, or a Gaussian, or not at all
        scale = float(default=0.0,min=0.0)  # Factor on the continuum; 0: fitted, so that stars vanish
        narrow_fwhm = float(default=0.0,min=0.0)  # FWHM of the narrow-band image in pixels; 0: measured
        broad_fwhm = float(default=0.0,min=0.0)  # FWHM of the broad-band image in pixels; 0: measured
        line_in_broad = float(default=0.0,min=0.0)  # Signal of the line in the broad-band image over that in the narrow-band one, to be given back
        suffix = string(default='consub')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Subtract the continuum.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            A narrow-band image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            The light of the line, with CONSCALE and CONSCERR.

        Raises
        ------
        InputError
            If there is no continuum, the images are not aligned, or there are too few stars.
        """
        self.check_options()
        broad = self.open_frame(self.continuum)
        return self.each(init, lambda model: self._change(model, broad))

    def check_options(self) -> None:
        """Raise an `InputError` if there is no continuum."""
        if not self.continuum:
            raise InputError("continuum: none given; give the file of the broad-band image")

    def _change(self, model: GroundImageModel, broad: GroundImageModel) -> GroundImageModel:
        check_same_grid([model, broad])
        arguments = []
        for image in (model, broad):
            err = arrays_of(image).get("err")
            if err is None:
                log.warning("%s: no ERR; its noise is taken from the sky", name_of(image))
            arguments += [image.data, err, ~good_pixels(image)]
        try:
            line = subtract_continuum(
                *arguments,
                match=self.match,
                scale=self.scale or None,
                narrow_fwhm=self.narrow_fwhm or None,
                broad_fwhm=self.broad_fwhm or None,
                line_in_broad=self.line_in_broad,
            )
        except ValueError as err:
            raise InputError(
                f"{name_of(model)}, {name_of(broad)}: {err}; give scale, and the widths with "
                "match = gaussian"
            ) from err
        result = self.copy_of(model)
        result.data = line.data
        if line.err is not None:
            result.err = line.err
        result.dq = model.dq | broad.dq
        lost = np.isnan(line.data)
        unsaid = lost & ((result.dq & np.uint32(FLAGS["DO_NOT_USE"])) == 0)
        result.dq[unsaid] |= np.uint32(FLAGS["DO_NOT_USE"] | FLAGS["NO_DATA"])
        ground = result.meta.ground
        ground.line_scale, ground.line_scale_sigma = line.scale, line.scale_err
        widths = [w for w in (line.narrow_fwhm, line.broad_fwhm) if np.isfinite(w)]
        if widths:
            ground.fwhm = line.narrow_fwhm if line.blurred != "narrow" else max(widths)
        log.info(
            "%s: continuum %s times %.5g +- %.2g from %d stars, of which %.1f %% is left; FWHM "
            "%.2f and %.2f pixels, blurred: %s",
            name_of(model), name_of(broad), line.scale, line.scale_err, line.stars,
            100 * line.residual, line.narrow_fwhm, line.broad_fwhm, line.blurred,
        )  # fmt: skip
        return result
