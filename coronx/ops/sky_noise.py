"""Measure the noise of blank sky, to compare it with the errors that are claimed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.stats import SigmaClip, mad_std
from numpy.typing import NDArray
from photutils.background import Background2D
from scipy.ndimage import binary_dilation, uniform_filter

from coronx.ops.plane_fit import boxes, plane_residuals

__all__ = ["SkyNoise", "measure_sky_noise"]

_BOX = 48  # pixels a side of the mesh: wider than stars
_SOURCE = 2.5  # sigma of 3x3 means, above which a pixel is a source
_GROW = 6  # pixels by which sources are grown, for their wings
_FEWEST = 1000  # pixels


@dataclass(frozen=True)
class SkyNoise:
    """Scatter of blank sky.

    Attributes
    ----------
    sigma : float
        Standard deviation of the pixels, in the image's unit.
    ratio : float
        Standard deviation of the pixels over their errors: 1 where those are right, NaN
        without errors.
    pixels : int
        Number of pixels that were measured.
    """

    sigma: float
    ratio: float
    pixels: int


def measure_sky_noise(
    data: NDArray[np.floating],
    err: NDArray[np.floating] | None,
    bad: NDArray[np.bool_],
) -> SkyNoise:
    """Return the scatter of an image where no star is.

    Parameters
    ----------
    data : ndarray (ny, nx)
        Image.
    err : ndarray (ny, nx) or None
        1-sigma errors in the same unit.
    bad : ndarray of bool (ny, nx)
        Pixels to leave out, beside those that are not finite.

    Returns
    -------
    SkyNoise

    Raises
    ------
    ValueError
        If fewer than 1000 pixels are blank.

    Notes
    -----
    The sky is a mesh of clipped medians (`photutils.background.Background2D`); a source is what the
    mean of 3 x 3 pixels shows above it, grown. Of the rest, in boxes, a plane is taken out, and
    what is more than 4 sigma off.
    """
    good = ~bad & np.isfinite(data)
    if err is not None:
        good &= np.isfinite(err) & (err > 0)
    if np.count_nonzero(good) < _FEWEST:
        raise ValueError(f"only {np.count_nonzero(good)} good pixels, where {_FEWEST} are needed")
    filled = np.where(good, data, 0.0).astype(np.float64)
    box = (min(_BOX, data.shape[0]), min(_BOX, data.shape[1]))
    rest: NDArray[np.float64] = filled
    sources: NDArray[np.bool_] = np.zeros(good.shape, dtype=np.bool_)
    clip: Any = SigmaClip(3.0, maxiters=10)
    for _ in range(2):
        mesh = Background2D(
            filled,
            box,
            mask=sources & good,
            coverage_mask=~good,
            filter_size=3,
            exclude_percentile=90.0,
            sigma_clip=clip,
        )
        rest = np.where(good, filled - np.asarray(mesh.background), 0.0)
        smooth = np.asarray(uniform_filter(rest, 3))
        limit = _SOURCE * float(mad_std(smooth[good & ~sources]))
        sources = np.asarray(
            binary_dilation((smooth > limit) & good, iterations=_GROW), dtype=np.bool_
        )
    blank = good & ~sources
    if np.count_nonzero(blank) < _FEWEST:
        raise ValueError(f"only {np.count_nonzero(blank)} pixels of blank sky")
    both: list[NDArray[np.float64]] = []
    # Less the sky: errors follow the noise of their own pixel, and so would sky / err.
    for values in (rest, None if err is None else rest / np.where(good, err, 1.0)):
        if values is not None:
            parts = [plane_residuals(values[at], blank[at]) for at in boxes(data.shape, _BOX)]
            both.append(np.concatenate(parts))
    ratio = np.nan if err is None else float(np.std(both[1]))
    return SkyNoise(float(np.std(both[0])), ratio, int(np.count_nonzero(blank)))
