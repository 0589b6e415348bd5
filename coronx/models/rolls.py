"""Integrations of all rolls on their way to one image."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from drizzle.resample import Drizzle
from jwst.datamodels import ModelLibrary
from jwst.resample.resample_step import GOOD_BITS, ResampleStep
from numpy.typing import NDArray
from stcal.resample.utils import build_driz_weight, calc_pixmap, resample_range
from stdatamodels.jwst.datamodels import CubeModel, ImageModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.arrays import array_of, set_arrays
from coronx.models.coverage import weights_of
from coronx.models.schema import extend
from coronx.models.split import split_integrations
from coronx.ops.shared_variance import variance_in_mean

__all__ = ["Rolls"]

_PARTS = ("var_rnoise", "var_flat")
_OWN = ("star_", "mask_", "center_", "frame_", "wcs_", "version")
"""Records of a frame, which say nothing of the combined image."""


class Rolls:
    """Images to be combined by the host's resampling, each with its pixels' weights.

    The host weighs pixels by the inverse of VAR_RNOISE alone, so that array carries the
    weights while it works. Its errors are averages of the pixels' errors, which is what the
    scatter would be if pixels were not averaged: here variances are propagated, with the
    squares of the weights that the values get (Fruchter & Hook 2002, PASP 114, 144). What the
    integrations of an exposure share, the noise of their references, is added as common to them.
    """

    def __init__(self, mask_threshold: float) -> None:
        self._threshold = mask_threshold
        self._images: list[ImageModel] = []
        self._variances: list[list[NDArray[np.float32]]] = []
        self._records: list[dict[str, Any]] = []
        # Of each exposure: its images, and the covariance between them.
        self._shared: list[tuple[slice, NDArray[np.float32]]] = []

    def split(self, cube: CubeModel) -> Iterator[ImageModel]:
        """Yield an exposure's integrations, which are kept; their WCS may be changed.

        Parameters
        ----------
        cube : CubeModel
            An exposure of one roll.
        """
        record = getattr(cube.meta, "coronx", None)
        self._records.append(dict(record.instance) if record is not None else {})
        weights = weights_of(cube, threshold=self._threshold)
        shared = array_of(cube, "shared_variance")
        if shared is not None and shared.shape == cube.shape[1:]:
            first = len(self._images)
            self._shared.append((slice(first, first + len(weights)), shared))
        for image, weight in zip(split_integrations(cube), weights, strict=True):
            self._add(image, weight)
            yield image

    def _add(self, image: ImageModel, weight: NDArray[np.float32]) -> None:
        variances = [np.square(image.err, dtype=np.float32)]
        for name in _PARTS:
            part = array_of(image, name)
            fits = part is not None and part.shape == image.shape
            variances.append(part if fits else np.zeros(image.shape, np.float32))
        self._variances.append([np.nan_to_num(v, posinf=0.0) for v in variances])
        unused = ~(weight > 0.0)
        flags = image.dq | np.where(unused, np.uint32(pixel["DO_NOT_USE"]), np.uint32(0))
        inverse = 1.0 / np.where(unused, np.float32(1.0), weight)
        set_arrays(image, {"dq": flags, "var_rnoise": inverse})
        self._images.append(image)

    def combine(self, step: ResampleStep) -> ImageModel:
        """Return the weighted mean of the images on the sky, by the host's step as it is set."""
        result = step.run(ModelLibrary(self._images, on_disk=False))
        if step.enable_err:
            self._propagate(result, step)
        self._carry(extend(result))
        return result

    def _carry(self, result: ImageModel) -> None:
        """Copy what was done to the exposures, as far as it is the same for all."""
        first, *others = self._records
        for name, value in first.items():
            if not name.startswith(_OWN) and all(r.get(name) == value for r in others):
                setattr(result.meta.coronx, name, value)

    def _propagate(self, result: ImageModel, step: ResampleStep) -> None:
        weights = [self._weight(image, step) for image in self._images]
        for of, shared in self._shared:
            whole = np.stack([variances[0] for variances in self._variances[of]])
            whole = variance_in_mean(whole, np.stack(weights[of]), shared)
            for variances, own in zip(self._variances[of], whole, strict=True):
                variances[0] = own
        total = Drizzle(
            kernel=step.kernel, fillval=np.nan, out_shape=result.shape, disable_ctx=True
        )
        for image, variances, weight in zip(self._images, self._variances, weights, strict=True):
            shape = image.shape
            limits = resample_range(shape, image.meta.wcs.bounding_box)
            total.add_image(
                variances[0],
                data2=variances,
                exptime=1.0,
                pixmap=calc_pixmap(
                    image.meta.wcs,
                    result.meta.wcs,
                    shape,
                    stepsize=step.pixmap_stepsize,
                    order=step.pixmap_order,
                ),
                weight_map=weight,
                wht_scale=1.0,
                pixfrac=step.pixfrac,
                pixel_scale_ratio=result.meta.resample.pixel_scale_ratio,
                in_units="cps",
                **dict(zip(("xmin", "xmax", "ymin", "ymax"), limits, strict=True)),
            )
        whole, read, flat = total.out_img2
        seen = np.isfinite(result.data)
        arrays = {"err": np.sqrt(whole)}
        if step.report_var:
            arrays |= {"var_rnoise": read, "var_flat": flat}
            arrays["var_poisson"] = np.clip(whole - read - flat, 0.0, None)
        set_arrays(result, {n: np.where(seen, a, np.nan) for n, a in arrays.items()})

    @staticmethod
    def _weight(image: ImageModel, step: ResampleStep) -> NDArray[np.float32]:
        """Return the weight that the host gives each pixel of an image."""
        exposure = image.meta.exposure
        known = {
            "data": image.data,
            "dq": image.dq,
            "var_rnoise": image.var_rnoise,
            "measurement_time": exposure.measurement_time,
            "exposure_time": exposure.exposure_time,
        }
        return build_driz_weight(
            known, weight_type=step.weight_type, good_bits=GOOD_BITS, flag_name_map=pixel
        )
