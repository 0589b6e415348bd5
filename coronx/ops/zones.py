"""Zones of a frame, each with a star model of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Zone", "annular_zones", "whole_frame"]

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Zone:
    """A part of the frame.

    Attributes
    ----------
    fit : ndarray of bool (ny, nx)
        Pixels over which the star model is fitted.
    subtract : ndarray of bool (ny, nx)
        Pixels from which it is subtracted; all of them are in `fit`.
    radius : float
        Mean distance of `subtract` from the star in pixels; 0 for the whole frame.
    """

    fit: Mask
    subtract: Mask
    radius: float


def whole_frame(shape: tuple[int, int]) -> tuple[Zone, ...]:
    """Return the one zone that is the whole frame, of `shape` (ny, nx)."""
    return (Zone(np.ones(shape, bool), np.ones(shape, bool), 0.0),)


def annular_zones(
    shape: tuple[int, int],
    center: tuple[float, float],
    *,
    edges: Sequence[float],
    sectors: int = 1,
    padding: float = 0.0,
    smallest: float | None = None,
) -> tuple[Zone, ...]:
    """Cut a frame into annuli about the star, and these into sectors.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx).
    center : tuple of float
        0-based (x, y) of the star.
    edges : sequence of float
        Radii in pixels at which the frame is cut, ascending. What lies within the first is an
        annulus too, and so is what lies beyond the last, out to the corners: n edges (0 not
        counted) make n + 1 annuli.
    sectors : int
        Equal sectors of each annulus. The first begins at +x; the angle grows towards +y.
    padding : float
        Pixels by which `fit` is wider than `subtract` on each side, along the radius and
        along the arc.
    smallest : float, optional
        Width of a resolution element (lambda/D or FWHM) in pixels. No zone may have less than
        its area; one of which the frame's edge leaves less than half of that is joined to the
        one within it.

    Returns
    -------
    tuple of Zone
        From the inside out, by sectors; zones outside the frame are left out. Every
        pixel of the frame is in exactly one `subtract`.

    Raises
    ------
    ValueError
        If the edges do not increase or are negative, there is less than one sector, the
        centre, `padding` or `smallest` makes no sense, or a zone is smaller than a
        resolution element.
    """
    cuts = _cuts(center, edges, sectors, padding)
    least = _area(smallest)
    _check_sizes(cuts, sectors, least)
    y, x = np.indices(shape)
    x, y = x - center[0], y - center[1]
    radius = np.hypot(x, y)
    turn = (np.arctan2(y, x) / (2.0 * np.pi)) % 1.0
    ring = np.searchsorted(cuts[1:-1], radius, side="right")
    sector = np.minimum((turn * sectors).astype(int), sectors - 1)
    owner = _owners(ring * sectors + sector, len(cuts) - 1, sectors, least)
    label = owner[ring * sectors + sector]
    wide = [(radius >= low - padding) & (radius <= high + padding) for low, high in pairwise(cuts)]
    near = [_near_sector(radius, turn, k, sectors, padding) for k in range(sectors)]
    zones: list[Zone] = []
    for own in np.unique(label):
        subtract = label == own
        fit = subtract.copy()
        for cell in np.flatnonzero(owner == own):
            fit |= wide[cell // sectors] & near[cell % sectors]
        zones.append(Zone(fit, subtract, float(radius[subtract].mean())))
    return tuple(zones)


def _cuts(
    center: tuple[float, float], edges: Sequence[float], sectors: int, padding: float
) -> list[float]:
    """Return all edges of the annuli, from 0 to infinity."""
    given = [float(edge) for edge in edges]
    if not all(np.isfinite(given)) or any(edge < 0.0 for edge in given):
        raise ValueError(f"edges of the annuli {given}; give finite radii in pixels, 0 or more")
    if any(high <= low for low, high in pairwise(given)):
        raise ValueError(f"edges of the annuli {given}; give radii that increase")
    if sectors < 1:
        raise ValueError(f"{sectors} sectors; give 1 or more")
    if not 0.0 <= padding < np.inf:
        raise ValueError(f"padding of {padding} pixels; give 0 or more")
    if not np.isfinite(center).all():
        raise ValueError(f"the star is at {center}; give its finite 0-based (x, y)")
    return [0.0, *(edge for edge in given if edge > 0.0), np.inf]


def _area(smallest: float | None) -> float:
    """Return the area of a resolution element; 0 if none is given."""
    if smallest is None:
        return 0.0
    if not 0.0 < smallest < np.inf:
        raise ValueError(f"a resolution element of {smallest} pixels; give a positive width")
    return 0.25 * np.pi * smallest**2


def _check_sizes(cuts: list[float], sectors: int, least: float) -> None:
    for low, high in pairwise(cuts):
        area = np.pi * (high - low) * (high + low) / sectors
        if area < least:
            raise ValueError(
                f"{sectors} sectors between {low:g} and {high:g} pixels have {area:.3g} pixels "
                f"each, a resolution element has {least:.3g}; give wider annuli or fewer sectors"
            )


def _owners(cells: NDArray[np.int_], rings: int, sectors: int, least: float) -> NDArray[np.int_]:
    """Return for each cell the one that it is part of, itself or one within it."""
    owner = np.arange(rings * sectors)
    count = np.bincount(cells.ravel(), minlength=owner.size)
    # From the outside in, so that crumbs add up.
    for cell in range(owner.size - 1, -1, -1):
        inner = cell - sectors
        if not 0 < count[cell] < 0.5 * least:  # half: pixels come whole
            continue
        if inner < 0 or count[inner] == 0:
            raise ValueError(
                f"the frame's edge leaves {count[cell]} pixels of a zone, a resolution element has "
                f"{least:.3g}; give wider annuli or fewer sectors"
            )
        count[inner] += count[cell]
        owner[owner == cell] = inner
    return owner


def _near_sector(radius: Array, turn: Array, number: int, sectors: int, padding: float) -> Mask:
    """Return where the arc to a sector is no longer than `padding`."""
    half = 0.5 / sectors
    away = np.abs((turn - (number + 0.5) / sectors + 0.5) % 1.0 - 0.5) - half
    return 2.0 * np.pi * radius * away <= padding
