"""The PSF of a companion: from a model of the telescope, from a file, or from an exposure."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage

from coronx.errors import InputError
from coronx.ops.stamp import MaskedPsf, OffAxisPsf, PsfImage, check_fits
from coronx.ops.windowed_centroid import windowed_centroid
from coronx.refdata.filters import fwhm_pixels
from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.psf_beside_mask import PsfBesideMask
from coronx.refdata.psf_data import named_folder
from coronx.refdata.psf_model import star_model
from coronx.refdata.transmission import transmission
from coronx.refdata.unocculted import read_unocculted

__all__ = ["off_axis_psf", "read_psf_image"]

_EXTENSIONS = ("SCI", "OVERDIST", "DET_DIST", "OVERSAMP", "DET_SAMP")
_SCALE_TOLERANCE = 0.03
_WAYS = (
    "give stpsf's data folder (data_path, or the variable STPSF_PATH), a FITS file with an image "
    "of the PSF (psf_file), or an exposure of a star beside the mask (unocculted)"
)


def off_axis_psf(
    mode: CoronagraphMode,
    filter_name: str,
    *,
    mask_place: tuple[float, float],
    shape: tuple[int, int],
    psf_file: str | Path | None = None,
    unocculted: Any = None,
    data_path: str | Path | None = None,
    spectral_type: str | None = None,
    opd: str | Path | None = None,
    date: str | None = None,
    fov_pixels: int = 65,
    psf_fraction: float = 1.0,
) -> OffAxisPsf:
    """Return the PSF of a source beside the mask.

    A simulated PSF changes its shape near the mask and has unit flux over an infinite image. One
    from a file or an exposure is scaled by the mask's transmission alone, and is taken to have
    `psf_fraction` of its flux within its stamp: a contrast is not touched by that, as long as the
    star is measured with the same PSF, but a flux in jansky is.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    filter_name : str
        The filter.
    mask_place : tuple of float
        0-based (x, y) of the mask's centre in the frame.
    shape : tuple of int
        (ny, nx) of the frame.
    psf_file : str or Path, optional
        FITS file with the PSF, see `read_psf_image`.
    unocculted : str, Path or data model, optional
        Exposure of a star beside the mask, see `coronx.refdata.unocculted.read_unocculted`.
    data_path : str or Path, optional
        stpsf's data, to simulate the PSF; STPSF_PATH if none of the three is given.
    spectral_type, opd, date
        For a simulation, see `coronx.refdata.psf_model.star_model`; a folder given as `opd` is
        searched for the wavefront closest to `date`.
    fov_pixels : int
        Pixels along a side of the stamps, odd; fewer where a file or an exposure has no more.
    psf_fraction : float
        Share of the flux within the stamp of a file's or an exposure's PSF.

    Raises
    ------
    InputError
        If there is no source of a PSF or more than one, the source is no good, or the PSF is larger
        than the frame.
    """
    given = {"psf_file": psf_file, "unocculted": unocculted, "data_path": data_path}
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)}: more than one PSF; give one of them")
    if not named and named_folder() is None:
        raise InputError(f"no PSF for {filter_name} in {mode.name}; {_WAYS}")
    if fov_pixels < 5 or fov_pixels % 2 == 0:
        raise InputError(f"fov_pixels = {fov_pixels}: give an odd number, at least 5")
    if not 0 < psf_fraction <= 1:
        raise InputError(f"psf_fraction = {psf_fraction}: give a share of the flux, above 0 to 1")
    source = str(psf_file or unocculted or "the simulated PSF")
    if psf_file or unocculted:
        if psf_file:
            image = read_psf_image(psf_file, mode, filter_name, fov_pixels=fov_pixels)
        else:
            star = read_unocculted(unocculted, mode, filter_name, fov_pixels=fov_pixels)
            source = star.name
            image = PsfImage(star.image / star.total, star.center)
        through = transmission(mode, shape=shape, center=mask_place)
        psf = MaskedPsf(image.scaled(psf_fraction / image.kernel.sum()), through)
    else:
        folder = Path(opd).expanduser() if opd else None
        is_folder = folder is not None and folder.is_dir()
        model = star_model(
            mode,
            filter_name,
            data_path=data_path,
            spectral_type=spectral_type,
            opd=None if is_folder else opd,
            opd_folder=folder if is_folder else None,
            date=date,
            fov_pixels=fov_pixels,
        )
        psf = PsfBesideMask(model, mask_place=mask_place, shape=shape)
    try:
        check_fits(psf, shape)
    except ValueError as error:
        raise InputError(f"{source}: {error} (fov_pixels)") from error
    return psf


def read_psf_image(
    path: str | Path, mode: CoronagraphMode, filter_name: str, *, fov_pixels: int = 65
) -> PsfImage:
    """Read a PSF from a FITS file.

    The image is the first of the extensions SCI, OVERDIST, DET_DIST, OVERSAMP, DET_SAMP, or else
    the file's first; in the axes of the science frame. OVERSAMP, or else DET_SAMP, says how many
    points a pixel has along each axis (one if both are absent, or if PIXELSCL, the arcsec of a
    point, is a pixel's); points are summed to pixels. The star's place is STARCENX, STARCENY
    (1-based, in points), or else its centroid.

    Parameters
    ----------
    path : str or Path
        The file.
    mode : CoronagraphMode
        The mode that it is for.
    filter_name : str
        The filter, which says how wide a star is.
    fov_pixels : int
        Largest side of its stamps.

    Raises
    ------
    InputError
        If there is no such image, or no star in it, or its scale or filter is another.
    """
    try:
        with fits.open(path) as hdus:
            named = [hdu for name in _EXTENSIONS for hdu in hdus if hdu.name == name]
            images = [h for h in (*named, *hdus) if h.is_image and h.data is not None]
            if not images:
                raise InputError(f"{path}: no image in it; give one of a PSF")
            image = np.array(images[0].data, dtype=np.float64)
            header = hdus[0].header + images[0].header
    except OSError as error:
        raise InputError(f"{path}: {error}; give a FITS file with a PSF") from error
    if image.ndim != 2:
        raise InputError(f"{path}: an image of shape {image.shape}; give one of two dimensions")
    if not np.all(np.isfinite(image)):
        raise InputError(f"{path}: {np.sum(~np.isfinite(image))} values are not finite; fill them")
    other = str(header.get("FILTER", filter_name)).strip().upper()
    if other != filter_name.upper():
        raise InputError(f"{path}: FILTER is {other}, not {filter_name}; give a PSF in the filter")
    times = _points(path, header, image.shape, mode)
    fwhm = times * fwhm_pixels(mode.instrument, filter_name, math.sqrt(math.prod(mode.scale)))
    place = _place(path, image, header, fwhm / 2.355)
    try:
        psf = PsfImage(image, place, oversample=times)
    except ValueError as error:
        raise InputError(f"{path}: {error}; give its place by STARCENX and STARCENY") from error
    if not psf.kernel.sum() > 0:
        raise InputError(f"{path}: its sum is not positive; give a PSF without negative background")
    if psf.half > fov_pixels // 2:
        psf = PsfImage(image, place, oversample=times, half=fov_pixels // 2)
    return psf


def _points(
    path: str | Path, header: fits.Header, shape: tuple[int, ...], mode: CoronagraphMode
) -> int:
    value = header.get("OVERSAMP", header.get("DET_SAMP", 1))
    # stpsf's pixel-sampled extensions carry the OVERSAMP of the simulation: the scale tells.
    scale = header.get("PIXELSCL")
    if not (isinstance(value, int | float) and value >= 1 and int(value) == value):
        raise InputError(f"{path}: OVERSAMP = {value}; give a whole number of points a pixel")
    pixel = sum(mode.scale) / 2
    for times in dict.fromkeys((int(value), 1)):
        if scale is None or abs(scale * times / pixel - 1) < _SCALE_TOLERANCE:
            return times
    raise InputError(
        f"{path}: PIXELSCL = {scale} arcsec in an image of {shape[1]} x {shape[0]} with OVERSAMP = "
        f"{value}, but {mode.name} has {pixel:.5f} a pixel; give a PSF of this mode"
    )


def _place(
    path: str | Path, image: NDArray[np.float64], header: fits.Header, sigma: float
) -> tuple[float, float]:
    if "STARCENX" in header and "STARCENY" in header:
        return float(header["STARCENX"]) - 1, float(header["STARCENY"]) - 1
    smooth = ndimage.gaussian_filter(image, sigma)
    row, col = np.unravel_index(np.argmax(smooth), smooth.shape)
    try:
        return windowed_centroid(image, (float(col), float(row)), sigma=sigma)
    except ValueError as error:
        raise InputError(f"{path}: {error}; give its place by STARCENX and STARCENY") from error
