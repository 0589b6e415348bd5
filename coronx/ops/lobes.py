"""Flux maps without the lobes of bright companions, which look like further ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coronx.ops.detection import FARTHEST, NEAREST, searched_region
from coronx.ops.flux_map import FluxMap
from coronx.ops.ring_noise import Masked, flux_noise, masked_places
from coronx.ops.summit import peaks

__all__ = ["Cleared", "clear_lobes"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Without = Callable[[Sequence[tuple[float, float]]], FluxMap]

_LOBE = 3.0  # sigmas of a lobe that matters
_LEFT = 0.5  # of the square of what is there, if what is taken out was there
_TRIED = 5  # peaks in a row that have no such lobes


@dataclass(frozen=True)
class Cleared:
    """A flux map without lobes.

    Attributes
    ----------
    flux_map : FluxMap
        Bright companions are in it as far as 1.5 FWHM.
    places : tuple of (east, north)
        Theirs in arcsec, in descending brightness.
    """

    flux_map: FluxMap
    places: tuple[tuple[float, float], ...]


def clear_lobes(
    flux_map: FluxMap,
    without: Without,
    *,
    fwhm: float,
    inner: float | None = None,
    outer: float = np.inf,
    masked: Masked = (),
    robust: bool = False,
) -> Cleared:
    """Take the light of bright companions out of a flux map, but for their cores.

    A companion of a hundred times the noise has lobes that pass for others, and for a heavy tail
    of the noise that hides the companion itself. The highest peak is tried first, then, in the map
    without it, the next. Light is taken out if it has lobes above three sigma farther than 5 FWHM
    from the peak and they are in the map: without them less than half of the sum of squares is
    left there. A map without such peaks is returned as it is.

    Parameters
    ----------
    flux_map : FluxMap
        The map.
    without : callable
        Returns the map without the sources at some places (east, north) in arcsec, the brightest
        first; see `remove_companions`.
    fwhm : float
        Of the PSF in arcsec.
    inner, outer, masked, robust
        As in `find_candidates`.

    Returns
    -------
    Cleared
    """
    grid, correlation = flux_map.grid, flux_map.correlation
    region = searched_region(grid, fwhm=fwhm, inner=inner, outer=outer)
    bright: list[tuple[float, tuple[float, float], FluxMap]] = []
    now = flux_map
    while True:
        circles = [(*place, FARTHEST * fwhm) for _, place, _ in bright]
        noise = flux_noise(now, fwhm=fwhm, masked=[*masked, *circles], robust=robust)
        t = noise.t(now.flux)
        searched = region & ~masked_places(grid, circles) & np.isfinite(t)
        found = None
        for row, col in peaks(t, searched)[:_TRIED]:
            if t[row, col] <= 0.0 or correlation.extent(1.0 / t[row, col]) <= FARTHEST * fwhm:
                break
            place = grid.offsets(row, col)
            flux = float(flux_map.flux[row, col])
            known = sorted([*((f, p) for f, p, _ in bright), (flux, place)], reverse=True)
            less = without([p for _, p in known])
            around = [*circles, (*place, FARTHEST * fwhm)]
            noise = flux_noise(less, fwhm=fwhm, masked=[*masked, *around], robust=robust)
            beyond = region & ~masked_places(grid, around)
            if _has_lobes(now, less, noise.sigma * np.sqrt(noise.spread), beyond):
                found = flux, place, now
                now = less
                break
        if found is None:
            break
        bright.append(found)
    if not bright:
        return Cleared(flux_map, ())
    values = now.flux.copy()
    for _, place, having in bright:
        core = masked_places(grid, [(*place, NEAREST * fwhm)])
        values[core] = having.flux[core]
    bright.sort(key=lambda one: -one[0])
    return Cleared(replace(flux_map, flux=values), tuple(place for _, place, _ in bright))


def _has_lobes(now: FluxMap, less: FluxMap, sigma: Array, beyond: Mask) -> bool:
    """Return whether what was taken out has lobes that matter, and they were there."""
    known = beyond & np.isfinite(sigma) & np.isfinite(now.flux) & np.isfinite(less.flux)
    taken = (now.flux[known] - less.flux[known]) / sigma[known]
    lobes = np.abs(taken) > _LOBE
    before, after = ((each.flux[known] / sigma[known])[lobes] for each in (now, less))
    return bool(lobes.any()) and float(after @ after) < _LEFT * float(before @ before)
