"""The flux of a star beside the mask by a fit of the PSF."""

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError
from coronx.ops.stamp import OffAxisPsf, Stamp
from coronx.refdata.unocculted import UnoccultedStar

__all__ = ["fit_unocculted"]

_STEP = 0.01  # pixels, of the differences that stand for derivatives
_ROUNDS = 8
_PLACE_DONE = 1e-4  # pixels


def fit_unocculted(
    star: UnoccultedStar, psf: OffAxisPsf, place: NDArray[np.float64]
) -> tuple[float, float]:
    """Fit a PSF and a constant to the good pixels of a star beside the mask.

    Parameters
    ----------
    star : UnoccultedStar
        The star.
    psf : OffAxisPsf
        The PSF.
    place : ndarray (2,)
        0-based (x, y) of the star in the PSF's frame; it is fitted, too.

    Returns
    -------
    flux : float
        In units of the PSF.
    misfit : float
        The relative error that the PSF's misfit makes likely.

    Raises
    ------
    InputError
        If the PSF does not fit.
    """
    # Whole pixels between the star's cut-out and the PSF's frame.
    base = np.rint(place - star.center).astype(int)
    center = np.array(star.center)
    moves = _STEP * np.eye(2)
    for _ in range(_ROUNDS):
        here = _on(star, psf, center, base)
        slopes = [(_on(star, psf, center + move, base) - here) / _STEP for move in moves]
        terms = np.stack([here, *slopes, np.ones(here.shape)])
        known = star.good & np.all(np.isfinite(terms), axis=0)
        design, values = terms[:, known].T, star.image[known]
        solved, *_ = np.linalg.lstsq(design, values, rcond=None)
        total = float(solved[0])
        if not total > 0:
            raise InputError(f"{star.name}: the PSF does not fit its star; give another PSF")
        change = np.clip(solved[1:3] / total, -0.5, 0.5)
        center = center + change
        if np.hypot(*change) < _PLACE_DONE:
            break
    left = values - design @ solved
    weight = design[:, 0] / np.sum(design[:, 0] ** 2)
    return total, float(np.sqrt(np.sum((weight * left) ** 2)) / total)


def _on(
    star: UnoccultedStar, psf: OffAxisPsf, center: NDArray[np.float64], base: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Return the PSF on the pixels of the star's cut-out; NaN beyond the stamp."""
    stamp = psf(float(base[0] + center[0]), float(base[1] + center[1]))
    row, col = stamp.row - int(base[1]), stamp.col - int(base[0])
    out, covered = np.zeros(star.image.shape), np.zeros(star.image.shape)
    Stamp(stamp.values, row, col).add_to(out)
    Stamp(np.ones(stamp.values.shape), row, col).add_to(covered)
    return np.where(covered > 0, out, np.nan)
