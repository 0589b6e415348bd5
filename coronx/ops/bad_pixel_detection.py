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


def detect_spatial(images, err, usable, *, fwhm, sigma=3.8, neg_sigma=4.0, guard=1.25):
    limits = Limits(sigma, neg_sigma, guard)
    good = usable & np.isfinite(images)
    found = np.zeros(images.shape, dtype=bool)
    values = np.where(good, images, np.nan).astype(np.float32)
    noise = np.stack([_noise(*pair) for pair in zip(values, err, strict=True)]) if len(values) else values
    typical = None
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
    """Return the errors, larger where they are smaller than the scatter of the image."""
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
