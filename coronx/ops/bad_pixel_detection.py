"""Find bad pixels in images by their neighbours."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.bad_pixel_search import Limits, search_image
from coronx.ops.bad_pixel_transients import masked_median

__all__ = ["detect_spatial"]

_STACK = 3  # integrations whose median is looked at first
_FINEST = 0.5  # of an integration's error: what is less off does no harm
_DIFFERS = 0.6  # of the threshold: less is no difference from the median
_TILE = 16  # pixels: side of the areas in which noise is measured
_QUIET = 0.25  # of the areas, taken to be without structure
_MAD = 1.4826  # to the sigma of a Gaussian

_Floats = NDArray[np.float32]


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
        What a point source can do is taken this many times.

    Returns
    -------
    ndarray of bool (n, ny, nx)
        Pixels found.

    Notes
    -----
    Three conditions, the method is our own. A pixel is bad when it differs from the weighted
    mean of its neighbours by more than the threshold; when its height above the level around
    exceeds the weighted sum of its neighbours' heights that no sum of point sources exceeds,
    `guard` times; and when it stands above the mean of its two sides along each of eight ways,
    by a larger share of its height than the finest speckle does. By the last, ridges one
    pixel wide are scene: spikes and fringes are as narrow as the full pupil allows. Dark
    pixels likewise. A second time the neighbours that are about as high are left out, up to
    three, so that clusters are found; not in bright surroundings, where three pixels in a
    row may be a ridge. The worst pixels are taken first, then those around are looked at
    without them. Pixels that are bad in every integration are looked for in the median of
    three or more; then each integration is looked at where it differs from the median.
    """
    limits = Limits(sigma, neg_sigma, guard)
    good = usable & np.isfinite(images)
    found = np.zeros(images.shape, dtype=bool)
    values = np.where(good, images, np.nan).astype(np.float32)
    noise = values.copy()
    for plane, pair in enumerate(zip(values, err, strict=True)):
        noise[plane] = _noise(*pair)
    typical: _Floats | None = None
    if len(images) >= _STACK:
        typical = masked_median(values, good).astype(np.float32)
        share = np.sqrt(0.5 * np.pi / np.maximum(good.sum(axis=0), 1))
        least = noise.mean(axis=0) * np.clip(share, _FINEST, 1.0).astype(np.float32)
        found |= search_image(typical, least, limits, fwhm=fwhm) & good
        values[found] = np.nan
    for plane, (image, error) in enumerate(zip(values, noise, strict=True)):
        look = None
        if typical is not None:
            look = np.abs(image - typical) > _DIFFERS * min(sigma, neg_sigma) * error
        found[plane] |= search_image(image, error, limits, fwhm=fwhm, look=look)
    return found


def _noise(image: _Floats, err: NDArray[np.floating]) -> _Floats:
    """Return the errors, all of them larger if the quiet areas scatter by more."""
    known = np.isfinite(err) & (err > 0)
    noise = err.astype(np.float32)
    if not known.all():
        noise[~known] = np.median(err[known]) if known.any() else 1.0
    ny, nx = (side // _TILE * _TILE for side in image.shape)
    bend = image[:ny:4, 1 : nx - 1] - 0.5 * (image[:ny:4, : nx - 2] + image[:ny:4, 2:nx])
    bend = np.abs(bend) / noise[:ny:4, 1 : nx - 1]
    bend = np.pad(bend, ((0, 0), (1, 1)), constant_values=np.nan)
    tiles = bend.reshape(ny // _TILE, _TILE // 4, nx // _TILE, _TILE).swapaxes(1, 2)
    tiles = np.sort(tiles.reshape(-1, _TILE**2 // 4), axis=1)
    count = np.isfinite(tiles).sum(axis=1)
    middle = np.take_along_axis(tiles, count[:, None] // 2, axis=1)[count > _TILE, 0]
    scale = _MAD / np.sqrt(1.5) * float(np.quantile(middle, _QUIET)) if middle.size else 1.0
    return noise * np.float32(max(scale, 1.0) if known.any() else scale or 1.0)
