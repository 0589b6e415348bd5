"""Light added to frames: point sources and images, with the photon noise that it brings."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.sky_image import SkyImage, seen_through
from coronx.ops.stamp import OffAxisPsf, Stamp

__all__ = ["image_light", "photon_noise", "point_light", "variance_per_flux"]

Array = NDArray[np.float64]

_BRIGHT = 0.01  # share of pixels, the brightest, in which photon noise is best known


def point_light(psf: OffAxisPsf, places: Array, flux: float, shape: tuple[int, int]) -> Array:
    """Return the light of a point source in frames.

    Parameters
    ----------
    psf : OffAxisPsf
        Image of a source of unit flux, the mask's transmission included.
    places : ndarray (n, 2)
        0-based (x, y) of the source in each frame.
    flux : float
        Its flux far from the mask: the sum over all pixels.
    shape : tuple of int
        (ny, nx) of a frame; what the PSF has beyond it is lost.

    Returns
    -------
    ndarray (n, ny, nx)
    """
    light = np.zeros((len(places), *shape))
    made: dict[tuple[float, float], Stamp] = {}
    for image, place in zip(light, places, strict=True):
        at = (float(place[0]), float(place[1]))
        if at not in made:
            made[at] = psf(*at)
        made[at].add_to(image, flux)
    return light


def image_light(
    image: SkyImage, psf: OffAxisPsf, stars: Array, matrices: Array, shape: tuple[int, int],
    *, masked: bool = True,
) -> Array:  # fmt: skip
    """Return the light of a sky image in frames, convolved with the PSF.

    Parameters
    ----------
    image : SkyImage
        The image.
    psf : OffAxisPsf
        The PSF, of which the one far from the mask is taken, and the transmission.
    stars : ndarray (n, 2)
        0-based (x, y) of the star in each frame.
    matrices : ndarray (n, 2, 2)
        Pixels (x, y) per arcsec (east, north) of each; where they are NaN there is no light.
    shape : tuple of int
        (ny, nx) of a frame.
    masked : bool
        Whether the light goes through the mask.

    Returns
    -------
    ndarray (n, ny, nx)
        As `coronx.ops.sky_image.seen_through` has it.
    """
    light = np.zeros((len(stars), *shape))
    through = psf.transmission(shape) if masked else None
    made: dict[bytes, Array] = {}
    for frame, star, matrix in zip(light, stars, matrices, strict=True):
        if not np.isfinite(matrix).all():
            continue
        key = star.tobytes() + matrix.tobytes()
        if key not in made:
            made[key] = seen_through(
                image,
                star=(float(star[0]), float(star[1])),
                matrix=matrix,
                shape=shape,
                kernel=psf.kernel,
                transmission=through,
            )
        frame[:] = made[key]
    return light


def variance_per_flux(
    data: NDArray[np.floating], poisson: NDArray[np.floating], good: NDArray[np.bool_]
) -> float:
    """Return the variance that a unit of light brings by its photons, measured on the frames.

    Parameters
    ----------
    data, poisson : ndarray
        Frames, and the part of their variance that is due to photons.
    good : ndarray of bool
        Pixels to look at.

    Returns
    -------
    float
        Median of variance over value in the brightest hundredth of the pixels; NaN where no pixel
        is positive in both.
    """
    some = good & (data > 0) & (poisson > 0)
    if not some.any():
        return float("nan")
    values, variance = data[some].astype(np.float64), poisson[some].astype(np.float64)
    bright = values >= np.quantile(values, 1 - _BRIGHT)
    return float(np.median(variance[bright] / values[bright]))


def photon_noise(
    light: NDArray[np.floating], per_flux: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the photon noise of light, and its variance.

    Parameters
    ----------
    light : ndarray
        Expected light; what is negative has no noise.
    per_flux : float
        Variance for a unit of light: one over the electrons that it makes.
    rng : numpy.random.Generator
        Source of the noise, which is Poisson's.

    Returns
    -------
    noise, variance : ndarray
        Both like `light`.
    """
    expected: Array = np.clip(light, 0.0, None).astype(np.float64) / per_flux
    noise = (rng.poisson(expected).astype(np.float64) - expected) * per_flux
    return noise, expected * per_flux**2
