"""Find bad pixels by gradients that are too sharp for the PSF."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coronx.ops.prediction import OFFSETS, contrast

__all__ = ["detect_gradients"]

_SIDES = np.array([(0, 1), (0, -1), (1, 0), (-1, 0)])
_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
_SHARP = 0.9  # cores of diffraction-limited images are narrower than lambda/D
_FEWEST = 3  # sides
_Kind = TypeVar("_Kind", np.float64, np.bool_)


def detect_gradients(
    images: NDArray[np.floating],
    err: NDArray[np.floating],
    usable: NDArray[np.bool_],
    *,
    fwhm: float,
    sigma: float = 5.0,
    guard: float = 1.25,
) -> NDArray[np.bool_]:
    """Find pixels from which the image falls, or rises, too steeply to every side.

    Parameters
    ----------
    images, err : ndarray (n, ny, nx)
        Images and their 1-sigma errors.
    usable : ndarray of bool (n, ny, nx)
        Pixels to look at; those that are not finite are left out too.
    fwhm : float
        Full width at half maximum of the PSF in pixels.
    sigma : float
        Threshold in errors of a difference of two pixels.
    guard : float
        The steepest fall of a point source is taken this many times.

    Returns
    -------
    ndarray of bool (n, ny, nx)
        Pixels found: single ones; of clusters only tips stand out to every side.

    Notes
    -----
    The least of the four differences to the adjacent pixels, all of one sign, is compared
    with its error and with the least difference of a point source of the same contrast in
    the 5x5 pixels around, at the phase where that is largest. The method is our own; the
    differences are those of Laplacian edge detection (van Dokkum 2001, PASP 113, 1420), taken
    one by one so that a flank never counts.
    """
    steepest = guard * _steepest(fwhm)
    found = np.zeros(images.shape, dtype=bool)
    good = usable & np.isfinite(images) & np.isfinite(err)
    for plane, (image, noise, ok) in enumerate(zip(images, err, good, strict=True)):
        values = np.pad(np.where(ok, image, 0.0).astype(np.float64), 2)
        square = np.pad(np.where(ok, noise, 0.0).astype(np.float64) ** 2, 2)
        there = np.pad(ok, 2)
        fall = np.stack([_moved(values, *side) for side in _SIDES])
        beside = np.stack([_moved(there, *side) for side in _SIDES])
        spread = np.stack([_moved(square, *side) for side in _SIDES])
        fall = np.where(ok, image, 0.0) - fall
        limit = sigma * np.sqrt(_moved(square, 0, 0) + spread)
        enough = ok & (beside.sum(axis=0) >= _FEWEST)
        for sign in (1.0, -1.0):
            sharp = enough & (~beside | (sign * fall > limit)).all(axis=0)
            rows, cols = np.nonzero(sharp)
            y, x = rows[:, None] + 2 + OFFSETS[:, 0], cols[:, None] + 2 + OFFSETS[:, 1]
            least = np.where(beside, sign * fall, np.inf).min(axis=0)[rows, cols]
            allowed = steepest * contrast(values[y, x], there[y, x])
            over = least > allowed + limit.max(axis=0)[rows, cols]
            found[plane, rows[over], cols[over]] = True
    return found


def _moved(padded: NDArray[_Kind], dy: int, dx: int) -> NDArray[_Kind]:
    ny, nx = padded.shape
    return padded[2 + dy : ny - 2 + dy, 2 + dx : nx - 2 + dx]


def _steepest(fwhm: float) -> float:
    """Return the largest least fall of a point source over the contrast of its neighbours."""
    axis = np.arange(-0.5, 0.51, 0.1)
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    width = (_SHARP * fwhm / _FWHM) ** 2

    def light(offsets: NDArray[np.int_]) -> NDArray[np.float64]:
        return np.exp(-0.5 * ((offsets - places[:, None]) ** 2).sum(axis=-1) / width)

    middle = light(np.zeros((1, 2), dtype=int))
    least = (middle - light(_SIDES)).min(axis=1)
    around = light(OFFSETS)
    return float((least / contrast(around, np.ones(around.shape, dtype=bool))).max())
