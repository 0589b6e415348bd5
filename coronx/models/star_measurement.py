"""Measure where the star is in every integration of an exposure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of
from coronx.models.pointing import StarPlace, mask_place, record_mask
from coronx.models.star_places import pointed_place, record_places
from coronx.ops.centering import fit_star
from coronx.ops.symmetry import symmetry_center
from coronx.refdata.filters import fwhm_pixels
from coronx.refdata.modes import CoronagraphMode, find_mode
from coronx.refdata.psf_file import StarImage
from coronx.refdata.psf_model import StarModel
from coronx.refdata.star_prediction import ExpectedStar
from coronx.refdata.transmission import is_bar, transmission

__all__ = [
    "Measured",
    "by_model",
    "by_symmetry",
    "mode_and_mask",
    "place_at",
    "pointed_at",
    "record_measured",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_DIAMETER = 6.5  # metres: of the telescope, which sets the size of its speckles
_HALO = 20.0  # lambda/D: how far out the halo's symmetry is looked at
_CLEAR = 0.9  # transmission beyond which a pixel sees the sky as it is


@dataclass(frozen=True)
class Measured:
    """Where the star is in each integration.

    Attributes
    ----------
    places, sigma : ndarray (n, 2)
        0-based (x, y) and 1-sigma, in pixels.
    good : ndarray of bool (n,)
    source : str
        How it was measured, for STARSRC.
    """

    places: Array
    sigma: Array
    good: Mask
    source: str


def mode_and_mask(model: CubeModel) -> tuple[CoronagraphMode, tuple[float, float]]:
    """Return an exposure's coronagraph and the 0-based (x, y) of its mask's centre.

    Raises
    ------
    InputError
        If the mask is not known, or its place.
    """
    name = model.meta.instrument.coronagraph
    mode, place = find_mode(name), mask_place(model)
    if mode is None or place is None:
        raise InputError(
            f"{name_of(model)}: CORONMSK = {name} in SUBARRAY = {model.meta.subarray.name}: where "
            "the mask is is not known; give star_center"
        )
    return mode, place


def by_model(
    model: CubeModel, star: StarModel | StarImage, expected: dict[object, ExpectedStar],
    *, drift_nm: float, bad_bits: int, max_offset: float,
) -> Measured:  # fmt: skip
    """Fit what a model expects of the star to every integration.

    Parameters
    ----------
    model : CubeModel
        The exposure.
    star : StarModel or StarImage
        The star behind the mask.
    expected : dict
        Predictions made for earlier exposures; those made for this one are added.
    drift_nm : float
        See `ExpectedStar`.
    bad_bits : int
        DQ bits of pixels to leave out; repaired ones are left out too.
    max_offset : float
        Arcsec from the mask's centre, along each axis.
    """
    mode, mask = mode_and_mask(model)
    center = np.array(mask) + np.array(getattr(star, "reference", (0.0, 0.0)))
    corner = np.rint(center).astype(int) - star.fov // 2
    rest = center - np.rint(center)
    key = (id(star), *np.round(rest, 6))
    if key not in expected:
        expected[key] = ExpectedStar(star, drift_nm=drift_nm, center=(rest[0], rest[1]))
    predict = expected[key]
    data, variance, bad = _cut(model, bad_bits, corner, star.fov)
    through = transmission(
        mode, shape=(star.fov, star.fov), center=(mask[0] - corner[0], mask[1] - corner[1])
    )
    limit = max_offset / min(mode.scale)
    first = predict.image(np.zeros(2))
    found = fit_star(data, variance, bad, predict, first=first, weight=through**2, limit=limit)
    source = "model" if isinstance(star, StarModel) else "model_psf"
    return Measured(center + found.offset, found.sigma, found.good, source)


def by_symmetry(model: CubeModel, *, bad_bits: int, max_offset: float) -> Measured:
    """Find the point about which the star's halo is most alike on opposite sides.

    Parameters are those of `by_model`.
    """
    mode, mask = mode_and_mask(model)
    ny, nx = model.shape[-2:]
    scale = float(np.sqrt(mode.scale[0] * mode.scale[1]))
    width = fwhm_pixels(None, model.meta.instrument.filter, scale, diameter_m=_DIAMETER)
    through = transmission(mode, shape=(ny, nx), center=mask)
    guess = _along(model, mode, mask)
    y, x = np.ogrid[:ny, :nx]
    halo = np.hypot(x - guess[0], y - guess[1]) < _HALO * width
    bad = _bad(model, bad_bits)
    limit = max_offset / min(mode.scale)
    if not (through * halo).any():
        count = len(bad)
        nothing = np.full((count, 2), np.nan)
        return Measured(nothing, nothing, np.zeros(count, bool), "symmetry")
    images = model.data.astype(np.float64)
    sky = ~halo & (through > _CLEAR)
    for image, hidden in zip(images, bad, strict=True):
        free = image[sky & ~hidden]
        image -= float(np.median(free)) if free.size > 100 else 0.0
    found = symmetry_center(images, bad, weight=through * halo, guess=guess, limit=limit)
    return Measured(found.place, found.sigma, found.good, "symmetry")


def place_at(model: CubeModel, place: Sequence[float] | Array, source: str) -> Measured:
    """Return one place (x, y), 0-based, for all integrations of an exposure."""
    count = model.shape[0]
    places = np.tile(np.asarray(place, dtype=np.float64), (count, 1))
    return Measured(places, np.full((count, 2), np.nan), np.ones(count, bool), source)


def pointed_at(model: CubeModel, star: StarPlace) -> Measured:
    """Return where the pointing puts the star, see `pointed_place`."""
    place = pointed_place(model, star)
    return place_at(model, (place.x, place.y), place.source)


def record_measured(result: CubeModel, found: Measured) -> NDArray[np.float64]:
    """Write the places, their mean and scatter, and the mask's; return the mean."""
    mean = record_places(result, found.places, found.sigma, found.good, source=found.source)
    mask = mask_place(result)
    if mask is not None:
        record_mask(result, *mask)
    return mean


def _along(
    model: CubeModel, mode: CoronagraphMode, mask: tuple[float, float]
) -> tuple[float, float]:
    """Return about where the star is: along a bar, where the pointing puts it."""
    x = model.meta.wcsinfo.crpix1
    if not is_bar(mode) or x is None or not 1 <= x <= model.shape[-1]:
        return mask
    return float(x) - 1.0, mask[1]


def _bad(model: CubeModel, bits: int) -> Mask:
    # A repaired pixel tells nothing that its neighbours do not.
    told = np.uint32(bits | pixel["FLUX_ESTIMATED"])
    flags = array_of(model, "dq")
    bad = ~np.isfinite(model.data)
    return bad if flags is None or flags.shape != bad.shape else bad | ((flags & told) != 0)


def _cut(
    model: CubeModel, bits: int, corner: NDArray[np.intp], size: int
) -> tuple[Array, Array, Mask]:
    """Return data, variance and bad pixels of a square; what is beyond the frame is bad."""
    count, ny, nx = model.shape
    data, variance = (np.zeros((count, size, size)) for _ in range(2))
    bad = np.ones((count, size, size), bool)
    x0, y0 = (int(c) for c in corner)
    rows, cols = slice(max(y0, 0), min(y0 + size, ny)), slice(max(x0, 0), min(x0 + size, nx))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return data, variance, bad
    into = np.s_[:, rows.start - y0 : rows.stop - y0, cols.start - x0 : cols.stop - x0]
    data[into] = model.data[:, rows, cols]
    bad[into] = _bad(model, bits)[:, rows, cols]
    err = array_of(model, "err")
    if err is not None and err.shape == model.shape:
        variance[into] = np.square(err[:, rows, cols], dtype=np.float64)
    return data, variance, bad
