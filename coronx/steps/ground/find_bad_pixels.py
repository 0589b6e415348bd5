"""Make the map of a CCD's bad pixels."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError, name_of
from coronx.models.bad_region_file import read_regions
from coronx.models.ground_agreement import check_alike
from coronx.models.ground_flags import FLAGS, good_pixels
from coronx.models.ground_image import GroundImageModel
from coronx.ops.bad_pixel_map import dead_pixels, deviant_pixels
from coronx.ops.bad_regions import region_mask
from coronx.steps.ground._base import GroundStep

__all__ = ["FindBadPixelsStep"]

log = logging.getLogger(__name__)


class FindBadPixelsStep(GroundStep):
    """Flag hot and cold pixels of a master dark, dead ones of a flat, and those that you name."""

    class_alias = "coronx_find_bad_pixels"

    spec = """
        sigma = float(default=4.0,min=1.0)  # Distance from the local median beyond which a pixel of the dark is bad, in standard deviations
        box = integer(default=32,min=0)  # Side of the boxes of local medians, in pixels; 0: the whole frame
        flat = string(default=None)  # Master flat, to find pixels that do not respond as others do
        low = float(default=0.5,min=0.0)  # Response, over the local median, below which a pixel is bad
        high = float(default=1.5,min=1.0)  # Response above which it is
        user_file = string(default=None)  # YAML file of bad columns, rows and rectangles
        suffix = string(default='badpix')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel:
        """Find bad pixels.

        Parameters
        ----------
        init : str, Path or GroundImageModel
            A master dark.

        Returns
        -------
        GroundImageModel
            The dark with the map in its DQ.

        Raises
        ------
        InputError
            If it is no dark, the flat is not of its shape or binning, or a region of the YAML file
            is not within it.
        """
        if isinstance(init, list | tuple):
            raise InputError(f"{len(init)} frames: one master dark is wanted; combine them first")
        dark = self.open_frame(init)
        found = dark.meta.ground.image_type
        if found not in (None, "dark", "bias"):
            raise InputError(f"{name_of(dark)}: image type {found}; give a master dark")
        result = self.copy_of(dark)
        dq = np.array(dark.dq, np.uint32)
        none = ~np.isfinite(dark.data)
        good = good_pixels(dark)
        try:
            deviant = deviant_pixels(dark.data, ~good, sigma=self.sigma, box=self.box)
        except ValueError as err:
            raise InputError(f"{name_of(dark)}: {err}; give another dark") from err
        dead = self._dead(dark)
        user = self._user(dark)
        _flag(dq, deviant.hot | deviant.cold | dead | none, "BAD_PIXEL")
        _flag(dq, user, "USER_BAD")
        result.dq = dq
        self.mark(result, "COMPLETE")
        log.info(
            "%s: level %.4g, noise %.3g; %d hot, %d cold, %d of wrong response, %d named; %.3g %% "
            "of all are bad", name_of(dark), deviant.level, deviant.noise,
            *(np.count_nonzero(a) for a in (deviant.hot, deviant.cold, dead, user)),
            100.0 * np.mean((dq & np.uint32(FLAGS["DO_NOT_USE"])) != 0),
        )  # fmt: skip
        return result

    def _dead(self, dark: GroundImageModel) -> NDArray[np.bool_]:
        if self.flat is None:
            return np.zeros(dark.shape, bool)
        flat = self.open_frame(self.flat)
        if flat.meta.ground.image_type not in (None, "flat"):
            raise InputError(
                f"{name_of(flat)}: image type {flat.meta.ground.image_type}; give a master flat"
            )
        check_alike([dark, flat], ("shape", "binning", "telescope"))
        bad = ~good_pixels(flat)
        try:
            dead = dead_pixels(flat.data, bad, low=self.low, high=self.high, box=self.box)
        except ValueError as err:
            raise InputError(f"{name_of(flat)}: {err}; give another flat") from err
        return dead | bad

    def _user(self, dark: GroundImageModel) -> NDArray[np.bool_]:
        if self.user_file is None:
            return np.zeros(dark.shape, bool)
        path = self.input_path(self.user_file)
        try:
            return region_mask(read_regions(path), dark.shape)
        except ValueError as err:
            raise InputError(
                f"{path}: {err}; correct it, or give the file of {name_of(dark)}'s binning"
            ) from err


def _flag(dq: NDArray[np.uint32], where: NDArray[np.bool_], name: str) -> None:
    dq[where] |= np.uint32(FLAGS[name] | FLAGS["DO_NOT_USE"])
