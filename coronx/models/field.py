"""Which pixels of an exposure see the sky, and where its star's halo ends."""

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.pointing import find_star, mask_place
from coronx.ops.halo import Halo, fit_halo
from coronx.refdata.modes import CoronagraphMode, find_mode
from coronx.refdata.transmission import transmission

__all__ = ["halo_of", "mask_of", "mean_of", "open_field"]

# Nearer to the occulter, or on the holder, the sky is dimmed.
_OPEN = 0.99


def mask_of(model: JwstDataModel) -> tuple[CoronagraphMode, tuple[float, float]] | None:
    """Return an exposure's coronagraph and its centre, 0-based (x, y); None where unknown.

    A frame that is not of the size its header tells (SUBSIZE1, SUBSIZE2) was cut by hand; where
    is then known to the WCS alone, whose reference pixel is the centre of the aperture.
    """
    mode, place = find_mode(model.meta.instrument.coronagraph), mask_place(model)
    if mode is None or place is None:
        return None
    area, info = model.meta.subarray, model.meta.wcsinfo
    recorded = getattr(getattr(model.meta, "coronx", None), "mask_x", None) is not None
    whole = (area.ysize, area.xsize) in ((None, None), tuple(model.shape[-2:]))
    if not recorded and not whole and info.crpix1 is not None and info.crpix2 is not None:
        place = info.crpix1 - 1.0, info.crpix2 - 1.0
    return mode, place


def open_field(model: JwstDataModel) -> NDArray[np.bool_]:
    """Return the pixels (ny, nx) that see the sky undimmed: not behind the occulter or its holder.

    Neither are those flagged NON_SCIENCE in every integration.
    """
    lit = (np.bitwise_and.reduce(model.dq, axis=0) & np.uint32(pixel["NON_SCIENCE"])) == 0
    known = mask_of(model)
    if known is not None:
        mode, center = known
        lit &= transmission(mode, shape=model.shape[-2:], center=center) > _OPEN
    return lit


def mean_of(data: NDArray[np.floating], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean (ny, nx) of the good samples of a cube; NaN where there is none."""
    count = good.sum(axis=0)
    total = np.where(good, data, 0.0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def halo_of(model: CubeModel, image: NDArray[np.floating], field: NDArray[np.bool_]) -> Halo:
    """Return the halo of an exposure's star in an image of it, see `fit_halo`.

    The star is taken to be behind the mask's centre, and the noise of a pixel to be the median
    of ERR.

    Parameters
    ----------
    model : CubeModel
        The exposure.
    image : ndarray (ny, nx)
        Mean of its integrations.
    field : ndarray of bool (ny, nx)
        Pixels that see the sky.
    """
    known = mask_of(model)
    if known is None:
        star = find_star(model)
        center = (star.x, star.y)
    else:
        center = known[1]
    err = model.err[0][field]
    err = err[np.isfinite(err)]
    noise = float(np.median(err)) if err.size else 0.0
    return fit_halo(image, field, center, noise=noise if noise > 0.0 else None)
