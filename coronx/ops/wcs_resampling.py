"""Resample an image to another WCS, with its errors and flags."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel
from numpy.typing import NDArray
from reproject import reproject_adaptive, reproject_exact, reproject_interp
from scipy.interpolate import RectBivariateSpline

__all__ = ["METHODS", "Resampled", "resample_to_wcs"]

METHODS = ("adaptive", "hann", "exact", "interp")

_AT_ONCE = 6e7  # values that are resampled in one go
_NODES = 33  # along each axis, between which the scale is interpolated
_TOLD = 0.1  # share of a pixel's weight from which a flag is handed on
_MARGIN = 3  # pixels about the image's place


@dataclass(frozen=True)
class Resampled:
    """An image on another grid.

    Attributes
    ----------
    data : ndarray (ny, nx), float32
        NaN where there is no data.
    err : ndarray (ny, nx), float32, or None
        1-sigma error of each pixel by itself; None if none was given.
    dq : ndarray (ny, nx), uint32
        Flags of the pixels that went into each.
    weight : ndarray (ny, nx), float32
        Share of each pixel's kernel that fell on good pixels, 0 to 1.
    correlation : float
        By what factor the noise of a large area is above that of as many independent pixels of
        error `err`; NaN where there is no data.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32] | None
    dq: NDArray[np.uint32]
    weight: NDArray[np.float32]
    correlation: float


def resample_to_wcs(
    data: NDArray[np.floating],
    err: NDArray[np.floating] | None,
    dq: NDArray[np.uint32],
    *,
    wcs: WCS,
    to_wcs: WCS,
    shape: tuple[int, int],
    method: str = "adaptive",
    bad_bits: int = 1,
    no_data: int = 1,
    min_weight: float = 0.5,
    conserve_flux: bool = True,
) -> Resampled:
    """Resample an image by one of reproject's methods.

    Parameters
    ----------
    data, err : ndarray (my, mx)
        Image and its 1-sigma errors, in any unit per pixel.
    dq : ndarray of uint32 (my, mx)
        Flags.
    wcs, to_wcs : WCS
        Of the image, and of the grid wanted: both of the sky, or both of a plane in pixels.
    shape : tuple of int
        Shape of the grid, (ny, nx).
    method : {"adaptive", "hann", "exact", "interp"}
        DeForest's adaptive resampling with a Gaussian or with a Hann kernel, the overlap of pixels
        as polygons on the sphere, or bilinear interpolation.
    bad_bits : int
        Flags of pixels to leave out; those that are not finite are, too.
    no_data : int
        Flags set where there is no data.
    min_weight : float
        Least `weight` of a pixel that is data.
    conserve_flux : bool
        Whether a star keeps its sum, where pixels change their size; else the brightness of
        an area stays.

    Returns
    -------
    Resampled

    Raises
    ------
    ValueError
        If the method is none of these, or "exact" is asked for without a sky.

    Notes
    -----
    A resampled pixel is a weighted sum of pixels, its variance theirs weighted by the squares.
    reproject does not tell the weights; but of an image with errors on a comb of pixels, so
    far apart that no kernel meets two, it makes weight times error of one pixel each time, and the
    squares summed over all combs are the variance, whatever the kernel. The left-out pixels are
    divided out: sum(w g x) / sum(w g) with g = 1 for good ones.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}; one of {', '.join(METHODS)}")
    if method == "exact" and not (wcs.has_celestial and to_wcs.has_celestial):
        raise ValueError("method 'exact' needs a WCS of the sky; take 'adaptive'")
    result = _empty(shape, err is not None, no_data)
    part = _place(wcs, np.shape(data), to_wcs, shape)
    if part is None:
        return result
    good = np.isfinite(data) & ((dq & np.uint32(bad_bits)) == 0)
    if err is not None:
        good &= np.isfinite(err)
    grid = _Grid(wcs, to_wcs[part], _size(part), method)
    values = np.where(good, data, 0.0)
    seen, moved = grid.move([good, values])
    some = seen >= max(min_weight, 1e-3)
    share = np.where(some, seen, 1.0)
    area = grid.area if conserve_flux else 1.0
    result.data[part] = np.where(some, moved / share * area, np.nan)
    result.weight[part] = np.clip(seen, 0.0, 1.0)
    result.dq[part] = _flags(grid, dq, good, some, no_data)
    # Without errors the noise of all pixels is taken to be the same, to tell its correlation.
    sigma = np.where(good, 1.0 if err is None else err, 0.0)
    variance = sum(plane**2 for plane in grid.move(grid.combs(sigma))) / share**2
    if result.err is not None:
        result.err[part] = np.where(some, np.sqrt(variance) * area, np.nan)
    (mean,) = grid.move([sigma**2])
    known = some & (variance > 0)
    ratio = mean[known] / share[known] / (variance[known] * grid.area[known])
    factor = float(np.sqrt(np.median(ratio))) if ratio.size else float("nan")
    return Resampled(result.data, result.err, result.dq, result.weight, factor)


def _empty(shape: tuple[int, int], with_err: bool, no_data: int) -> Resampled:
    return Resampled(
        np.full(shape, np.nan, np.float32),
        np.full(shape, np.nan, np.float32) if with_err else None,
        np.full(shape, no_data, np.uint32),
        np.zeros(shape, np.float32),
        float("nan"),
    )


def _size(part: tuple[slice, slice]) -> tuple[int, int]:
    return part[0].stop - part[0].start, part[1].stop - part[1].start


def _place(
    wcs: WCS, size: tuple[int, ...], to_wcs: WCS, shape: tuple[int, int]
) -> tuple[slice, slice] | None:
    """Return the part of a grid on which an image falls, or None."""
    ny, nx = size
    x, y = np.linspace(-0.5, nx - 0.5, _NODES), np.linspace(-0.5, ny - 0.5, _NODES)
    x, y = (v.ravel() for v in np.meshgrid(x, y))
    u, v = (np.asarray(w) for w in pixel_to_pixel(wcs, to_wcs, x, y))
    u, v = u[np.isfinite(u)], v[np.isfinite(v)]
    if not (u.size and v.size):
        return None
    found = []
    for values, length in ((v, shape[0]), (u, shape[1])):
        low = max(int(np.floor(values.min())) - _MARGIN, 0)
        high = min(int(np.ceil(values.max())) + _MARGIN + 1, length)
        if low >= high:
            return None
        found.append(slice(low, high))
    return found[0], found[1]


class _Grid:
    """The way from one grid to another."""

    def __init__(self, wcs: WCS, to_wcs: WCS, shape: tuple[int, int], method: str) -> None:
        self.wcs, self.to_wcs, self.shape, self.method = wcs, to_wcs, shape, method
        y, x = (np.linspace(0.0, max(n - 1.0, 1.0), _NODES) for n in shape)
        at = np.meshgrid(x, y)
        right, up = (at[0] + 0.5, at[1]), (at[0], at[1] + 0.5)
        left, down = (at[0] - 0.5, at[1]), (at[0], at[1] - 0.5)
        ends = [
            np.stack([np.asarray(v) for v in pixel_to_pixel(to_wcs, wcs, *place)])
            for place in (right, left, up, down)
        ]
        (xx, yx), (xy, yy) = ends[0] - ends[1], ends[2] - ends[3]
        scale = np.abs(xx * yy - xy * yx)
        spline = RectBivariateSpline(y, x, np.where(np.isfinite(scale), scale, 1.0), kx=3, ky=3)
        # Pixels of the image in one of the grid, and how far a pixel of the grid reaches there.
        self.area = np.asarray(spline(np.arange(shape[0]), np.arange(shape[1])), np.float64)
        self.reach = (float(np.nanmax(np.abs(yx) + np.abs(yy))),
                      float(np.nanmax(np.abs(xx) + np.abs(xy))))  # fmt: skip

    def spacing(self) -> tuple[int, int]:
        """Return how far apart pixels have to be for no kernel to meet two of them."""
        if self.method == "interp":
            return 2, 2
        # The kernels' widths in pixels of the grid, without tails that weigh nothing.
        width, own = {"adaptive": (3.2, 0.0), "hann": (1.8, 0.0), "exact": (0.95, 0.95)}[
            self.method
        ]
        first, second = (max(2, int(np.ceil(width * max(r, 1.0) + own))) for r in self.reach)
        return first, second

    def combs(self, image: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return images that are the image on a comb of pixels each, and zero elsewhere."""
        rows, columns = self.spacing()
        found = []
        for first in range(rows):
            for second in range(columns):
                comb = np.zeros_like(image)
                comb[first::rows, second::columns] = image[first::rows, second::columns]
                found.append(comb)
        return found

    def move(self, planes: list[Any]) -> list[NDArray[np.float64]]:
        """Resample images; beyond the edge of the image they are zero."""
        size = max(1, int(_AT_ONCE // max(planes[0].size, self.area.size)))
        if self.method == "exact":
            size = 1
        found: list[NDArray[np.float64]] = []
        for start in range(0, len(planes), size):
            stack = np.asarray(planes[start : start + size], np.float64)
            found += list(np.nan_to_num(self._reproject(stack)))
        return found

    def _reproject(self, stack: NDArray[np.float64]) -> NDArray[np.float64]:
        source = (stack, self.wcs)
        options: dict[str, Any] = {"shape_out": self.shape}
        if self.method == "interp":
            return reproject_interp(
                source, self.to_wcs, **options, roundtrip_coords=False, return_footprint=False
            )
        if self.method == "exact":
            moved, footprint = reproject_exact((stack[0], self.wcs), self.to_wcs, **options)
            return np.asarray(np.nan_to_num(moved) * footprint)[None]
        return reproject_adaptive(
            source, self.to_wcs, **options, roundtrip_coords=False, return_footprint=False,
            kernel="hann" if self.method == "hann" else "gaussian", boundary_mode="constant",
        )  # fmt: skip


def _flags(
    grid: _Grid,
    dq: NDArray[np.uint32],
    good: NDArray[np.bool_],
    some: NDArray[np.bool_],
    no_data: int,
) -> NDArray[np.uint32]:
    """Return the flags of the good pixels that went into each; of all, where there is no data."""
    result = np.where(some, 0, no_data).astype(np.uint32)
    present = int(np.bitwise_or.reduce(dq, axis=None))
    bits = [1 << n for n in range(32) if present >> n & 1]
    for usable, where in ((good, some), (~good, ~some)):
        told = [bit for bit in bits if np.any(usable & ((dq & np.uint32(bit)) != 0))]
        planes = [usable & ((dq & np.uint32(bit)) != 0) for bit in told]
        for bit, plane in zip(told, grid.move(planes) if planes else [], strict=True):
            result[where & (plane > _TOLD)] |= np.uint32(bit)
    return result
