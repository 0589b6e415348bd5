"""What a subtraction leaves of the image of a disk, or of anything that surrounds the star."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.injection import image_light
from coronx.ops.sky_image import SkyImage
from coronx.ops.stamp import OffAxisPsf
from coronx.ops.subtracted import Subtracted

__all__ = ["Passed", "pass_image"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Passed:
    """A sky image that went the way of the light, in the frames of the targets.

    Attributes
    ----------
    free, light, left : ndarray (nt, ny, nx)
        Convolved with the PSF, as if there were no mask; what the mask lets through of it; what
        the subtraction leaves of that, NaN where the residual is.
    stars : ndarray (nt, 2)
        0-based (x, y) of the star in each target.
    """

    free: Array
    light: Array
    left: Array
    stars: Array


def pass_image(part: Subtracted, image: SkyImage, psf: OffAxisPsf, *, sign: int = 1) -> Passed:
    """Pass a sky image through PSF, mask and subtraction.

    With references of other stars what is left is exact and proportional to the image. Where
    references show the same star (ADI, ARDI), they show the image, too, and the whole subtraction
    is done again: what is left is the difference of both, and depends on how bright the image is.

    Parameters
    ----------
    part : Subtracted
        The subtraction.
    image : SkyImage
        Flux in the unit of the frames.
    psf : OffAxisPsf
        The PSF in the targets' own frames. References are taken to have the mask at the same place.
    sign : int
        1: the image is added to the frames, which do not have it; -1: the frames have it, and
        what is left is what they have more than without it.

    Returns
    -------
    Passed
    """
    shape = (part.shape[1], part.shape[2])
    home = np.broadcast_to(np.asarray(part.star, float), (part.shape[0], 2))
    shifts = np.zeros((len(home), 2)) if part.shifts is None else part.shifts
    stars = home + shifts
    light = image_light(image, psf, stars, part.matrices, shape)
    free = image_light(image, psf, stars, part.matrices, shape, masked=False)
    shown = None
    if not part.linear:
        others = np.broadcast_to(home[0], (len(part.reference_matrices), 2))
        shown = sign * image_light(image, psf, others, part.reference_matrices, shape)
    left = sign * part.reduce_again(sign * light, shown)
    return Passed(free, light, left, stars)
