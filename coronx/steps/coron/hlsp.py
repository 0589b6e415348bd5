"""Make a signal-to-noise map and a noise curve of a PSF-subtracted product."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.recfunctions import repack_fields
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import ContrastModel, CubeModel, ImageModel

from coronx.errors import InputError, name_of
from coronx.models.pointing import find_star, pixel_scale, record_star
from coronx.models.schema import CURVE, extend
from coronx.ops.noise import noise_curve
from coronx.steps.coron._base import CoronStep

__all__ = ["HlspStep"]


class HlspStep(CoronStep):
    """Make high-level products: signal to noise, and noise against distance from the star.

    The signal-to-noise map is data / ERR. The curve is the plain standard deviation in
    rings about the star: neither corrected for throughput nor for small samples, nor
    divided by the star's flux. A cube is averaged over its integrations for the curve.
    """

    class_alias = "coronx_hlsp"

    spec = """
        annuli_width = integer(default=2,min=1)  # Width of the rings in pixels
        star_center = float_list(min=2,max=2,default=None)  # Star's 0-based x, y; by default as recorded or from the WCS
        suffix = string(default='snr')  # Suffix of the map; that of the curve is contrast
    """  # noqa: E501

    def process(self, target: Any) -> list[Any]:
        """Make the products.

        Parameters
        ----------
        target : str, Path, CubeModel or ImageModel
            A ``_psfsub`` cube or an ``_i2d`` image.

        Returns
        -------
        list
            The map (a model like the target) and the curve (a ContrastModel: the host's table
            of radius in pixels and sigma in the image's unit, and beside it the table
            ``curve`` with radius in arcsec and the number of pixels too).

        Raises
        ------
        InputError
            If the target is neither an image nor a cube.
        """
        model = self._open(target)
        star = find_star(model, self.star_center)
        snr = model.copy()
        with np.errstate(divide="ignore", invalid="ignore"):
            snr.data = np.where(model.err > 0.0, model.data / model.err, np.nan).astype(np.float32)
        snr.meta.bunit_data = ""
        record_star(snr, star)
        image = model.data if model.data.ndim == 2 else _mean(model.data)
        curve = noise_curve(image, (star.x, star.y), width=self.annuli_width)
        contrast = ContrastModel()
        contrast.update(model)
        contrast.extend_schema(CURVE)
        table = np.zeros(curve.radius.size, contrast.get_dtype("curve"))
        table["radius"], table["sigma"] = curve.radius, curve.sigma
        table["radius_arcsec"] = curve.radius * pixel_scale(model, star)
        table["npix"] = curve.count
        contrast.curve = table
        contrast.contrast_table = repack_fields(table[["radius", "sigma"]])
        extend(contrast)
        record_star(contrast, star)
        return [snr, contrast]

    def save_model(
        self, model: Any, suffix: str | None = None, idx: int | None = None, **kwargs: Any
    ) -> Any:
        """Save the curve under its own suffix, and neither with a number."""
        del idx
        if isinstance(model, ContrastModel):
            suffix = "contrast"
        return super().save_model(model, suffix=suffix, **kwargs)

    def _open(self, target: Any) -> CubeModel | ImageModel:
        if isinstance(target, str | Path):
            path = self.input_path(target)
            if not path.is_file():
                raise InputError(f"{path}: no such file; give a _psfsub or _i2d product")
            target = datamodels.open(str(path))
        if not isinstance(target, CubeModel | ImageModel):
            raise InputError(
                f"{name_of(target)}: a {type(target).__name__}, neither image nor cube; "
                "give a _psfsub or _i2d product"
            )
        return target


def _mean(cube: np.ndarray) -> np.ndarray:
    count = np.isfinite(cube).sum(axis=0)
    total = np.nansum(cube, axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
