"""A star seen beside the mask: an exposure that shows its PSF and its flux."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage

from coronx.errors import InputError, name_of
from coronx.ops.inpainting import fill_smoothly
from coronx.ops.median import fill_local_median
from coronx.ops.windowed_centroid import windowed_centroid
from coronx.refdata.filters import fwhm_pixels
from coronx.refdata.modes import CoronagraphMode, plain_mask_name
from coronx.refdata.nircam_centers import nircam_centers
from coronx.refdata.transmission import transmission

__all__ = ["UnoccultedStar", "read_unocculted"]

_DO_NOT_USE, _SATURATED = 1, 2  # DQ bits of every JWST product
_RING = 8  # pixels: width of the ring that the background is measured in
_LEAST_HALF = 5
_LEAST_TRANSMISSION = 0.5


@dataclass(frozen=True)
class UnoccultedStar:
    """A star beside the mask.

    Attributes
    ----------
    name : str
        The exposure's.
    filter : str
        The exposure's.
    image : ndarray (2 half + 1, 2 half + 1)
        MJy/sr, without background, bad pixels filled.
    good : ndarray of bool
        Pixels of `image` that were measured.
    center : tuple of float
        0-based (x, y) of the star in `image`.
    place, mask_place : tuple of float
        0-based (x, y) of the star and of the mask's centre in the exposure.
    transmission : float
        What the mask, or a neutral density, lets through there.
    total, total_sigma : float
        Sum of `image` and its 1-sigma error: noise, background and what was filled.
    pixel_area_sr : float or None
        Steradians of a pixel (PIXAR_SR); None if the exposure does not say.
    attenuated : bool
        Whether it is seen through a neutral density.
    """

    name: str
    filter: str
    image: NDArray[np.float64]
    good: NDArray[np.bool_]
    center: tuple[float, float]
    place: tuple[float, float]
    mask_place: tuple[float, float]
    transmission: float
    total: float
    total_sigma: float
    pixel_area_sr: float | None
    attenuated: bool = False


@dataclass(frozen=True)
class _Exposure:
    name: str
    data: NDArray[np.float64]
    err: NDArray[np.float64]
    flags: NDArray[np.uint32]
    filter: str | None
    mask: str | None
    pixel_area_sr: float | None


def read_unocculted(
    source: Any,
    mode: CoronagraphMode,
    filter_name: str | None,
    *,
    fov_pixels: int = 65,
    mask_place: tuple[float, float] | None = None,
    attenuation: float | None = None,
) -> UnoccultedStar:
    """Find and cut out the star of an unocculted exposure.

    The exposure has the mode's mask and Lyot stop in the beam, and its star displaced from the
    mask. Its integrations are combined (the median of three or more), the star is the brightest
    source more than a pixel wide, and the background is the median of a ring of 8 pixels around
    what is cut out: the PSF's own wings there, some 1e-4 of its peak, go with it.

    Parameters
    ----------
    source : str, Path or data model
        The exposure, calibrated; two or three dimensions.
    mode : CoronagraphMode
        The mode that it must be of.
    filter_name : str or None
        The filter that it must be in; None for any.
    fov_pixels : int
        Pixels along a side of what is cut out, odd; fewer where the star is near an edge.
    mask_place : tuple of float, optional
        0-based (x, y) of the mask's centre in the exposure; by default the mode's, in flight.
    attenuation : float, optional
        What a neutral density lets through, for an exposure of target acquisition: neither its
        mask nor where the star stands to it is looked at then.

    Raises
    ------
    InputError
        If the exposure is another, has no usable star, or its star is behind the mask.
    """
    exposure = _opened(source)
    _check(exposure, None if attenuation else mode, filter_name)
    filter_name = str(exposure.filter) if filter_name is None else filter_name
    fwhm = fwhm_pixels(mode.instrument, filter_name, math.sqrt(math.prod(mode.scale)))
    image, sigma, good, saturated = _combined(exposure)
    filled = fill_smoothly(fill_local_median(image, ~good, box=5), ~good)
    rough = ndimage.gaussian_filter(ndimage.median_filter(filled, 3), 1.0)
    row, col = (int(i) for i in np.unravel_index(np.argmax(rough), rough.shape))
    half = min(fov_pixels // 2, row, col, image.shape[0] - 1 - row, image.shape[1] - 1 - col)
    if half < _LEAST_HALF:
        raise InputError(
            f"{exposure.name}: its brightest source, at ({col}, {row}), is less than "
            f"{_LEAST_HALF} pixels from the edge; give an exposure whose star is inside"
        )
    cut = np.s_[row - half : row + half + 1, col - half : col + half + 1]
    level, scatter, count = _background(filled, good, (col, row), half)
    star = filled[cut] - level
    try:
        center = windowed_centroid(star, (float(half), float(half)), sigma=fwhm / 2.355)
    except ValueError as error:
        raise InputError(f"{exposure.name}: {error}; give an exposure of a bright star") from error
    _check_core(exposure.name, good[cut], saturated[cut], center, fwhm)
    place = col - half + center[0], row - half + center[1]
    mask_place = mask_place or _mask_place(mode, filter_name)
    through = attenuation or _through(exposure.name, mode, mask_place, place)
    total = float(star.sum())
    # A filled pixel is taken to be known to a fifth of its value.
    parts = (
        np.square(sigma[cut][good[cut]]).sum(),
        np.square(0.2 * star[~good[cut]]).sum(),
        (scatter * star.size) ** 2 / max(count, 1),
    )
    error = math.sqrt(float(sum(parts)))
    if not total > 5 * error:
        raise InputError(
            f"{exposure.name}: its brightest source has {total:.3g} +- {error:.2g} MJy/sr in all; "
            "give an exposure of a bright star"
        )
    return UnoccultedStar(
        exposure.name, filter_name, star, good[cut], center, place, mask_place, through, total,
        error, exposure.pixel_area_sr, attenuation is not None,
    )  # fmt: skip


def _mask_place(mode: CoronagraphMode, filter_name: str) -> tuple[float, float]:
    # Headers know nothing of what the filter displaces.
    shift = nircam_centers().filter_shifts.get(filter_name)
    dx, dy = (0.0, 0.0) if shift is None else (shift.dx, shift.dy)
    return mode.center[0] + dx, mode.center[1] + dy


def _through(
    name: str, mode: CoronagraphMode, mask: tuple[float, float], star: tuple[float, float]
) -> float:
    center = (mask[0] - star[0], mask[1] - star[1])
    value = float(transmission(mode, shape=(1, 1), center=center)[0, 0])
    if value < _LEAST_TRANSMISSION:
        raise InputError(
            f"{name}: the star at ({star[0]:.1f}, {star[1]:.1f}) is where the mask of {mode.name} "
            f"lets {value:.2g} through; give an exposure whose star is beside it"
        )
    return value


def _opened(source: Any) -> _Exposure:
    if isinstance(source, str | Path):
        try:
            with fits.open(source) as hdus:
                header = hdus[0].header + hdus["SCI"].header
                arrays = {hdu.name: np.array(hdu.data) for hdu in hdus if hdu.data is not None}
        except (OSError, KeyError) as error:
            raise InputError(f"{source}: {error}; give a calibrated exposure (SCI)") from error
        return _exposure(
            Path(source).name,
            arrays["SCI"],
            arrays.get("ERR"),
            arrays.get("DQ"),
            (header.get("FILTER"), header.get("CORONMSK"), header.get("PIXAR_SR")),
        )
    meta = source.meta
    known = (
        meta.instrument.filter, meta.instrument.coronagraph,
        meta.photometry.pixelarea_steradians,
    )  # fmt: skip
    return _exposure(name_of(source), source.data, source.err, source.dq, known)


def _exposure(name: str, data: Any, err: Any, flags: Any, known: tuple[Any, Any, Any]) -> _Exposure:
    data = np.asarray(data, dtype=np.float64)
    if data.ndim not in (2, 3):
        raise InputError(f"{name}: data of {data.ndim} dimensions; give an exposure of 2 or 3")
    shape = (-1, *data.shape[-2:])
    # What a file has none of is known to nobody: errors of zero, no flags.
    err = np.zeros_like(data) if err is None or np.shape(err) != data.shape else err
    flags = np.zeros(data.shape, np.uint32) if np.shape(flags) != data.shape else flags
    return _Exposure(
        name,
        data.reshape(shape),
        np.asarray(err, dtype=np.float64).reshape(shape),
        np.asarray(flags, dtype=np.uint32).reshape(shape),
        *known,
    )


def _check(exposure: _Exposure, mode: CoronagraphMode | None, filter_name: str | None) -> None:
    if exposure.filter and filter_name and exposure.filter.upper() != filter_name.upper():
        raise InputError(
            f"{exposure.name}: FILTER is {exposure.filter}, not {filter_name}; give an unocculted "
            "exposure in the filter of the data"
        )
    if mode is None:
        return
    mask = plain_mask_name(exposure.mask or "")
    if mask != plain_mask_name(mode.coronmsk):
        raise InputError(
            f"{exposure.name}: CORONMSK is {exposure.mask}, not {mode.coronmsk}; give an exposure "
            "with the same mask and Lyot stop, its star displaced from the mask"
        )


def _combined(
    exposure: _Exposure,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the combined image, its error, and which pixels are good and which saturated."""
    good = np.isfinite(exposure.data) & (exposure.flags & _DO_NOT_USE == 0)
    saturated = (exposure.flags & _SATURATED > 0).any(axis=0)
    some = good.any(axis=0) & ~saturated
    if not some.any():
        raise InputError(f"{exposure.name}: no good pixel; give a calibrated exposure")
    values = np.ma.masked_array(exposure.data, ~good)
    # Three are enough for a median to throw out what struck one of them.
    middle = np.ma.median(values, axis=0) if len(values) > 2 else values.mean(axis=0)
    image = np.where(some, np.ma.filled(middle, 0.0), 0.0)
    count = np.maximum(good.sum(axis=0), 1)
    variance = np.where(good & np.isfinite(exposure.err), exposure.err, 0.0) ** 2
    return image, np.sqrt(variance.sum(axis=0)) / count, some, saturated


def _background(
    image: NDArray[np.float64], good: NDArray[np.bool_], star: tuple[int, int], half: int
) -> tuple[float, float, int]:
    """Return level, scatter and number of pixels of a square ring around what is cut out."""
    y, x = np.indices(image.shape)
    reach = np.maximum(np.abs(x - star[0]), np.abs(y - star[1]))
    # At the very edge the star reaches all that there is: its own rim then.
    inner = half if np.any((reach > half) & (reach <= half + _RING) & good) else half - 2
    values = image[(reach > inner) & (reach <= half + _RING) & good]
    if values.size == 0:
        return 0.0, 0.0, 0
    level = float(np.median(values))
    return level, 1.4826 * float(np.median(np.abs(values - level))), values.size


def _check_core(
    name: str,
    good: NDArray[np.bool_],
    saturated: NDArray[np.bool_],
    center: tuple[float, float],
    fwhm: float,
) -> None:
    y, x = np.indices(good.shape)
    core = np.hypot(x - center[0], y - center[1]) <= fwhm
    lost = np.count_nonzero(core & ~good)
    if np.any(core & saturated) or lost > 0.25 * np.count_nonzero(core):
        what = "is saturated" if np.any(core & saturated) else f"has {lost} bad pixels"
        raise InputError(
            f"{name}: the core of its star {what}; give an exposure in which it is whole"
        )
