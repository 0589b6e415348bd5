"""Find bad pixels in images by their neighbours."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.bad_pixel_search import Limits, Search
from coronx.ops.bad_pixel_transients import masked_median
from coronx.ops.prediction import predictor

__all__ = ["detect_spatial"]

_STACK = 3  # integrations whose median is looked at first
_FINEST = 0.5  # of an integration's error: what is less off does no harm


def detect_spatial(
    images: NDArray[np.floating],
    err: NDArray[np.floating],
    usable: NDArray[np.bool_],
    *,
    fwhm: float,
    sigma: float = 3.8,
    neg_sigma: float = 4.0,
    guard: float = 1.25,
) -> NDArray[np.bool_]:
    """Find pixels that no scene behind the telescope could have, given their neighbours.

    Parameters
    ----------
    images, err : ndarray (n, ny, nx)
        Images and their 1-sigma errors. Errors that are not positive are replaced by the
        median of the others; without any, by the scatter of the image.
    usable : ndarray of bool (n, ny, nx)
        Pixels to look at and to learn from; those that are not finite are left out too.
    fwhm : float
        Full width at half maximum of the PSF in pixels.
    sigma, neg_sigma : float
        Thresholds for pixels too bright and too dark.
    guard : float
        The largest error of a prediction that a point source can cause is taken this many
        times.

    Returns
    -------
    ndarray of bool (n, ny, nx)
        Pixels found.

    Notes
    -----
    A pixel is bad when its difference from the value predicted by its neighbours (see
    `coronx.ops.prediction`) exceeds the threshold, and also exceeds what the sharpest source
    that fits the neighbours could add. Where the neighbours stand out from the noise the
    second follows from their contrast; where they do not, from their weighted sum above the
    level around. Predictions are made from all neighbours, and with clusters of 2x2, 1x3 and
    3x1 pixels left out. The noise is ERR times the scatter measured in tiles, where that is
    larger. The worst pixels are taken first, then the others are looked at without them; at
    the end each is tested again, all others being known. Pixels that are bad in every
    integration are looked for in the median of three or more, where the noise is less.
    """
    model = predictor(round(float(fwhm), 2))
    limits = Limits(sigma, neg_sigma, guard)
    good = usable & np.isfinite(images)
    found = np.zeros(images.shape, dtype=bool)
    if len(images) >= _STACK:
        typical = masked_median(images, good)
        share = np.sqrt(0.5 * np.pi / np.maximum(good.sum(axis=0), 1))
        noise = masked_median(err, good) * np.clip(share, _FINEST, 1.0)
        found |= Search(typical, noise, np.asarray(good.any(axis=0)), model, limits).run() & good
    for plane in range(len(images)):
        rest = good[plane] & ~found[plane]
        found[plane] |= Search(images[plane], err[plane], rest, model, limits).run()
    return found
