"""The shape of the stars over the field."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.star_fit import FWHM, ellipse

__all__ = ["REGIONS", "RegionShape", "shapes_over_field"]

Array = NDArray[np.float64]

REGIONS = ("field", "centre", "lower left", "lower right", "upper left", "upper right")
"""The whole image, the quarter of its area about the middle, and its four quadrants."""

_CLIP = 5.0  # sigma, of stars that are none
_FEWEST = 3  # stars that tell a scatter


@dataclass(frozen=True)
class RegionShape:
    """The median shape of the stars in a part of the image; NaN where there are too few.

    Attributes
    ----------
    region : str
        One of `REGIONS`; lower is towards the first row.
    stars : int
        Stars measured.
    major, major_sigma, minor, minor_sigma : float
        FWHM along the axes and their 1-sigma errors, in pixels.
    angle, angle_sigma : float
        Of the major axis, from +x towards +y, in degrees; it tells something where the axis
        ratio differs from 1 by more than its error.
    axis_ratio, axis_ratio_sigma : float
        Minor over major axis.
    fwhm_x, fwhm_y : float
        FWHM along x and y, in pixels.
    fwhm : float
        FWHM of a circle of the same area, in pixels.
    scatter : float
        Standard deviation of the single stars' FWHM, from their absolute deviations, in pixels.
    """

    region: str
    stars: int
    major: float
    major_sigma: float
    minor: float
    minor_sigma: float
    angle: float
    angle_sigma: float
    axis_ratio: float
    axis_ratio_sigma: float
    fwhm_x: float
    fwhm_y: float
    fwhm: float
    scatter: float


def shapes_over_field(
    x: Array, y: Array, shapes: Array, *, size: tuple[int, int]
) -> list[RegionShape]:
    """Return the median shape of stars in the image and its parts.

    Variances and covariances are averaged, not axes and angles: the axes of noisy round stars
    always differ, and the mean of angles that turn over at 180 degrees means nothing.

    Parameters
    ----------
    x, y : ndarray (n,)
        0-based places of bright stars that stand alone.
    shapes : ndarray (n, 3)
        Their variances along x and y and covariances, in squared pixels; NaN where not measured.
    size : tuple of int
        (ny, nx) of the image.

    Returns
    -------
    list of RegionShape
        In the order of `REGIONS`.
    """
    ok = np.isfinite(shapes).all(axis=1)
    if ok.any():
        # Galaxies, blends and hot pixels are no stars.
        width = np.sqrt(np.maximum(shapes[:, 0] + shapes[:, 1], 0.0))
        middle = np.median(width[ok])
        spread = 1.4826 * np.median(np.abs(width[ok] - middle))
        ok &= np.abs(width - middle) <= np.maximum(_CLIP * spread, 0.05 * middle)
    right, upper = x > (size[1] - 1) / 2, y > (size[0] - 1) / 2
    inner = (np.abs(x - (size[1] - 1) / 2) < size[1] / 4) & (
        np.abs(y - (size[0] - 1) / 2) < size[0] / 4
    )
    where = (ok, inner, ~right & ~upper, right & ~upper, ~right & upper, right & upper)
    return [_region(name, shapes[ok & part]) for name, part in zip(REGIONS, where, strict=True)]


def _region(name: str, shapes: Array) -> RegionShape:
    if len(shapes) < _FEWEST:
        return RegionShape(name, len(shapes), *[float("nan")] * 12)
    middle = np.median(shapes, axis=0)
    away = shapes - middle
    spread = 1.4826 * np.median(np.abs(away), axis=0)
    # Error of a median; that of three to ten stars is a little larger than its limit.
    sigma = np.sqrt(np.pi / 2.0 / len(shapes)) * spread
    values = _derived(middle)
    slopes = np.stack(
        [
            (_derived(middle + step) - _derived(middle - step)) / (2.0 * step.max())
            for step in np.eye(3) * 1e-4 * middle[:2].sum()
        ],
        axis=1,
    )
    major_s, minor_s, ratio_s = np.sqrt((slopes**2 * sigma**2).sum(axis=1))
    angle = float(ellipse(middle)[2])
    # Perpendicular to the ellipse's own direction in the plane of (difference, covariance).
    stretch = np.hypot(0.5 * (middle[0] - middle[1]), middle[2])
    turn = np.radians(2.0 * angle)
    across = np.hypot(
        0.5 * np.sin(turn) * np.hypot(sigma[0], sigma[1]), np.cos(turn) * sigma[2]
    )  # fmt: skip
    angle_s = min(float(np.degrees(0.5 * across / max(stretch, 1e-12))), 90.0 / np.sqrt(3.0))
    single = FWHM * np.maximum(shapes[:, 0] * shapes[:, 1] - shapes[:, 2] ** 2, 0.0) ** 0.25
    along = FWHM * np.sqrt(np.maximum(middle[:2], 0.0))
    return RegionShape(
        name, len(shapes),
        float(values[0]), float(major_s), float(values[1]), float(minor_s), angle, angle_s,
        float(values[2]), float(ratio_s), float(along[0]), float(along[1]),
        float(np.sqrt(values[0] * values[1])),
        float(1.4826 * np.median(np.abs(single - np.median(single)))),
    )  # fmt: skip


def _derived(shape: Array) -> Array:
    major, minor, _ = ellipse(shape)
    return np.array([major, minor, minor / np.maximum(major, 1e-12)])
