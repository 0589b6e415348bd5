"""What a subtraction leaves of a companion at each separation, where references show it, too."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coronx.ops.core_filter import core_filter
from coronx.ops.stamp import OffAxisPsf, Stamp
from coronx.ops.subtracted import Patches

__all__ = ["Responding", "throughput_profile"]

Array = NDArray[np.float64]


class Responding(Protocol):
    """A subtraction that can be asked what it leaves of a companion."""

    def places(self, east: float, north: float) -> Array:
        """Return where a place on the sky is in each frame, (n, 2)."""
        ...

    def response(
        self, psf: OffAxisPsf, east: float, north: float, flux: float = 1.0, *, half: int
    ) -> Patches:
        """Return what a companion changes in the residuals around its place."""
        ...


def throughput_profile(
    parts: Sequence[Responding],
    psfs: Sequence[OffAxisPsf],
    separations: Array,
    *,
    flux: float | Array,
    half: int,
    angles: int = 6,
    core: float | None = None,
) -> Array:
    """Return the share of a companion's matched-filter flux that is left, against separation.

    A companion is put at `angles` position angles of each separation, one at a time, and the
    subtraction is asked what it makes of it, the references' part in it included.

    Parameters
    ----------
    parts : sequence of Responding
        Exposures.
    psfs : sequence of OffAxisPsf
        The PSF in each.
    separations : ndarray (n,)
        Arcsec.
    flux : float or ndarray (n,)
        Of the companion, at each separation: what an ADI reduction leaves depends on it, a little.
    half : int
        The filter has (2 half + 1) pixels a side.
    angles : int
        Number of position angles.
    core : float, optional
        Of the filter, as `flux_map` takes it; the filter is the PSF by default.

    Returns
    -------
    ndarray (n,)
        NaN where no exposure has a good pixel.
    """
    share = np.full(len(separations), np.nan)
    fluxes = np.broadcast_to(flux, share.shape)
    for n, separation in enumerate(separations):
        left = whole = 0.0
        for angle in 2.0 * np.pi * (np.arange(angles) + 0.5 * (n % 2)) / angles:
            east, north = separation * np.sin(angle), separation * np.cos(angle)
            for part, psf in zip(parts, psfs, strict=True):
                change = part.response(psf, east, north, fluxes[n], half=half)
                for k, (x, y) in enumerate(part.places(east, north)):
                    good = np.isfinite(change.values[k]) & (change.err[k] > 0.0)
                    if not good.any():
                        continue
                    weight = 1.0 / float(np.mean(change.err[k][good] ** 2))
                    shape = _template(psf, float(x), float(y), change, k)
                    own = shape
                    if core is not None:
                        middle = (float(x) - change.cols[k], float(y) - change.rows[k])
                        own = core_filter(shape, core, middle=middle, good=good)
                    left += weight * float(own[good] @ change.values[k][good]) / fluxes[n]
                    whole += weight * float(own[good] @ shape[good])
        if whole > 0.0:
            share[n] = left / whole
    return share


def _template(psf: OffAxisPsf, x: float, y: float, change: Patches, frame: int) -> Array:
    """Return the PSF at a place, cut as the patch of a frame is."""
    stamp = psf(x, y)
    out = np.zeros(change.values.shape[1:])
    row, col = int(change.rows[frame]), int(change.cols[frame])
    Stamp(stamp.values, stamp.row - row, stamp.col - col).add_to(out)
    return out
