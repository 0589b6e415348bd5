"""Which share of a point source's flux a linear PSF subtraction leaves."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coronx.ops.fourier import forward, inverse
from coronx.ops.zone_fit import ZoneFit

__all__ = ["Correlator", "kept_share"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Correlator:
    """Correlation of images with a small kernel: value q is the sum of image times kernel at q.

    In single precision, by Fourier transforms of frames padded so that nothing wraps round.

    Parameters
    ----------
    kernel : ndarray (odd, odd)
        Centred on its middle pixel.
    shape : tuple of int
        (ny, nx) of the images.
    """

    def __init__(self, kernel: NDArray[np.floating], shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._half = tuple(size // 2 for size in kernel.shape)
        self._padded = tuple(
            cast("int", scipy.fft.next_fast_len(n + h, real=True))
            for n, h in zip(shape, self._half, strict=True)
        )
        whole = np.zeros(self._padded, np.float32)
        whole[: kernel.shape[0], : kernel.shape[1]] = kernel
        whole = np.roll(whole, (-self._half[0], -self._half[1]), axis=(0, 1))
        self._spectrum: NDArray[Any] = np.conj(forward(whole))

    def __call__(self, image: NDArray[np.floating]) -> Single:
        """Return the correlation at every pixel, (ny, nx)."""
        return self.of(self.transform(image))

    def transform(self, image: NDArray[np.floating]) -> NDArray[Any]:
        """Return the transform of an image, which others padded alike can use."""
        padded = np.zeros(self._padded, np.float32)
        padded[: self._shape[0], : self._shape[1]] = image
        return forward(padded)

    def of(self, transform: NDArray[Any]) -> Single:
        """Return the correlation, (ny, nx), of an image that is already transformed."""
        found = inverse(transform * self._spectrum, self._padded)
        return cast("Single", found[: self._shape[0], : self._shape[1]])


def kept_share(
    zones: Sequence[ZoneFit],
    kernel: NDArray[np.floating],
    good: Mask,
    *,
    weights: NDArray[np.floating] | None = None,
) -> Array:
    """Return <f, (I - P) p> / <f, p> for a PSF p, and a filter f, at every pixel of a frame.

    The sum over modes of the products of two correlations, that of the PSF with the mode where
    it is fitted and that of the filter where it is subtracted, is what the subtraction takes. It is
    exact for a PSF that lies across zones, too, and at a frame's edge, where it is cut.

    Parameters
    ----------
    zones : sequence of ZoneFit
        The fits of targets with the same references.
    kernel : ndarray (odd, odd)
        The PSF, centred on its middle pixel.
    good : ndarray of bool (ny, nx)
        Pixels that take part.
    weights : ndarray (odd, odd), optional
        The filter, as large as the PSF, which it is by default.

    Returns
    -------
    ndarray (ny, nx)
        NaN where no good pixel lies under the filter.
    """
    own = kernel if weights is None else weights
    correlate, both = Correlator(kernel, good.shape), Correlator(own * kernel, good.shape)
    filtered = correlate if weights is None else Correlator(weights, good.shape)
    taken = np.zeros(good.shape, np.float32)
    subtracted = np.zeros(good.size, bool)
    frame = np.zeros(good.size, np.float32)
    for zone in zones:
        basis = zone.basis
        if basis is None or np.isnan(zone.coefficients[-1]).any():
            continue
        subtracted[zone.area] = True
        for fitted, mode in zip(basis.fit_modes, basis.modes, strict=True):
            frame[basis.fit] = fitted
            transform = correlate.transform(frame.reshape(good.shape))
            light = correlate.of(transform)
            frame[basis.fit] = 0.0
            if basis.fit is basis.area:
                taken += light * (light if weights is None else filtered.of(transform))
                continue
            frame[basis.area] = mode * good.ravel()[basis.area]
            taken += light * filtered(frame.reshape(good.shape))
            frame[basis.area] = 0.0
    total = both((good.ravel() & subtracted).reshape(good.shape).astype(np.float32))
    least = 1e-3 * float((own * kernel).sum())
    share = 1.0 - taken / np.where(total > least, total, np.nan)
    return share.astype(np.float64)
