"""CCD images of one grid, and what makes them comparable: scales, offsets, weights."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.ground_flags import good_pixels
from coronx.models.ground_grid import same_grid
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.ground_registration import any_wcs_of
from coronx.ops.transparency import StarList, measure_transparency

__all__ = ["GroundStack", "stack_images"]

log = logging.getLogger(__name__)

_SOURCES = 3.0  # sigma above the sky, from which a pixel tells nothing of the sky


@dataclass(frozen=True)
class GroundStack:
    """Images of one grid.

    Attributes
    ----------
    data, err, dq : ndarray (n, ny, nx)
        As the images have them.
    scales, offsets, weights : ndarray (n,)
        Each image stands for ``scale * (image - offset)``, with its weight; weights add up to 1.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32]
    dq: NDArray[np.uint32]
    scales: NDArray[np.float64]
    offsets: NDArray[np.float64]
    weights: NDArray[np.float64]


def stack_images(
    models: list[GroundImageModel],
    *,
    scale: str = "none",
    offset: str = "none",
    weight: str = "noise",
    mixed_filters: bool = False,
) -> GroundStack:
    """Check that images belong together, and compare their light.

    Parameters
    ----------
    models : list of GroundImageModel
        At least two, on one grid.
    scale : {"none", "exposure", "stars"}
        What light is made equal by, to that of the first: exposure times, or the stars' fluxes.
    offset : {"none", "median"}
        Whether each image's sky is made that of the first.
    weight : {"equal", "noise", "exposure"}
        What weighs: nothing, the inverse of the variance of the sky (of large
        areas, where pixels are correlated), or the exposure time.
    mixed_filters : bool
        Whether images of different filters may be combined.

    Raises
    ------
    InputError
        If an image does not fit the first, which is named, or lacks what is asked for.
    """
    if len(models) < 2:
        raise InputError(f"{name_of(models[0])}: one image alone; give at least two to combine")
    _check(models, mixed_filters)
    planes = [_errors(model) for model in models]
    sky = [_sky(model) for model in models]
    scales = np.ones(len(models))
    if scale == "exposure":
        times = _exposures(models)
        scales = times[0] / times
    elif scale == "stars":
        scales = _by_stars(models)
    # The sky is made the first's after it is scaled.
    offsets = np.array(sky) - sky[0] / scales if offset == "median" else np.zeros(len(models))
    if weight == "equal":
        weights = np.ones(len(models))
    elif weight == "exposure":
        weights = _exposures(models)
    else:
        noise = [_noise(model, err) for model, err in zip(models, planes, strict=True)]
        if not np.all(np.array(noise) > 0):
            raise InputError(
                f"{name_of(models[int(np.argmin(noise))])}: ERR of zero; set weight to another"
            )
        weights = 1.0 / (scales * np.array(noise)) ** 2
    return GroundStack(
        np.stack([model.data for model in models]), np.stack(planes),
        np.stack([model.dq for model in models]), scales, offsets, weights / weights.sum(),
    )  # fmt: skip


def _check(models: list[GroundImageModel], mixed_filters: bool) -> None:
    first = models[0]
    own = any_wcs_of(first)
    for model in models:
        if model.shape != first.shape:
            raise InputError(
                f"{name_of(model)}: {model.shape[1]} x {model.shape[0]} pixels, but "
                f"{first.shape[1]} x {first.shape[0]} in {name_of(first)}; run "
                "coronx_resample_to_wcs first"
            )
        if not same_grid(own, any_wcs_of(model), tuple(first.shape)):
            raise InputError(
                f"{name_of(model)}: not on the grid of {name_of(first)}; run "
                "coronx_resample_to_wcs first"
            )
        if (model.meta.bunit or "ADU") != (first.meta.bunit or "ADU"):
            raise InputError(
                f"{name_of(model)}: in {model.meta.bunit}, but {name_of(first)} in "
                f"{first.meta.bunit}; give images of one unit"
            )
        if not mixed_filters and model.meta.ground.filter != first.meta.ground.filter:
            raise InputError(
                f"{name_of(model)}: filter {model.meta.ground.filter}, but "
                f"{first.meta.ground.filter} in {name_of(first)}; leave it out, or set "
                "mixed_filters"
            )
        if not good_pixels(model).any():
            raise InputError(f"{name_of(model)}: no good pixel; leave the image out")


def _sky(model: GroundImageModel) -> float:
    values = model.data[good_pixels(model)]
    level = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - level)))
    return float(np.median(values[values < level + _SOURCES * spread])) if spread else level


def _noise(model: GroundImageModel, err: NDArray[np.float32]) -> float:
    known = err[good_pixels(model) & np.isfinite(err)]
    if not known.size:
        raise InputError(f"{name_of(model)}: ERR without a number; leave the image out")
    # What counts is the noise of areas: smoothed pixels are no better than others.
    return float(np.median(known)) * (model.meta.ground.correlation or 1.0)


def _errors(model: GroundImageModel) -> NDArray[np.float32]:
    err = arrays_of(model).get("err")
    if err is not None:
        return np.asarray(err, np.float32)
    values = model.data[good_pixels(model)]
    noise = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    log.warning(
        "%s: no ERR; the noise of the sky, %.3g, is taken for all pixels", name_of(model), noise
    )
    return np.full(model.shape, noise, np.float32)


def _exposures(models: list[GroundImageModel]) -> NDArray[np.float64]:
    for model in models:
        if not model.meta.ground.exposure_time:
            raise InputError(
                f"{name_of(model)}: no exposure time; add EXPTIME to its header, or scale and "
                "weigh by something else"
            )
    return np.array([float(model.meta.ground.exposure_time) for model in models])


def _by_stars(models: list[GroundImageModel]) -> NDArray[np.float64]:
    lists = []
    for model in models:
        stars = tables_of(model).get("stars")
        if stars is None:
            raise InputError(
                f"{name_of(model)}: no table of stars to scale by; run coronx_find_stars first"
            )
        fair = stars[(stars["saturated"] == 0) & (stars["crowded"] == 0)]
        lists.append(StarList(fair["x"], fair["y"], fair["flux"], fair["flux_sigma"]))
    width = max(float(model.meta.ground.fwhm or 3.0) for model in models)
    values = measure_transparency(lists, tolerance=width).value
    for model, value in zip(models, values, strict=True):
        if not np.isfinite(value):
            raise InputError(
                f"{name_of(model)}: too few stars in common with the others to scale by; leave "
                "it out, or set scale to another"
            )
    return values[0] / values
