"""Subtract the continuum from an image taken through a narrow filter."""

from dataclasses import dataclass

import numpy as np
from astropy.stats import mad_std
from numpy.typing import NDArray
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture

from coronx.ops.comparison_stars import comparison_stars, median_fwhm
from coronx.ops.interpolation_kernels import FWHM_OF_SIGMA
from coronx.ops.psf_matching import convolve, gaussian_kernel, matching_sigma, psf_kernel

__all__ = ["MATCHES", "LineImage", "subtract_continuum"]

MATCHES = ("psf", "gaussian", "none")
"""How the PSFs are matched."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ALIKE = 1.01  # ratio of widths up to which PSFs are the same
_NEEDED = 3  # stars
_CLIP = 3.0  # robust standard deviations
_CLEAR = 10.0  # of a star's noise, for its flux to be of use
_TURNS = 5  # of clipping
_FIRST_FWHM = 4.0  # pixels, until it is measured
_SAMPLE = 15  # stars for a width
_APERTURE, _RING, _REACH = 2.0, (2.5, 3.5), 4.0  # of the wider FWHM: radii


@dataclass(frozen=True)
class LineImage:
    """What is left of a narrow-band image without its continuum.

    Attributes
    ----------
    data, err : ndarray (ny, nx), float32
        Light of the line and its 1-sigma error; NaN where there is none. The error is None if one
        of the images' is not known.
    scale, scale_err : float
        Factor on the continuum, and its error.
    narrow_fwhm, broad_fwhm : float
        Widths of the stars in pixels; NaN if not measured.
    blurred : str
        Which image was blurred: narrow, broad or none.
    stars : int
        Stars that the scale is from; 0 if it was given.
    residual : float
        What is left of those stars: the median of the absolute flux over that of the narrow
        image; NaN if there are none.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32] | None
    scale: float
    scale_err: float
    narrow_fwhm: float
    broad_fwhm: float
    blurred: str
    stars: int
    residual: float


@dataclass
class _Image:
    data: Array
    variance: Array
    bad: Mask
    fwhm: float


def subtract_continuum(
    narrow: NDArray[np.floating],
    narrow_err: NDArray[np.floating] | None,
    narrow_bad: Mask,
    broad: NDArray[np.floating],
    broad_err: NDArray[np.floating] | None,
    broad_bad: Mask,
    *,
    match: str = "psf",
    scale: float | None = None,
    narrow_fwhm: float | None = None,
    broad_fwhm: float | None = None,
    line_in_broad: float = 0.0,
) -> LineImage:
    """Subtract a scaled broad-band image from a narrow-band one.

    Parameters
    ----------
    narrow, narrow_err : ndarray (ny, nx)
        Line and continuum on an even sky, and the 1-sigma error. Where an error is None, the noise
        of the sky weighs the stars, and no error of the result is known.
    narrow_bad : ndarray of bool (ny, nx)
        Pixels not to use, saturated ones among them.
    broad, broad_err, broad_bad : ndarray (ny, nx)
        The same of the continuum, aligned with the first.
    match : {"psf", "gaussian", "none"}
        What the sharper image is blurred with: the kernel between the PSFs as the stars show them;
        a Gaussian; nothing.
    scale : float, optional
        Factor on the broad-band image; by default it is what makes stars vanish.
    narrow_fwhm, broad_fwhm : float, optional
        Widths of the stars in pixels. With both, the Gaussian needs no stars.
    line_in_broad : float
        Signal of the line in the broad-band image, as a part of that in the narrow-band one. So
        much of it, times the scale, is subtracted with the continuum and given back.

    Returns
    -------
    LineImage

    Raises
    ------
    ValueError
        If there are too few stars, the images differ in shape, or an option makes no sense.

    Notes
    -----
    The scale is the least-squares factor between the stars' fluxes in apertures, with the scatter
    of their colours in the weights and outliers (stars with line emission) clipped.
    """
    if match not in MATCHES:
        raise ValueError(f"match {match!r}; known are {', '.join(MATCHES)}")
    if narrow.shape != broad.shape:
        raise ValueError(f"images of {narrow.shape} and {broad.shape}")
    line = _opened(narrow, narrow_err, narrow_bad, narrow_fwhm)
    light = _opened(broad, broad_err, broad_bad, broad_fwhm)
    bad = line.bad | light.bad
    places = np.empty((0, 2))
    told = np.isfinite(line.fwhm) and np.isfinite(light.fwhm)
    if scale is None or match == "psf" or (match == "gaussian" and not told):
        places = _stars(line, light, bad)
        if len(places) < _NEEDED:
            raise ValueError(f"{len(places)} stars that stand alone; {_NEEDED} are needed")
    blurred = _match(line, light, places, match)
    factor, error, stars, residual = scale or 1.0, 0.0, 0, float("nan")
    if scale is None:
        factor, error, stars, residual = _fit_scale(line, light, places)
    kept = 1.0 - factor * line_in_broad
    if kept <= 0.0:
        raise ValueError(
            f"line_in_broad {line_in_broad:g}: with the scale {factor:g} no line is left"
        )
    gone = bad | ~np.isfinite(line.data) | ~np.isfinite(light.data)
    data = (line.data - factor * light.data) / kept
    variance = line.variance + factor**2 * light.variance + (error * light.data) ** 2
    return LineImage(
        np.where(gone, np.nan, data).astype(np.float32),
        None
        if narrow_err is None or broad_err is None
        else np.where(gone, np.nan, np.sqrt(variance) / kept).astype(np.float32),
        factor,
        error,
        line.fwhm,
        light.fwhm,
        blurred,
        stars,
        residual,
    )


def _opened(
    image: NDArray[np.floating],
    err: NDArray[np.floating] | None,
    bad: Mask,
    fwhm: float | None,
) -> _Image:
    data = np.asarray(image, dtype=np.float64)
    lost = bad | ~np.isfinite(data)
    if err is None:
        noise = float(mad_std(data[~lost])) if not lost.all() else np.nan
        return _Image(data, np.full(data.shape, noise**2), lost, fwhm or np.nan)
    return _Image(data, np.square(err, dtype=np.float64), lost, fwhm or np.nan)


def _stars(line: _Image, light: _Image, bad: Mask) -> Array:
    """Return the stars to compare, and measure the widths that are not told."""
    places = comparison_stars(light.data, bad)
    for image in (line, light):
        if not np.isfinite(image.fwhm):
            image.fwhm = median_fwhm(image.data, bad, places[:_SAMPLE], _FIRST_FWHM)
    widest = np.nanmax([line.fwhm, light.fwhm, 0.0])
    if not widest > 0.0:
        return places[:0]
    return comparison_stars(light.data, bad, radius=_REACH * widest, fwhm=light.fwhm)


def _match(line: _Image, light: _Image, places: Array, match: str) -> str:
    """Blur the sharper of two images in place, and return which it was."""
    sharp, blunt = (line, light) if line.fwhm < light.fwhm else (light, line)
    if match == "none" or not blunt.fwhm > _ALIKE * sharp.fwhm:
        return "none"
    if match == "psf":
        kernel = psf_kernel(sharp.data, blunt.data, places, fwhm=blunt.fwhm)
    else:
        sigma = np.sqrt(blunt.fwhm**2 - sharp.fwhm**2) / FWHM_OF_SIGMA
        if len(places):
            sigma = matching_sigma(
                sharp.data, blunt.data, places, sharp_fwhm=sharp.fwhm, blunt_fwhm=blunt.fwhm
            )
        kernel = gaussian_kernel(sigma)
    made = convolve(sharp.data, sharp.variance, sharp.bad, kernel)
    sharp.data, sharp.variance = made.data, made.variance
    return "narrow" if sharp is line else "broad"


def _fit_scale(line: _Image, light: _Image, places: Array) -> tuple[float, float, int, float]:
    """Return the factor between stars' fluxes, its error, the stars, and what is left of them."""
    wide = max(line.fwhm, light.fwhm)
    (above, above_err), (below, below_err) = (
        _fluxes(image, places, wide) for image in (line, light)
    )
    use = (below > _CLEAR * below_err) & np.isfinite(above)
    if use.sum() < _NEEDED:
        raise ValueError(f"{use.sum()} stars clear of the noise; {_NEEDED} are needed")
    above, below = above[use], below[use]
    ratio = above / below
    kept = np.ones(ratio.size, dtype=np.bool_)
    factor = float(np.median(ratio))
    noise = np.hypot(above_err[use], factor * below_err[use]) / below
    own, weight = 0.0, 1.0 / noise**2
    for _ in range(_TURNS):
        # Stars differ in colour: without that the brightest alone would tell.
        spread = 1.4826 * float(np.median(np.abs(ratio[kept] - factor)))
        own = np.sqrt(max(spread**2 - float(np.median(noise[kept] ** 2)), 0.0))
        weight = 1.0 / (noise**2 + own**2)
        factor = float(np.average(ratio[kept], weights=weight[kept]))
        kept = np.abs(ratio - factor) < _CLIP * np.hypot(noise, own)
        if not kept.any():
            raise ValueError("stars whose colours have nothing in common; give the scale")
    error = float(1.0 / np.sqrt(weight[kept].sum()))
    left = np.abs(above - factor * below)[kept] / np.abs(above[kept])
    return factor, error, int(kept.sum()), float(np.median(left))


def _fluxes(image: _Image, places: Array, fwhm: float) -> tuple[Array, Array]:
    """Return stars' fluxes above the level around them, and their errors."""
    bad = ~np.isfinite(image.data)
    error = np.sqrt(image.variance)
    rings = ApertureStats(
        image.data, CircularAnnulus(places, _RING[0] * fwhm, _RING[1] * fwhm), mask=bad
    )
    sums = ApertureStats(
        image.data, CircularAperture(places, _APERTURE * fwhm), mask=bad, error=error
    )
    area = np.asarray(sums.sum_aper_area.value)
    return np.asarray(sums.sum - rings.median * area), np.asarray(sums.sum_err)
