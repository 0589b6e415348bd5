"""Repair bad pixels by what other integrations have."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.bad_pixel_transients import masked_median
from coronx.ops.prediction import OFFSETS

__all__ = ["finite_median", "repair_over_time"]

_NEAREST = 16  # integrations, nearest in time, that give the value of one
_FEW_NEIGHBOURS = 6  # that the local level of an integration needs
_MOST = 4_000_000  # values gathered at a time


def repair_over_time(
    images: NDArray[np.float64],
    err: NDArray[np.float64],
    usable: NDArray[np.bool_],
    left: NDArray[np.bool_],
) -> None:
    """Repair in place what other integrations have."""
    count = len(images)
    if count < 2:
        return
    offsets = np.concatenate([[(0, 0)], OFFSETS])
    wide = np.pad(np.where(usable, images, 0.0), ((0, 0), (2, 2), (2, 2)))
    there = np.pad(usable, ((0, 0), (2, 2), (2, 2)))
    error = np.pad(np.where(usable, err, np.nan), ((0, 0), (2, 2), (2, 2)), constant_values=np.nan)
    for plane in range(count):
        others = np.delete(np.arange(count), plane)
        others = others[np.argsort(np.abs(others - plane), kind="stable")][:_NEAREST]
        rows, cols = np.nonzero(left[plane] & usable[others].any(axis=0))
        block = max(1, _MOST // (25 * max(others.size, 1)))
        for start in range(0, rows.size, block):
            at = slice(start, start + block)
            y = rows[at][:, None] + 2 + offsets[:, 0]
            x = cols[at][:, None] + 2 + offsets[:, 1]
            # The neighbours' medians are over the same integrations as the pixel's own.
            good = there[others[:, None, None], y, x]
            good &= good[:, :, :1]
            typical = masked_median(wide[others[:, None, None], y, x], good)
            ok = np.isfinite(typical) & there[plane, y, x]
            ok[:, 0] = False
            noise = finite_median(error[plane, y, x][:, 1:])
            change = np.where(ok, wide[plane, y, x] - np.nan_to_num(typical), 0.0)
            found, miss = _change_at_middle(np.nan_to_num(typical), change, ok, noise)
            done = np.isfinite(typical[:, 0]) & (ok.sum(axis=1) >= _FEW_NEIGHBOURS)
            place = rows[at][done], cols[at][done]
            images[plane][place] = (typical[:, 0] + found)[done]
            err[plane][place] = np.fmax(miss, np.nan_to_num(noise))[done]
            left[plane][place] = False


def _change_at_middle(
    typical: NDArray[np.float64],
    change: NDArray[np.float64],
    ok: NDArray[np.bool_],
    noise: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what an integration has more than the others in the first column, and its error.

    The change around it is a level and a part in proportion to the brightness; the latter is
    held down where the brightness varies by less than the noise.
    """
    number = np.maximum(ok.sum(axis=1), 1)
    mean = (typical * ok).sum(axis=1) / number
    level = (change * ok).sum(axis=1) / number
    part = (typical - mean[:, None]) * ok
    own = np.nan_to_num(noise) ** 2
    slope = (part * (change - level[:, None])).sum(axis=1)
    slope /= (part**2).sum(axis=1) + 4.0 * number * own + np.finfo(float).tiny
    rest = (change - level[:, None] - slope[:, None] * part) * ok
    miss = np.sqrt((rest**2).sum(axis=1) / np.maximum(number - 2, 1))
    return level + slope * (typical[:, 0] - mean), miss


def finite_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of the finite values of each row; NaN where there is none."""
    return masked_median(values.T, np.isfinite(values.T))
