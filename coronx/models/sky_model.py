"""A model image of what surrounds a star, read from a FITS file."""

import warnings
from pathlib import Path

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning, WcsError
from numpy.typing import NDArray

from coronx.errors import InputError
from coronx.ops.sky_image import SkyImage
from coronx.refdata.star_flux import sum_of

__all__ = ["in_frame_units", "jansky_of_image", "read_sky_image"]

_SAME = {"jy/pixel": "jy", "jy/pix": "jy", "mjy/sr": "mjy/sr", "jy": "jy"}
_ARCSEC = 3600.0
_SR = (np.pi / 180 / _ARCSEC) ** 2


def read_sky_image(path: Path, *, unit: str, scale: float | None = None) -> SkyImage:
    """Read a model image.

    Parameters
    ----------
    path : Path
        FITS file; the first image in it is taken. Its scale and axes are those of its WCS (CDELT,
        PC or CD, in degrees unless CUNIT says otherwise), the star is at CRPIX, or in the middle if
        that is not there.
    unit : str
        Of a pixel: contrast (its flux over the star's), Jy (its flux) or MJy/sr; BUNIT must not
        contradict it.
    scale : float, optional
        Arcsec a pixel, whatever the header says: north is up then, and east left.

    Raises
    ------
    InputError
        If there is no such image, it is not finite, or its scale is not known.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a model image (FITS)")
    try:
        with fits.open(path) as hdus:
            images = [h for h in hdus if h.is_image and h.data is not None]
            if not images:
                raise InputError(f"{path}: no image in it; give a model image")
            values, header = np.array(images[0].data, dtype=np.float64), images[0].header.copy()
    except OSError as err:
        raise InputError(f"{path}: cannot be read ({err}); give a FITS file") from err
    if values.ndim != 2:
        raise InputError(f"{path}: an image of shape {values.shape}; give one of two dimensions")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {np.sum(~np.isfinite(values))} values are not finite; fill them")
    if not values.any():
        raise InputError(f"{path}: zero everywhere; give a model with light in it")
    told = str(header.get("BUNIT", "")).strip().lower()
    if told and _SAME.get(told, told) != unit.lower():
        raise InputError(f"{path}: BUNIT is {header['BUNIT']}, but unit = {unit}; give one of both")
    star = [float(header.get(f"CRPIX{n}", (size + 1) / 2)) - 1 for n, size in
            ((1, values.shape[1]), (2, values.shape[0]))]  # fmt: skip
    if scale is None:
        to_sky = _to_sky(path, header)
    elif scale > 0:
        to_sky = np.diag([-scale, scale])
    else:
        raise InputError(f"model_scale = {scale}: give arcsec a pixel, above 0")
    return SkyImage(values, (star[0], star[1]), to_sky)


def in_frame_units(
    image: SkyImage, unit: str, matrix: NDArray[np.float64], area: float, star_jy: float
) -> SkyImage:
    """Return an image whose flux is in the unit of frames in MJy/sr: their sum over pixels.

    Parameters
    ----------
    image : SkyImage
        The image.
    unit : str
        Its unit, as for `read_sky_image`.
    matrix : ndarray (2, 2)
        Pixels per arcsec of the frame.
    area : float
        Solid angle of the frame's pixels in sr.
    star_jy : float
        The star's flux, for contrasts.
    """
    if unit == "MJy/sr":
        # Its level is kept, whatever the sizes of pixels.
        return image.scaled(float(abs(np.linalg.det(matrix @ image.to_sky))))
    return image.scaled(sum_of(star_jy if unit == "contrast" else 1.0, area))


def jansky_of_image(image: SkyImage, unit: str, star_jy: float) -> float:
    """Return the flux of a whole image in Jy."""
    total = float(image.values.sum())
    if unit == "MJy/sr":
        return total * 1e6 * float(abs(np.linalg.det(image.to_sky))) * _SR
    return total * (star_jy if unit == "contrast" else 1.0)


def _to_sky(path: Path, header: fits.Header) -> NDArray[np.float64]:
    if not any(name in header for name in ("CDELT1", "CD1_1")):
        raise InputError(f"{path}: no scale (CDELT or CD) in it; give model_scale, arcsec a pixel")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(header, naxis=2)
            matrix = np.asarray(wcs.pixel_scale_matrix, dtype=np.float64)
        factors = [units.Unit(u).to(units.arcsec) if str(u) else _ARCSEC for u in wcs.wcs.cunit]
    except (ValueError, WcsError, units.UnitConversionError) as err:
        raise InputError(f"{path}: its WCS cannot be used ({err}); give model_scale") from err
    matrix = np.array(factors)[:, None] * matrix
    if not abs(np.linalg.det(matrix)) > 0:
        raise InputError(f"{path}: the scale of its WCS is zero; give model_scale")
    return matrix
