"""How much of an extended source's flux mask and subtraction leave, and where."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Share", "shares", "together"]

Array = NDArray[np.float64]
Region = Literal["frame", "aperture", "ring"]

_DARK = 1e-6  # share of the brightest ring's flux below which a ring has no throughput


@dataclass(frozen=True)
class Share:
    """What is left of a source in a region.

    Attributes
    ----------
    region : {"frame", "aperture", "ring"}
        What it is: the whole frame, where the source is bright, or a ring about the star.
    inner, outer : float
        Radii of a ring; 0 and the farthest pixel of other regions.
    pixels : float
        Good pixels, mean of the frames.
    free, light, left : float
        Flux without mask, behind the mask, and after the subtraction, mean of the frames.
    matched : float
        Least-squares factor by which the source behind the mask fits what is left of it, without a
        level, over all frames.
    frames : int
        How many frames it is the mean of.
    """

    region: Region
    inner: float
    outer: float
    pixels: float
    free: float
    light: float
    left: float
    matched: float
    frames: int

    @property
    def transmission(self) -> float:
        """What the mask leaves."""
        return self.light / self.free if self.free else float("nan")

    @property
    def throughput(self) -> float:
        """What the subtraction leaves of that, as a sum over pixels."""
        return self.left / self.light if self.light else float("nan")

    @property
    def total(self) -> float:
        """What both leave."""
        return self.left / self.free if self.free else float("nan")


def shares(
    free: Array,
    light: Array,
    left: Array,
    radius: Array,
    *,
    edges: Sequence[float],
    aperture: float = 0.1,
) -> list[Share]:
    """Return the flux of a source in the frame, where it is bright, and in rings about the star.

    Parameters
    ----------
    free, light, left : ndarray (n, ny, nx)
        The source convolved with the PSF; behind the mask; and after the subtraction. Pixels
        that are NaN in `left` are counted in none.
    radius : ndarray (n, ny, nx)
        Distance from the star.
    edges : sequence of float
        Radii at which rings end, ascending from 0.
    aperture : float
        The aperture is where the source behind the mask is brighter than this share of its peak.

    Returns
    -------
    list of Share
        The frame, the aperture, then the rings. Fluxes of a ring that has next to none are NaN.
    """
    good = np.isfinite(left)
    peak = light.max(axis=(1, 2), keepdims=True)
    bright = good & (light > aperture * peak) & (peak > 0)
    far = float(radius.max())
    regions: list[tuple[Region, float, float, NDArray[np.bool_]]] = [
        ("frame", 0.0, far, good),
        ("aperture", 0.0, far, bright),
        *(("ring", a, b, good & (radius >= a) & (radius < b)) for a, b in pairwise(edges)),
    ]
    count = len(left)
    found = [
        Share(
            name,
            inner,
            outer,
            pixels=float(inside.sum()) / count,
            free=float(free[inside].sum()) / count,
            light=float(light[inside].sum()) / count,
            left=float(left[inside].sum()) / count,
            matched=_matched(light[inside], left[inside]),
            frames=count,
        )
        for name, inner, outer, inside in regions
    ]
    least = _DARK * max((abs(share.free) for share in found[2:]), default=0.0)
    return [
        share if share.region != "ring" or abs(share.light) > least else _dark(share)
        for share in found
    ]


def together(exposures: Sequence[Sequence[Share]]) -> list[Share]:
    """Return the shares of several exposures together, each weighted by its frames.

    So is `Share.matched`, which is a mean then.
    """
    combined = []
    for same in zip(*exposures, strict=True):
        weights = np.array([share.frames for share in same], float)
        frames = int(weights.sum())
        values = np.array([(s.pixels, s.free, s.light, s.left, s.matched) for s in same])
        known = np.isfinite(values).all(axis=1)
        mean = [float("nan")] * 5
        if known.any():
            mean = np.average(values[known], axis=0, weights=weights[known]).tolist()
        first = same[0]
        outer = max(share.outer for share in same)
        pixels, free, light, left, matched = mean
        combined.append(
            Share(first.region, first.inner, outer, pixels, free, light, left, matched, frames)
        )
    return combined


def _dark(share: Share) -> Share:
    nan = float("nan")
    return replace(share, free=nan, light=nan, left=nan, matched=nan)


def _matched(light: Array, left: Array) -> float:
    square = float(np.vdot(light, light))
    return float(np.vdot(light, left)) / square if square else float("nan")
