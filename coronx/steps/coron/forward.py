"""Pass a model image through the PSF, the mask and the subtraction of the star."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of
from coronx.models.association import read_association
from coronx.models.passed import Row, as_record, as_table
from coronx.models.reduction import Reduction
from coronx.models.schema import extend
from coronx.models.sky_model import in_frame_units, jansky_of_image, read_sky_image
from coronx.models.writing import whole_file
from coronx.ops.extended_throughput import shares, together
from coronx.ops.forward import Passed, pass_image
from coronx.ops.subtracted import Subtracted
from coronx.refdata.star_flux import jansky_of
from coronx.steps.coron._measuring import MEASURING, MeasuringStep, mask_or_star

__all__ = ["ForwardStep"]

log = logging.getLogger(__name__)

_TAKEN_OUT = "_modelsub"


class ForwardStep(MeasuringStep):
    """Show what the subtraction of the star leaves of a model image, and how much of its flux.

    With references of other stars this is the subtraction's own operator, applied to the image.
    With references of the science star (ADI, ARDI) the image is in them, too, and the whole
    subtraction is done again with it.
    """

    class_alias = "coronx_forward"

    spec = (
        """
        model = string(default=None)  # Model image (FITS): the star at CRPIX, or else in the middle
        model_scale = float(default=None)  # Its scale in arcsec a pixel, north up and east left; by default its header's
        unit = option("contrast", "Jy", "MJy/sr", default="contrast")  # Of its pixels: of the star's flux, Jy, or MJy/sr
        subtract = boolean(default=False)  # The exposures have what the model shows: take it out, and save them without, _modelsub
        ring_width = float(default=0.5,min=0.01)  # Arcsec between the radii of the rings in the table
        aperture = float(default=0.1,min=0.0,max=0.99)  # The aperture is where the model is brighter than this share of its peak
        suffix = string(default='forward')  # Suffix of the products
    """  # noqa: E501
        + MEASURING
    )

    def check_options(self) -> None:
        """Raise an `InputError` for options that make no sense, whatever the exposures."""
        if not self.model:
            raise InputError("no model image; give model, a FITS file")

    def process(self, subtracted: Any, references: Any = None) -> ModelContainer:
        """Pass the model image.

        Parameters
        ----------
        subtracted, references
            The star's subtraction, as `MeasuringStep.open_reduction` has it.

        Returns
        -------
        ModelContainer
            For each exposure what is left of the model, with the table PASSED of its flux; then,
            with `subtract`, the exposures without the model.

        Raises
        ------
        InputError
            If the model, the PSF or the subtraction cannot be used, or the star's flux is needed
            and not known.
        """
        self.check_options()
        image = read_sky_image(self.input_path(self.model), unit=self.unit, scale=self.model_scale)
        self._name = _product_of(subtracted, self.input_path)
        reduction = self.open_reduction(subtracted, references)
        # Where the light goes through the mask: in the exposures' own frames.
        psfs = self.own_psfs(reduction.models, reduction.mode)
        star = float("nan")
        if self.unit == "contrast":
            place = mask_or_star(reduction.models[0])
            star = self.star_of(reduction.mode, reduction.filter, psfs[0], place).jansky
        area, passed = reduction.pixel_area_sr, []
        for part, psf, model in zip(reduction.parts, psfs, reduction.models, strict=True):
            own = in_frame_units(image, self.unit, part.matrices[0], area, star)
            found = pass_image(part, own, psf, sign=-1 if self.subtract else 1)
            if not found.light.any():
                raise InputError(
                    f"{self.model}: no light of it falls into {name_of(model)}; look at its scale "
                    "and CRPIX"
                )
            passed.append(found)
        rows = self._rows(reduction, passed)
        (bright,) = (row.share for row in rows if row[0] == "all" and row[1].region == "aperture")
        log.info(
            "%s, %.4g Jy: where it is bright the mask leaves %.1f %% of its flux, the subtraction "
            "%.1f %% of that", self.model, jansky_of_image(image, self.unit, star),
            100 * bright.transmission, 100 * bright.throughput,
        )  # fmt: skip
        results = ModelContainer()
        for model, found in zip(reduction.models, passed, strict=True):
            results.append(self._left(model, found, rows))
        if self.subtract:
            for model, found in zip(reduction.models, passed, strict=True):
                results.append(self._without(model, found, rows))
        return results

    def _rows(self, reduction: Reduction, passed: Sequence[Passed]) -> list[Row]:
        """Return the shares of each exposure, then of all together, in Jy."""
        radii = [
            _radii(part, found.stars) for part, found in zip(reduction.parts, passed, strict=True)
        ]
        far = max(float(radius.max()) for radius in radii)
        edges = np.arange(int(np.ceil(far / self.ring_width)) + 1) * self.ring_width
        to_jy = jansky_of(1.0, reduction.pixel_area_sr)
        each = [
            shares(
                to_jy * found.free, to_jy * found.light, to_jy * found.left, radius,
                edges=edges.tolist(), aperture=self.aperture,
            )
            for found, radius in zip(passed, radii, strict=True)
        ]  # fmt: skip
        names = [name_of(model) for model in reduction.models]
        return [
            Row(name, share)
            for name, some in zip([*names, "all"], [*each, together(each)], strict=True)
            for share in some
        ]

    def _left(self, model: CubeModel, found: Passed, rows: list[Row]) -> CubeModel:
        result = self.new_like(
            model, data=found.left.astype(np.float32), err=model.err.copy(), dq=model.dq.copy()
        )
        return as_record(result, rows)

    def _without(self, model: CubeModel, found: Passed, rows: list[Row]) -> CubeModel:
        result = self.copy_of(model)
        result.data = (model.data - found.left).astype(np.float32)
        star = array_of(model, "psf_model")
        if star is not None:
            # Both together are the exposure, which has the model's light no more.
            taken = np.where(np.isnan(found.left), 0.0, found.light - found.left)
            extend(result).psf_model = (star - taken).astype(np.float32)
        result.meta.filename = f"{Path(name_of(model)).stem.rpartition('_')[0]}{_TAKEN_OUT}.fits"
        return as_record(result, rows)

    def save_model(self, model: Any, suffix: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Save exposures without the model under their own suffix, and the table as ECSV, too."""
        if isinstance(model, CubeModel) and name_of(model).endswith(f"{_TAKEN_OUT}.fits"):
            suffix = _TAKEN_OUT[1:]
        saved = super().save_model(model, suffix, *args, **kwargs)
        if isinstance(model, ModelContainer) and saved and all(saved):
            name = f"{self._name or Path(name_of(model[0])).stem}.fits"
            made = self.make_output_path(basepath=name, suffix="throughput", ext="ecsv")
            with whole_file(Path(made)) as path:
                as_table(model[0]).write(path, format="ascii.ecsv")
            log.info("Saved table in %s", made)
        return saved


def _product_of(init: Any, path_of: Any) -> str | None:
    if not isinstance(init, str | Path) or Path(init).suffix != ".json":
        return None
    return read_association(path_of(init)).product


def _radii(part: Subtracted, stars: np.ndarray) -> np.ndarray:
    """Return the arcsec of every pixel from the star, (n, ny, nx)."""
    y, x = np.indices(part.shape[1:])
    out = np.empty(part.shape)
    for n, (star, matrix) in enumerate(zip(stars, part.matrices, strict=True)):
        sky = np.tensordot(np.linalg.inv(matrix), np.stack([x - star[0], y - star[1]]), 1)
        out[n] = np.hypot(*sky)
    return out
