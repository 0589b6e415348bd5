"""Make a colour picture of three aligned images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.visualization import make_lupton_rgb
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, binary_opening, distance_transform_edt, label, maximum

from coronx.ops.median import fill_local_median

__all__ = ["STRETCHES", "black_and_white", "compose", "fill_blemishes"]

STRETCHES = ("gamma", "asinh")
"""How brightness is made of light."""

Mask = NDArray[np.bool_]

_BOX = 5  # pixels: side of the box that a blemish is filled from
_REACH = 16.0  # pixels: a hole that is farther from good ones is not filled
_KNEE = 0.75  # of full brightness: what is brighter is compressed, not cut
_MIDDLE = (0.05, 0.4)  # of white: light of these pixels is grey on the whole; no star saturates
_MOST = 4.0  # factor between the whites of neutral and of each image


def black_and_white(
    planes: NDArray[np.floating], *, low: float = 0.60, high: float = 0.999, neutral: bool = True
) -> list[tuple[float, float]]:
    """Return the levels of three images that are shown black and white.

    Parameters
    ----------
    planes : ndarray (3, ny, nx)
        Aligned images for red, green and blue, in any units, on any backgrounds. Only pixels
        that are finite in all count.
    low, high : float
        Parts of the pixels that are fainter than black, and than white.
    neutral : bool
        Whether white is such that bright pixels are grey on the whole. If not, each image has
        its own: few saturated stars then set the tint of all that is fainter.

    Returns
    -------
    list of (black, white)

    Raises
    ------
    ValueError
        If no pixel is seen, or nothing in an image is brighter than its black.
    """
    seen = np.isfinite(planes).all(axis=0)
    if not seen.any():
        raise ValueError("no pixel has a value in all three images")
    values = np.asarray(planes, dtype=np.float64)[:, seen]
    black, white = np.quantile(values, (low, high), axis=1)
    for n, (dark, light) in enumerate(zip(black, white, strict=True)):
        if not light > dark:
            raise ValueError(f"image {n + 1}: its black and its white are both {dark:g}")
    if neutral:
        rising = (values - black[:, None]) / (white - black)[:, None]
        brightness = rising.mean(axis=0)
        faint, full = np.multiply(_MIDDLE, np.quantile(brightness, high))
        middle = rising[:, (brightness >= faint) & (brightness <= full)]
        tint = middle.mean(axis=1) if middle.size else np.ones(3)
        # An image with light of its own kind, as that of one line, is not made grey at any price.
        tint = np.clip(tint / tint.mean(), 1.0 / _MOST, _MOST)
        level = np.quantile((rising / tint[:, None]).mean(axis=0), high)
        white = black + (white - black) * tint * level
    return [(float(dark), float(light)) for dark, light in zip(black, white, strict=True)]


def fill_blemishes(plane: NDArray[np.floating], bad: Mask) -> NDArray[np.float64]:
    """Fill bad pixels for the eye, so that a star's lost core is no hole in the picture.

    Parameters
    ----------
    plane : ndarray (ny, nx)
        Image.
    bad : ndarray of bool (ny, nx)
        Pixels to fill; those that are not finite are filled, too.

    Returns
    -------
    ndarray (ny, nx), float64
        The median of the good pixels around; in wider holes the nearest value. NaN where the
        image ends, and in holes too large to guess.
    """
    values = np.asarray(plane, dtype=np.float64)
    lost = bad | ~np.isfinite(values)
    if not lost.any() or lost.all():
        return np.where(lost, np.nan, values)
    filled = fill_local_median(values, lost, box=_BOX, default=np.nan)
    # Columns and specks are thin, wherever they are; what is wide must be enclosed to be a hole.
    wide = np.asarray(binary_opening(lost, np.ones((_BOX, _BOX))), np.bool_)
    filled[wide] = np.nan
    holes = np.asarray(binary_fill_holes(~wide), np.bool_) & wide
    if holes.any():
        nearest: Any = distance_transform_edt
        far, (row, col) = nearest(~np.isfinite(filled), return_indices=True)
        which = np.empty(holes.shape, np.int32)
        label(holes, output=which)
        depth = np.atleast_1d(maximum(far, which, np.arange(which.max() + 1)))
        near = holes & (depth[which] <= _REACH)
        filled[near] = filled[row[near], col[near]]
    return filled


def compose(
    planes: NDArray[np.floating],
    levels: Sequence[tuple[float, float]],
    *,
    stretch: str = "gamma",
    gamma: float = 2.2,
    softening: float = 0.05,
    q: float = 8.0,
    saturation: float = 1.5,
    balance: Sequence[float] = (1.0, 1.0, 1.0),
    saturated: Mask | None = None,
) -> NDArray[np.float64]:
    """Make a colour picture.

    Parameters
    ----------
    planes : ndarray (3, ny, nx)
        Aligned images for red, green and blue.
    levels : three pairs of float
        Black and white of each, see `black_and_white`.
    stretch : {"gamma", "asinh"}
        Each channel to the power of 1 / gamma, what is brighter than 3/4 compressed, so that
        cores of bright stars go over to white; or the brightness by an inverse hyperbolic sine, and
        colours kept at any brightness (Lupton et al. 2004, PASP 116, 133;
        `astropy.visualization.make_lupton_rgb`).
    gamma : float
        Of the first.
    softening, q : float
        Of the second: where it turns from linear to logarithmic, as a part of white, and how
        strong it is.
    saturation : float
        Factor on the distance of a colour from grey: 0 is grey, 1 leaves it.
    balance : three floats
        Factors on the channels, above black.
    saturated : ndarray of bool (ny, nx), optional
        Pixels whose colour is not known: they are shown as bright as the brightest of the three.

    Returns
    -------
    ndarray (ny, nx, 3), float64
        From 0 to 1; black where an image is not finite.

    Raises
    ------
    ValueError
        If there are not three images, levels and factors, or the stretch is not known.
    """
    if stretch not in STRETCHES:
        raise ValueError(f"stretch {stretch!r}; known are {', '.join(STRETCHES)}")
    if not (len(planes) == len(levels) == len(balance) == 3):
        raise ValueError(f"{len(planes)} images, {len(levels)} levels, {len(balance)} factors; 3")
    lupton: Any = make_lupton_rgb
    seen = np.isfinite(planes).all(axis=0)
    light = np.stack(
        [
            np.where(seen, (plane - black) / (white - black) * factor, 0.0)
            for plane, (black, white), factor in zip(planes, levels, balance, strict=True)
        ],
        axis=-1,
        dtype=np.float64,
    )
    if saturated is not None:
        light[saturated] = light[saturated].max(axis=-1, keepdims=True)
    if stretch == "gamma":
        color = np.maximum(light, 0.0) ** (1.0 / gamma)
        over = np.maximum(color - _KNEE, 0.0) / (1.0 - _KNEE)
        color = np.minimum(color, _KNEE) + (1.0 - _KNEE) * -np.expm1(-over)
    else:
        made = lupton(
            *np.moveaxis(light, -1, 0), minimum=0.0, stretch=softening, Q=q, output_dtype=np.float64
        )
        color = np.asarray(made, dtype=np.float64)
    grey = color.mean(axis=-1, keepdims=True)
    color = np.maximum(grey + saturation * (color - grey), 0.0)
    # What is brighter than the picture can show is scaled as a whole.
    color /= np.maximum(np.max(color, axis=-1, keepdims=True), 1.0)
    shown: NDArray[np.float64] = np.where(np.expand_dims(seen, -1), color, 0.0)
    return shown
