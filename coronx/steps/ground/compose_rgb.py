"""Make a colour picture of images through three filters."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_alignment import check_same_grid
from coronx.models.ground_channels import assign_channels
from coronx.models.ground_color import GroundColorModel
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.picture import FORMATS, write_picture
from coronx.ops.color_image import black_and_white, compose, fill_blemishes
from coronx.steps.ground._base import GroundStep

__all__ = ["ComposeRgbStep"]

log = logging.getLogger(__name__)


class ComposeRgbStep(GroundStep):
    """Make a colour picture of aligned images: PNG, TIFF, and the three planes as FITS."""

    class_alias = "coronx_compose_rgb"

    spec = """
        palette = string(default="rgb")  # rgb, sho, hoo, hgb, irg or vri, or three filters or files for red, green and blue: Ha,V,B
        red = string(default="")  # Filter or file for red, in place of the palette's
        green = string(default="")  # Filter or file for green
        blue = string(default="")  # Filter or file for blue
        stretch = option("gamma", "asinh", default="gamma")  # Power law of each channel, or inverse hyperbolic sine of the brightness
        low = float(default=0.60,min=0.0,max=1.0)  # Part of the pixels that is fainter than black
        high = float(default=0.999,min=0.0,max=1.0)  # Part of the pixels that is fainter than white
        neutral = boolean(default=True)  # White such that stars and galaxies are grey on the whole; if not, each channel has its own
        gamma = float(default=2.2,min=0.1)  # Of the power law
        softening = float(default=0.05,min=0.000001)  # Of asinh: where it turns from linear to logarithmic, as a part of white
        q = float(default=8.0,min=0.001)  # Of asinh: its strength
        saturation = float(default=1.5,min=0.0)  # Factor on colours: 0 is grey, 1 leaves them
        balance = float_list(min=3,max=3,default=list(1.0,1.0,1.0))  # Factors on red, green and blue
        blank = option("black", "transparent", default="black")  # Pixels that no image, or not every one, has
        formats = force_list(default=list("png"))  # Pictures to write: png (8 bits), tiff (16 bits)
        suffix = string(default='rgb')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundColorModel:
        """Compose.

        Parameters
        ----------
        init : str, Path, GroundFrames or list
            An association or several images, one for each filter.

        Returns
        -------
        GroundColorModel
            The images for red, green and blue. Where it is saved, pictures are beside it.

        Raises
        ------
        InputError
            If a channel has no image or more than one, or the images are not aligned.
        """
        self.check_options()
        frames = self.open_frames(init)
        models = frames.of("science") or list(frames)
        wanted = (self.red, self.green, self.blue)
        chosen = assign_channels(models, self.palette, wanted)
        check_same_grid(chosen)
        self._picture, self._seen = self._compose(chosen)
        result = self._planes(chosen)
        products = (frames.asn_table or {}).get("products") or [{}]
        if name := products[0].get("name"):
            result.meta.filename = f"{name}.fits"
        self.output_use_model = not self.output_file
        self.mark(result, "COMPLETE")
        log.info(
            "%s: red %s, green %s, blue %s",
            name_of(result), *(f"{name_of(m)} ({m.meta.ground.filter})" for m in chosen),
        )  # fmt: skip
        return result

    def check_options(self) -> None:
        """Raise an `InputError` for levels in the wrong order and formats that are not known."""
        if not self.low < self.high:
            raise InputError(f"low = {self.low}, high = {self.high}: give low below high")
        for kind in self.formats:
            if kind not in FORMATS:
                raise InputError(f"formats = {kind}: known are {', '.join(FORMATS)}")

    def _compose(self, models: list[GroundImageModel]) -> tuple[np.ndarray, np.ndarray]:
        planes, saturated = [], np.zeros(models[0].data.shape, bool)
        for model in models:
            full = (model.dq & np.uint32(FLAGS["SATURATED"])) != 0
            bad = (model.dq & np.uint32(FLAGS["DO_NOT_USE"])) != 0
            gone = (model.dq & np.uint32(FLAGS["NO_DATA"])) != 0
            # The core of a saturated star is at least as bright as it is.
            planes.append(fill_blemishes(np.where(gone, np.nan, model.data), bad & ~full))
            saturated |= full
        try:
            levels = black_and_white(planes, low=self.low, high=self.high, neutral=self.neutral)
        except ValueError as err:
            names = ", ".join(name_of(model) for model in models)
            raise InputError(f"{names}: {err}; give images with light in them") from err
        picture = compose(
            np.stack(planes),
            levels,
            stretch=self.stretch,
            gamma=self.gamma,
            softening=self.softening,
            q=self.q,
            saturation=self.saturation,
            balance=self.balance,
            saturated=saturated,
        )
        return picture, np.isfinite(planes).all(axis=0)

    @staticmethod
    def _planes(models: list[GroundImageModel]) -> GroundColorModel:
        result = GroundColorModel(data=np.stack([model.data for model in models]))
        # Of the keywords those of the first are kept: the WCS is that of all.
        result.meta.instance.update(models[0].copy().meta.instance)
        result.meta.model_type = type(result).__name__
        result.instance["extra_fits"] = models[0].copy().instance.get("extra_fits") or {}
        result.dq = np.stack([model.dq for model in models])
        errors = [arrays_of(model).get("err") for model in models]
        if all(err is not None for err in errors):
            result.err = np.stack(errors)
        result.meta.ground.filter = ",".join(str(m.meta.ground.filter or "") for m in models)
        return result

    def save_model(self, model: Any, *args: Any, **settings: Any) -> Any:
        """Save the planes, and pictures of the same name beside them."""
        path = super().save_model(model, *args, **settings)
        if path:
            opaque = self._seen if self.blank == "transparent" else None
            for kind in self.formats:
                made = write_picture(
                    self._picture, Path(path).with_suffix(f".{kind}"), opaque=opaque
                )
                log.info("Saved picture in %s", made)
        return path
