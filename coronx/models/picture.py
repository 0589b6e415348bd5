"""Write pictures: PNG of 8 bits, TIFF of 16 bits a channel."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from coronx.models.writing import whole_file

__all__ = ["FORMATS", "write_picture"]

FORMATS = ("png", "tiff")


def write_picture(
    rgb: NDArray[np.floating], path: Path, *, opaque: NDArray[np.bool_] | None = None
) -> Path:
    """Write a picture, whole or not at all.

    The first row of an image is the lowest of the picture, as FITS viewers show it.

    Parameters
    ----------
    rgb : ndarray (ny, nx, 3)
        Red, green and blue from 0 to 1.
    path : Path
        The file: .png, 8 bits a channel, or .tiff, 16 bits.
    opaque : ndarray of bool (ny, nx), optional
        Pixels that are not transparent; by default none is.

    Raises
    ------
    ValueError
        If the file is of another kind.
    InputError
        If the folder cannot be written to.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"{path}: known are {', '.join(FORMATS)}")
    channels = rgb if opaque is None else np.concatenate([rgb, opaque[..., None]], axis=-1)
    most = 255 if kind == "png" else 65535
    values = np.rint(np.clip(channels[::-1], 0.0, 1.0) * most).astype(f"u{1 if most == 255 else 2}")
    with whole_file(path) as made:
        if kind == "png":
            Image.fromarray(values).save(made)
        else:
            tifffile.imwrite(
                made,
                values,
                photometric="rgb",
                extrasamples=None if opaque is None else ["unassalpha"],
                compression="zlib",
                metadata=None,
                software="coronx",
            )
    return path
