"""Find cosmic rays and repair what they hit."""

import logging
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_repair import repair_image
from coronx.ops.cosmic_rays import find_cosmic_rays
from coronx.steps.ground._base import GroundStep

__all__ = ["RemoveCosmicRaysStep"]

log = logging.getLogger(__name__)


class RemoveCosmicRaysStep(GroundStep):
    """Find cosmic rays by L.A.Cosmic, and put the median of the pixels around in their place.

    They are flagged COSMIC_RAY, and REPAIRED where they were. Saturated stars are left alone.
    """

    class_alias = "coronx_remove_cosmic_rays"

    spec = """
        sigclip = float(default=4.5,min=1.0)  # Limit of the Laplacian in standard deviations
        sigfrac = float(default=0.3,min=0.0,max=1.0)  # Times sigclip: the limit beside a hit
        objlim = float(default=5.0,min=0.0)  # Least contrast to the fine structure; more keeps stars that are sharper than psf_fwhm
        fine_structure = option("convolve", "median", default="convolve")  # How stars are told from hits: by a Gaussian of psf_fwhm, or a median filter
        psf_fwhm = float(default=3.5,min=1.0)  # FWHM of the stars in pixels; less is more careful with stars, and misses hits
        niter = integer(default=6,min=1)  # Most iterations
        gain = float(default=None,min=0.0)  # Gain in electron/ADU of an image without ERR, in place of the header's
        read_noise = float(default=None,min=0.0)  # Read noise in electrons of an image without ERR, in place of the header's; 12 where nothing tells it
        repair = boolean(default=True)  # Repair the pixels; otherwise they are flagged DO_NOT_USE
        distance = integer(default=2,min=1)  # Pixels that the box of the repair reaches in each direction
        fewest = integer(default=4,min=1)  # Good pixels that a box needs
        suffix = string(default='crclean')  # Suffix of the products
    """  # noqa: E501

    _READ_NOISE = 12.0  # electrons: a usual CCD

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Clean images.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            The images, with the keyword NCOSMIC.

        Raises
        ------
        InputError
            If an image has neither ERR nor a gain, or no good pixel.
        """
        return self.each(init, self._cleaned)

    def _cleaned(self, model: GroundImageModel) -> GroundImageModel:
        bad = (model.dq & np.uint32(FLAGS["DO_NOT_USE"] | FLAGS["NO_DATA"])) != 0
        try:
            hit = find_cosmic_rays(
                model.data,
                self._errors(model),
                bad,
                saturated=(model.dq & np.uint32(FLAGS["SATURATED"])) != 0,
                sigclip=self.sigclip,
                sigfrac=self.sigfrac,
                objlim=self.objlim,
                psf_fwhm=self.psf_fwhm if self.fine_structure == "convolve" else None,
                niter=self.niter,
            )
        except ValueError as err:
            raise InputError(f"{name_of(model)}: {err}; leave it out") from err
        result = self.copy_of(model)
        flag = FLAGS["COSMIC_RAY"] | (0 if self.repair else FLAGS["DO_NOT_USE"])
        result.dq = model.dq | np.where(hit, np.uint32(flag), np.uint32(0))
        ground = result.meta.ground
        ground.cosmic_rays = (ground.cosmic_rays or 0) + int(hit.sum())
        if self.repair:
            counts = repair_image(result, hit, distance=self.distance, fewest=self.fewest)
            ground.repaired = (ground.repaired or 0) + counts.repaired
        log.info("%s: cosmic rays hit %d pixels", name_of(model), int(hit.sum()))
        return result

    def _errors(self, model: GroundImageModel) -> np.ndarray:
        """Return an image's errors: its own, or those of signal and read noise."""
        if (err := arrays_of(model).get("err")) is not None:
            return err
        ground = model.meta.ground
        gain = self.gain or ground.gain
        if not gain:
            raise InputError(
                f"{name_of(model)}: neither ERR nor a gain; run coronx_apply_masters first, or "
                "give --gain"
            )
        told = (n for n in (self.read_noise, ground.read_noise, self._READ_NOISE) if n is not None)
        noise = next(told)
        return np.sqrt(np.maximum(model.data, 0.0) / gain + (noise / gain) ** 2)
