"""STIM maps: mean over standard deviation of frames that were turned to the same north."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import SubtractedFrames
from coronx.ops.gaps import fill_frame

__all__ = ["Stim", "derotated", "stim", "stim_map"]

Array = NDArray[np.float64]

_TURNED = 0.5  # pixels at the grid's edge; frames turned by less are not turned


@dataclass(frozen=True)
class Stim:
    """A STIM map with the one that no companion can be in.

    Attributes
    ----------
    map : ndarray (n, n)
        Mean over standard deviation of the derotated frames; NaN where fewer than two have a pixel.
    inverse : ndarray (n, n)
        The same of frames turned the other way; all NaN where frames were not turned, or by
        the same angle.
    threshold : float
        Largest value of `inverse`, NaN without it: what noise alone reaches.
    """

    map: Array
    inverse: Array
    threshold: float


def stim_map(frames: Array) -> Array:
    """Return mean over standard deviation of each pixel's values.

    Parameters
    ----------
    frames : ndarray (n, ny, nx)
        Derotated residuals, NaN where bad.

    Returns
    -------
    ndarray (ny, nx)
        NaN where fewer than two values are finite or they do not scatter.
    """
    good = np.isfinite(frames)
    count = good.sum(axis=0)
    some = np.maximum(count, 1)
    mean = frames.sum(axis=0, where=good) / some
    deviation = np.where(good, frames - mean, 0.0)
    scatter = np.sqrt((deviation**2).sum(axis=0) / some)
    usable = (count > 1) & (scatter > 0.0)
    return np.divide(mean, scatter, out=np.full(mean.shape, np.nan), where=usable)


def stim(
    parts: Sequence[SubtractedFrames],
    grid: FluxGrid,
    *,
    inner: float = 0.0,
    outer: float = np.inf,
) -> Stim:
    """Make the STIM map of all frames of a star, and its threshold.

    What stays with the sky has a large mean for its scatter; speckles, whose values follow a
    modified Rician and not a Gaussian, have not (Pairet et al. 2019, MNRAS 487, 2262). Frames
    turned the other way have the same speckles and smear every companion, so that their largest
    value is what noise can reach.

    Parameters
    ----------
    parts : sequence of SubtractedFrames
        Exposures.
    grid : FluxGrid
        Where to make the map.
    inner, outer : float
        Separations in arcsec between which the threshold is looked for.

    Returns
    -------
    Stim
        Values are those of pixels; frames are interpolated by cubic splines.
    """
    found = stim_map(derotated(parts, grid))
    inverse = np.full(grid.shape, np.nan)
    limit = np.nan
    matrices = np.concatenate([part.matrices for part in parts])
    spread = np.abs(matrices - matrices[0]).sum(axis=2).max() * grid.half * grid.scale
    if spread > _TURNED:
        inverse = stim_map(derotated(parts, grid, inverse=True))
        ring = (grid.separation >= inner) & (grid.separation <= outer) & np.isfinite(inverse)
        limit = float(inverse[ring].max()) if ring.any() else np.nan
    return Stim(found, inverse, limit)


def derotated(parts: Sequence[SubtractedFrames], grid: FluxGrid, *, inverse: bool = False) -> Array:
    """Return all frames on a grid about the star, north up; or turned the other way.

    Parameters
    ----------
    parts : sequence of SubtractedFrames
        Exposures.
    grid : FluxGrid
        North up, east left.
    inverse : bool
        Turn each frame by the same angle, from the first one's orientation, in the
        opposite direction.

    Returns
    -------
    ndarray (n, ny, nx)
        NaN beyond the frames and at bad pixels.
    """
    first = parts[0].matrices[0]
    offsets = np.stack([grid.east, grid.north])
    out: list[Array] = []
    for part in parts:
        for residual, matrix in zip(part.residual, part.matrices, strict=True):
            turned = first @ np.linalg.inv(matrix) @ first if inverse else matrix
            x, y = np.tensordot(turned, offsets, 1)
            at = np.stack([y + part.star[1], x + part.star[0]])
            bad = ~np.isfinite(residual)
            whole = (
                fill_frame(residual, np.ones(residual.shape), bad).data if bad.any() else residual
            )
            image = np.asarray(map_coordinates(whole, at, order=3, cval=np.nan))
            lost = np.asarray(map_coordinates(bad.astype(np.float64), at, order=1, cval=1.0))
            image[lost > 0.5] = np.nan
            out.append(image)
    return np.array(out)
