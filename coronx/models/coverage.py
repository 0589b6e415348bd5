"""How much each pixel of an exposure has to say about the sky when rolls are combined."""

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel

from coronx.errors import name_of
from coronx.models.arrays import array_of, good_samples
from coronx.models.pointing import mask_place
from coronx.ops.median import fill_local_median
from coronx.refdata.filters import pivot_wavelength
from coronx.refdata.glow_stick import boundary_distance, is_phase_mask
from coronx.refdata.modes import find_mode
from coronx.refdata.transmission import transmission

__all__ = ["light_passed", "weights_of"]

log = logging.getLogger(__name__)

_BOUNDARY = 0.6  # distance from a boundary, in lambda/D, at which half of the light passes
_DIAMETER = 6.5  # metres
_ARCSEC = 206264.806
_WINDOW = 5  # pixels over which the photon noise is levelled


def light_passed(model: JwstDataModel) -> NDArray[np.float64] | None:
    """Return how much of a source's light reaches the detector, by the source's place.

    That is the transmission of occulter and field edges. Beside a boundary of a phase mask,
    which blocks nothing, light from its two sides cancels: with d the distance in lambda/D
    about d**2 / (d**2 + 0.6**2) is left, within 0.05 of the flux of sources simulated there.

    Parameters
    ----------
    model : JwstDataModel
        An exposure.

    Returns
    -------
    ndarray (ny, nx) or None
        1 = all; None where nothing is known of the mask or of its place.
    """
    mode = find_mode(model.meta.instrument.coronagraph)
    center = mask_place(model)
    if mode is None or center is None:
        log.info("%s: no known mask; all pixels are taken to see the sky", name_of(model))
        return None
    shape = (int(model.shape[-2]), int(model.shape[-1]))
    passed = transmission(mode, shape=shape, center=center)
    if is_phase_mask(mode):
        unit = pivot_wavelength(mode.filters[0]) * 1e-6 / _DIAMETER * _ARCSEC
        for distance in boundary_distance(mode, shape=shape, center=center):
            square = (distance / unit) ** 2
            passed *= square / (square + _BOUNDARY**2)
    return passed


def weights_of(cube: CubeModel, *, threshold: float) -> NDArray[np.float32]:
    """Return the weight of every pixel in a mean over integrations and rolls.

    It is T**2 / variance, T the share of a source's light that passes the mask: what the pixel
    adds to the square of the source's signal to noise. A weight that knew the noise of its own
    pixel would prefer pixels that came out low, since their photon noise is estimated from
    themselves: of the photon noise, what is common to integrations and neighbours is taken.

    Parameters
    ----------
    cube : CubeModel
        An exposure.
    threshold : float
        Pixels of a T below it have no weight; with 0 the mask is left out of account.

    Returns
    -------
    ndarray (n, ny, nx)
        0 where a pixel is not to be used.
    """
    good = good_samples(cube)
    variance = _variance(cube)
    known = good & np.isfinite(variance) & (variance > 0.0)
    if not known.any():
        known, variance = good, np.ones(cube.shape, np.float32)  # no errors: all are alike
    weight = np.where(known, 1.0 / np.where(known, variance, 1.0), 0.0)
    passed = light_passed(cube) if threshold > 0.0 else None
    if passed is not None:
        weight *= np.where(passed >= threshold, passed**2, 0.0)
    return weight.astype(np.float32)


def _variance(cube: CubeModel) -> NDArray[np.float64]:
    """Return the square of ERR, its photon noise levelled; 0 where nothing is known."""
    total = np.square(cube.err, dtype=np.float64)
    photons = array_of(cube, "var_poisson")
    if photons is None or photons.shape != cube.shape:
        return total
    known = good_samples(cube) & (total > 0.0) & (photons > 0.0)
    count = known.sum(axis=0)
    if not count.any():
        return total
    own = np.where(known, photons, 0.0)
    mean = own.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    level = median_filter(fill_local_median(mean, count == 0, box=_WINDOW), _WINDOW)
    return np.where(total > 0.0, np.clip(total - own, 0.0, None) + known * level, 0.0)
