"""Residuals without companions: what the subtraction left of them is taken out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.companion_fit import CompanionFit, fit_companion
from coronx.ops.stamp import OffAxisPsf, Stamp
from coronx.ops.subtracted import Patches, Subtracted

__all__ = ["Removal", "TakenOut", "remove_companions"]

Array = NDArray[np.float64]

_LEAST_SNR = 5.0  # below it a fit says little, and what is there raises no ring


class TakenOut:
    """A subtraction without a companion; it answers for added light as the subtraction does.

    Parameters
    ----------
    part : Subtracted or TakenOut
        The subtraction.
    psf : OffAxisPsf
        Of unit total flux.
    east, north : float
        The companion's place, arcsec.
    flux : float
        Its flux.

    Attributes
    ----------
    residual : ndarray (n, ny, nx)
        Less what the subtraction left of the companion, in the whole frame.
    err, star, matrices, linear, shape
        Those of the subtraction.
    """

    def __init__(
        self,
        part: "Subtracted | TakenOut",
        psf: OffAxisPsf,
        east: float,
        north: float,
        flux: float,
    ) -> None:
        self._whole: Subtracted = part._whole if isinstance(part, TakenOut) else part
        self.err, self.star, self.matrices = part.err, part.star, part.matrices
        self.linear, self.shape = part.linear, part.shape
        self.residual = part.residual.copy()
        # A square that holds the frame, wherever in it the companion is.
        half = max(self.shape[1:])
        change = self._whole.response(psf, east, north, -flux, half=half)
        for image, values, row, col in zip(
            self.residual, change.values, change.rows, change.cols, strict=True
        ):
            Stamp(np.nan_to_num(values), int(row), int(col)).add_to(image)

    def places(self, east: float, north: float) -> Array:
        """Return where a place on the sky is in each target, 0-based (x, y), shape (nt, 2)."""
        return self._whole.places(east, north)

    def patches(self, east: float, north: float, *, half: int) -> Patches:
        """Return the residuals around a place on the sky, (2 half + 1) pixels a side."""
        around = self._whole.patches(east, north, half=half)
        pieces = [
            Stamp(old, int(row), int(col)).cut(image)
            for old, row, col, image in zip(
                around.values, around.rows, around.cols, self.residual, strict=True
            )
        ]
        return Patches(np.stack(pieces), around.err, around.rows, around.cols)

    def response(
        self, psf: OffAxisPsf, east: float, north: float, flux: float = 1.0, *, half: int
    ) -> Patches:
        """Return what another companion would change around its place."""
        return self._whole.response(psf, east, north, flux, half=half)

    def kept(self, kernel: Array, weights: Array | None = None) -> Array:
        """Return which share of a PSF's flux is left at every pixel, (ny, nx)."""
        return self._whole.kept(kernel, weights)


@dataclass(frozen=True)
class Removal:
    """Subtractions without companions.

    Attributes
    ----------
    parts : list of Subtracted or TakenOut
        In the order given.
    fits : list of CompanionFit or None
        Of each companion; None if it was not fitted, or not well enough to be taken out.
    """

    parts: list[Subtracted | TakenOut]
    fits: list[CompanionFit | None]


def remove_companions(
    parts: Sequence[Subtracted],
    psfs: Sequence[OffAxisPsf],
    places: Sequence[tuple[float, float]],
    *,
    fwhm: float,
) -> Removal:
    """Fit companions one after the other, and take each out before the next is fitted.

    The brightest come first: a place where the lobe of a bright companion was taken for another
    one shows nothing any more when its turn comes. Only what is fitted at a S/N of 5 or more, by a
    fit that converged, is taken out. What the first leaves in ADI and ARDI is that of the frames
    with the others in them.

    Parameters
    ----------
    parts : sequence of Subtracted
        Exposures.
    psfs : sequence of OffAxisPsf
        The PSF in each, of unit total flux.
    places : sequence of tuple of float
        (east, north) in arcsec to within a resolution element, in descending brightness.
    fwhm : float
        Resolution element, pixels.

    Returns
    -------
    Removal
    """
    left: list[Subtracted | TakenOut] = list(parts)
    fits: list[CompanionFit | None] = []
    for place in places:
        try:
            fit = fit_companion(left, psfs, guess=place, fwhm=fwhm, errors="covariance")
        except ValueError:  # no usable pixel: nothing to take out
            fits.append(None)
            continue
        good = fit.converged and fit.snr >= _LEAST_SNR
        fits.append(fit if good else None)
        if good:
            left = [
                TakenOut(part, psf, fit.east, fit.north, fit.flux)
                for part, psf in zip(left, psfs, strict=True)
            ]
    return Removal(left, fits)
