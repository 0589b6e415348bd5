"""A user's map of bad pixels."""

from pathlib import Path

import asdf
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from coronx.errors import InputError

__all__ = ["read_pixel_map"]


def read_pixel_map(path: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a map of bad pixels, for every integration.

    Parameters
    ----------
    path : Path
        FITS (the first HDU with an image) or ASDF (the first array of the tree). What is not
        zero is bad, NaN too.
    shape : tuple of int
        (nint, ny, nx) of the exposure.

    Returns
    -------
    ndarray of bool (nint, ny, nx)

    Raises
    ------
    InputError
        If it cannot be read, holds no image, or is of another shape than (ny, nx) or
        (nint, ny, nx).
    """
    try:
        values = _asdf_array(path) if path.suffix == ".asdf" else _fits_array(path)
    except (OSError, ValueError, TypeError) as err:
        reason = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise InputError(
            f"{path}: no map of bad pixels can be read ({reason}); give a FITS or ASDF file"
        ) from err
    if values is None:
        raise InputError(f"{path}: no image in it; give a map of bad pixels of shape {shape[1:]}")
    if values.shape not in (shape, shape[1:]):
        raise InputError(
            f"{path}: map of shape {values.shape}; the exposure needs {shape[1:]}, or {shape} "
            "for each integration its own"
        )
    return np.broadcast_to(values != 0, shape)


def _fits_array(path: Path) -> NDArray | None:
    with fits.open(path) as hdulist:
        for hdu in hdulist:
            if hdu.is_image and hdu.data is not None:
                return np.array(hdu.data)
    return None


def _asdf_array(path: Path) -> NDArray | None:
    with asdf.open(path) as file:
        for value in file.tree.values():
            if isinstance(value, np.ndarray) or type(value).__name__ == "NDArrayType":
                return np.array(value)
    return None
