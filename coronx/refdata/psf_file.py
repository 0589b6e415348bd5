"""A star's image from a file, in place of a simulated one."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from coronx.errors import InputError
from coronx.ops.shift import shift_image
from coronx.refdata.modes import CoronagraphMode

__all__ = ["StarImage", "read_star_image"]

_EXTENSIONS = ("OVERDIST", "DET_DIST", "OVERSAMP", "DET_SAMP")
_SCALE_TOLERANCE = 0.03


class StarImage:
    """One image of a star, moved as a whole.

    It has the methods of `coronx.refdata.psf_model.StarModel` that a single image allows. A star
    that moves behind a mask changes its image too, which this one does not.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    image : ndarray
        The image, oversampled, the star at its centre; shape (fov * oversample,) * 2, fov odd.
    oversample : int
        Points a pixel along each axis.

    Attributes
    ----------
    mode : CoronagraphMode
    fov : int
        Pixels along a side.
    scale : tuple of float
        Milliarcseconds a pixel along (x, y).
    """

    def __init__(
        self, mode: CoronagraphMode, image: NDArray[np.float64], oversample: int = 1
    ) -> None:
        self.mode = mode
        self.fov = image.shape[0] // oversample
        self.scale = (1e3 * mode.scale[0], 1e3 * mode.scale[1])
        self._image = image
        self._oversample = oversample

    def moved(self, pixels: tuple[float, float]) -> "StarImage":
        """Return the same image, moved by pixels (x, y)."""
        moved = shift_image(self._image, np.multiply(pixels, self._oversample))
        return StarImage(self.mode, moved, self._oversample)

    def image(
        self, offset_mas: tuple[float, float] | NDArray[np.float64] = (0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Return the image, shape (fov, fov), of a star at (x, y) mas from the mask's centre."""
        x, y = (
            float(offset) / scale * self._oversample
            for offset, scale in zip(offset_mas, self.scale, strict=True)
        )
        moved = shift_image(self._image, np.array([x, y]))
        shape = (self.fov, self._oversample, self.fov, self._oversample)
        return moved.reshape(shape).sum(axis=(1, 3))

    def offset_images(
        self, offset_mas: tuple[float, float] | NDArray[np.float64] = (0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Return the image's derivatives along x and y in 1/mas, shape (2, fov, fov)."""
        x, y = offset_mas
        at = ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1))
        ends = np.stack([self.image(place) for place in at])
        return (ends[::2] - ends[1::2]) / 2


def read_star_image(path: str | Path, mode: CoronagraphMode) -> StarImage:
    """Read a star's image.

    The image is the first of the extensions OVERDIST, DET_DIST, OVERSAMP, DET_SAMP (stpsf's), or
    else the first image of the file; its keyword OVERSAMP says how many points a pixel has along
    each axis (1 if absent), STARCENX and STARCENY where the star is (1-based, in its own points;
    the array's centre if absent), and PIXELSCL, if present, how many arcsec a point has.

    Parameters
    ----------
    path : str or Path
        FITS file.
    mode : CoronagraphMode
        The mode that it is for.

    Raises
    ------
    InputError
        If it has no square image, missing values, or another pixel scale.
    """
    try:
        with fits.open(path) as hdus:
            named = [hdu for name in _EXTENSIONS for hdu in hdus if hdu.name == name]
            images = [h for h in (*named, *hdus) if h.is_image and h.data is not None]
            if not images:
                raise InputError(f"{path}: no image in it; give a star's image")
            image, header = np.array(images[0].data, dtype=np.float64), images[0].header
    except OSError as error:
        raise InputError(f"{path}: {error}; give a FITS file with a star's image") from error
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise InputError(f"{path}: an image of shape {image.shape}; give a square one")
    if not np.all(np.isfinite(image)):
        raise InputError(f"{path}: {np.sum(~np.isfinite(image))} values are not finite; fill them")
    oversample = int(header.get("OVERSAMP", 1))
    _check_scale(path, header, mode, oversample)
    middle = (image.shape[0] - 1) / 2
    star = (
        float(header.get("STARCENX", middle + 1)) - 1,
        float(header.get("STARCENY", middle + 1)) - 1,
    )
    return StarImage(mode, _centred(path, image, star, oversample), oversample)


def _check_scale(
    path: str | Path, header: fits.Header, mode: CoronagraphMode, oversample: int
) -> None:
    if oversample < 1:
        raise InputError(f"{path}: OVERSAMP = {oversample}; give 1 or more")
    scale = header.get("PIXELSCL")
    wanted = sum(mode.scale) / 2 / oversample
    if scale is not None and abs(scale / wanted - 1) > _SCALE_TOLERANCE:
        raise InputError(
            f"{path}: PIXELSCL = {scale} arcsec with OVERSAMP = {oversample}, but {mode.name} has "
            f"{wanted:.5f}; give an image of this mode"
        )


def _centred(
    path: str | Path, image: NDArray[np.float64], star: tuple[float, float], oversample: int
) -> NDArray[np.float64]:
    # The largest odd number of pixels around the star that is inside.
    size = image.shape[0]
    room = min(*star, size - 1 - star[0], size - 1 - star[1]) + 0.5
    fov = int(2 * room / oversample + 1e-6)
    fov -= fov % 2 == 0
    if fov < 5:
        raise InputError(
            f"{path}: fewer than 5 pixels around the star at {star[0] + 1:g}, {star[1] + 1:g}; "
            "give a larger image or the star's place by STARCENX and STARCENY"
        )
    width = fov * oversample
    low = [round(place - (width - 1) / 2) for place in star]
    low = [min(max(start, 0), size - width) for start in low]
    rest = tuple((width - 1) / 2 - (place - start) for place, start in zip(star, low, strict=True))
    cut = image[low[1] : low[1] + width, low[0] : low[0] + width]
    return shift_image(cut, np.array(rest)) if any(abs(r) > 1e-9 for r in rest) else cut
