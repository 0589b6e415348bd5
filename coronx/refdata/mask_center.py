"""Where the occulter's hole is in a PSFMASK image, and how to move it.

PSFMASK files drawn before flight have the hole at the middle of the array, 10 to 15 pixels from
where the mask sits in flight; using one as it is weights the wrong pixels.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coronx.ops.peak import vertex
from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.transmission import footprint, is_bar, occulter

__all__ = ["find_hole", "recenter"]

# Below this correlation with the analytic occulter there is no hole to speak of.
_LEAST_CORRELATION = 0.5
_REFINEMENTS = 3
# Of a bar, only the part whose width varies is compared, in arcsec either side of the centre:
# the ends of the array may show the holder.
_BAR_REACH = 7.5
# Width in pixels of the surroundings from which the transmission about the hole is taken.
_RIM = 4.0


def find_hole(
    mask: NDArray[np.floating], mode: CoronagraphMode, *, search: int = 20
) -> tuple[float, float] | None:
    """Return where the occulter's hole is in a PSFMASK image.

    The place is the maximum of the normalised cross-correlation (Lewis 1995) of ``1 - mask`` with
    the analytic occulter, over whole-pixel offsets, then refined by a parabola through the
    correlation at neighbouring offsets. Field edges and corner blocks lie outside the window.

    Parameters
    ----------
    mask : ndarray
        (ny, nx), 1 = use, 0 = blocked; NaN counts as use.
    mode : CoronagraphMode
        The mode the mask belongs to.
    search : int
        How far from the mode's in-flight centre to look, in pixels.

    Returns
    -------
    tuple of float or None
        0-based (x, y) in pixels. For bars only y, across the bar, is measured and x is the mode's
        own. None where nothing resembles the occulter, as in an image that is constant, inverted,
        or whose hole is further than `search` away.

    Raises
    ------
    ValueError
        If the mask does not have the mode's shape, or `search` is less than 1.
    """
    if mask.shape != mode.shape:
        raise ValueError(f"The mask of {mode.name} has shape {mask.shape}, not {mode.shape}.")
    if search < 1:
        raise ValueError(f"search must be at least 1 pixel, not {search}.")
    blocked = 1.0 - np.nan_to_num(np.asarray(mask, dtype=np.float64), nan=1.0)
    x, y = (float(round(value)) for value in mode.center)
    found = _correlate(blocked, mode, (x, y), search)
    if found is None:
        return None
    dx, dy, peak = found
    if peak < _LEAST_CORRELATION or max(abs(dx), abs(dy)) > search - 0.5:
        return None
    x, y = x + dx, y + dy
    for _ in range(_REFINEMENTS):
        # With the analytic hole at the trial place the maximum is symmetric, so that the
        # parabola's bias goes to zero.
        found = _correlate(blocked, mode, (x, y), 1)
        if found is None:
            return None
        x, y = x + found[0], y + found[1]
    return (mode.center[0] if is_bar(mode) else x), y


def recenter(
    mask: NDArray[np.floating],
    hole: tuple[float, float],
    center: tuple[float, float],
    *,
    mode: CoronagraphMode,
    order: int = 3,
) -> NDArray[np.float64]:
    """Return the mask with its own hole moved, and everything else left in place.

    Field edges and corner blocks stay; where the hole was, the transmission of its surroundings
    takes over.

    Parameters
    ----------
    mask : ndarray
        (ny, nx), 1 = use, 0 = blocked.
    hole, center : tuple of float
        0-based (x, y) in pixels of the hole now, and after. For bars only the difference in y,
        across the bar, counts.
    mode : CoronagraphMode
        The mode the mask belongs to, for the hole's size.
    order : int
        Order of the spline (1 to 3) that shifts the hole by parts of a pixel.

    Returns
    -------
    ndarray
        float64 (ny, nx), limited to [0, 1].

    Raises
    ------
    ValueError
        If `order` is not 1, 2 or 3.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"order must be 1, 2 or 3, not {order}.")
    mask = np.asarray(mask, dtype=np.float64)
    y, x = np.indices(mask.shape, dtype=np.float64)
    dx, dy = center[0] - hole[0], center[1] - hole[1]
    if is_bar(mode):
        dx = 0.0
        distance = np.abs(y - hole[1])
    else:
        distance = np.hypot(x - hole[0], y - hole[1])
    reach = footprint(mode)
    inside = distance <= reach
    rim = (distance > reach) & (distance <= reach + _RIM)
    if is_bar(mode):
        # Column by column: the holder's edge may cross the bar's end.
        level = np.broadcast_to(np.median(mask[rim.any(axis=1)], axis=0), mask.shape)
    else:
        level = np.full(mask.shape, np.median(mask[rim]))
    filled = np.where(inside, level, mask)
    # The hole as a factor on its surroundings; 1 where nothing passes anyway.
    usable = inside & (level > 0.0)
    factor = np.ones_like(mask)
    factor[usable] = mask[usable] / level[usable]
    moved = ndimage.shift(factor, (dy, dx), order=order, mode="constant", cval=1.0)
    return np.clip(filled * np.clip(moved, 0.0, None), 0.0, 1.0)


def _correlate(
    blocked: NDArray[np.float64],
    mode: CoronagraphMode,
    place: tuple[float, float],
    search: int,
) -> tuple[float, float, float] | None:
    """Return the offset (dx, dy) of the best match from `place`, and the correlation there."""
    half_y = math.ceil(footprint(mode)) + 1
    half_x = math.floor(_BAR_REACH / mode.scale[0]) if is_bar(mode) else half_y
    lag_x = 0 if is_bar(mode) else search
    column, row = round(place[0]), round(place[1])
    template = 1.0 - occulter(
        mode,
        shape=(2 * half_y + 1, 2 * half_x + 1),
        center=(place[0] - column + half_x, place[1] - row + half_y),
    )
    template -= template.mean()
    template /= np.sqrt((template**2).sum())
    top, left = row - half_y - search, column - half_x - lag_x
    if top < 0 or left < 0:
        return None
    area = blocked[top : row + half_y + search + 1, left : column + half_x + lag_x + 1]
    if area.shape != (template.shape[0] + 2 * search, template.shape[1] + 2 * lag_x):
        return None
    windows = np.lib.stride_tricks.sliding_window_view(area, template.shape)
    # The template has zero mean, so the windows' means drop out of the numerator.
    product = np.einsum("ijkl,kl->ij", windows, template)
    spread = np.sqrt(windows.var(axis=(2, 3)) * template.size)
    score = np.divide(product, spread, out=np.full_like(product, -1.0), where=spread > 1e-9)
    j, i = np.unravel_index(np.argmax(score), score.shape)
    dx = 0.0 if is_bar(mode) else int(i) - search + vertex(score[j, :], int(i))
    dy = int(j) - search + vertex(score[:, i], int(j))
    return dx, dy, float(score[j, i])
