"""Fit images by columns that they share: an image, its slopes, and modes of expected size."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

__all__ = ["LinearFit"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_CLIP = 7.0  # standard deviations, of the residuals where these are larger than the errors


class LinearFit:
    """A linear fit, prepared for images that differ in what they show and in their bad pixels.

    An image is fitted by flux * (image + dx * slope_x + dy * slope_y + modes) + background. Bad
    pixels are taken out of the sums that all images share, which is exact.

    Parameters
    ----------
    columns : ndarray (k, npix)
        Image, background, slopes along x and y, modes, in this order.
    weight : ndarray (npix,)
        Inverse variance of each pixel.
    scale : float
        Flux for which the columns are.
    """

    def __init__(self, columns: Array, weight: Array, scale: float) -> None:
        self._columns = columns
        self._weight = weight
        self._scale = scale
        self._weighted = columns * weight
        prior = np.zeros(len(columns))
        # Modes are in units of the size that is expected of them.
        prior[4:] = 1.0
        self._normal = self._weighted @ columns.T + np.diag(prior)

    def solve(self, image: Array, bad: Mask) -> tuple[Array, Array, float, float]:
        """Return (dx, dy), their sigma, flux and root of the reduced chi square of an image."""
        found, left, sigma = self._once(image, bad)
        normal = left * np.sqrt(self._weight)
        used = normal[~bad]
        if not used.size:
            return found[2:4], np.full(2, np.nan), 0.0, np.nan
        wide = max(1.0, 1.4826 * float(np.median(np.abs(used))))
        wild = (np.abs(normal) > _CLIP * wide) & ~bad
        if 0 < wild.sum() < 0.05 * used.size:
            # Cosmic rays and hot pixels that no flag tells of.
            bad = bad | wild
            found, left, sigma = self._once(image, bad)
        freedom = max(int((~bad).sum()) - 4, 1)
        residual = float(np.sqrt((self._weight * left**2)[~bad].sum() / freedom))
        flux = float(found[0])
        with np.errstate(all="ignore"):
            step = found[2:4] / flux
            sigma = sigma * max(residual, 1.0) / abs(flux)
        return step, sigma, flux * self._scale, residual

    def _once(self, image: Array, bad: Mask) -> tuple[Array, Array, Array]:
        normal = self._normal
        hidden = np.flatnonzero(bad)
        if hidden.size:
            lost = self._columns[:, hidden]
            normal = normal - (lost * self._weight[hidden]) @ lost.T
        right = self._weighted @ np.where(bad, 0.0, image)
        try:
            factor = cho_factor(normal)
        except np.linalg.LinAlgError:
            return np.full(len(right), np.nan), np.zeros_like(image), np.full(2, np.nan)
        found = cho_solve(factor, right)
        units = np.zeros((len(right), 2))
        units[2, 0] = units[3, 1] = 1.0
        spread = cho_solve(factor, units)
        left = image - found @ self._columns
        return found, left, np.sqrt(np.array([spread[2, 0], spread[3, 1]]))
