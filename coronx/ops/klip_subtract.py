"""Subtract the star from targets by KLIP, blemishes and errors included."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.klip import kl_basis, project, reference_scatter
from coronx.ops.klip_variance import residual_variance
from coronx.ops.nans import fill_from_stack

__all__ = ["Images", "Subtraction", "subtract_klip"]


@dataclass(frozen=True)
class Images:
    """A stack of images with what is known of them.

    Attributes
    ----------
    data, err : ndarray (n, ny, nx)
        Values and 1-sigma errors.
    bad : ndarray of bool (n, ny, nx)
        Pixels not to be used; those that are not finite count as bad too.
    """

    data: NDArray[np.floating]
    err: NDArray[np.floating]
    bad: NDArray[np.bool_]

    @property
    def good(self) -> NDArray[np.bool_]:
        """Pixels to be used."""
        good = np.isfinite(self.data)
        good[self.bad] = False
        return good


@dataclass(frozen=True)
class Subtraction:
    """Targets without their star.

    Attributes
    ----------
    residual, err, model : ndarray (nint, ny, nx), float32
        Target minus model, its 1-sigma error, and the model. NaN at a target's bad pixels
        (the model is defined there too) and where no reference has a pixel.
    modes : int
        Number of KL modes subtracted.
    references : int
        Number of references that had any good pixel.
    """

    residual: NDArray[np.float32]
    err: NDArray[np.float32]
    model: NDArray[np.float32]
    modes: int
    references: int


def subtract_klip(
    targets: Images,
    references: Images,
    *,
    truncate: int,
    shifts: NDArray[np.float64] | None = None,
    propagate: bool = True,
) -> Subtraction:
    """Subtract from each target its projection on the references' KL modes.

    Parameters
    ----------
    targets : Images
        (nint, ny, nx).
    references : Images
        (nref, ny, nx). A pixel bad in some references takes the value that the others imply;
        one bad in all takes no part. A reference without a good pixel is left out.
    truncate : int
        Largest number of modes.
    shifts : ndarray (nint, 2), optional
        (dx, dy) in pixels from the references' frame to each target's; see `project`.
    propagate : bool
        Errors by propagation of the targets' and references' errors; if False, the
        scatter of the references' own residuals (the host's definition).

    Returns
    -------
    Subtraction

    Raises
    ------
    ValueError
        If no reference has a good pixel.
    """
    good = references.good
    usable = good.any(axis=(1, 2))
    if not usable.any():
        raise ValueError("no reference has a good pixel")
    data, err = references.data, references.err
    if not usable.all():
        data, err, good = data[usable], err[usable], good[usable]
    covered = np.ones(data.shape[1:], bool)
    known = None if good.all() else good
    if known is not None:
        data, covered = fill_from_stack(data, ~known)
    del good
    basis = kl_basis(data, truncate=truncate, used=covered)
    count = data.shape[0]
    scatter = None if propagate else reference_scatter(data, basis)
    del data  # as large as the references, where some pixel had to be filled
    keep = targets.good & covered
    fit = project(targets.data, keep, basis, shifts=shifts)
    coefficients = fit.coefficients
    model = fit.model.astype(np.float32)
    model[:, ~covered] = np.nan
    residual = np.subtract(targets.data, fit.model, out=fit.model).astype(np.float32)
    residual[~keep] = np.nan
    del fit  # the model in double precision is not needed any more
    if scatter is None:
        variance = residual_variance(
            basis,
            coefficients,
            np.square(targets.err, dtype=np.float64),
            err,
            known=known,
            squared=False,
            overwrite=True,
        )
        sigma = np.sqrt(variance, out=variance)
        sigma[~keep] = np.nan
    else:
        sigma = np.where(keep, scatter, np.nan)
    return Subtraction(residual, sigma.astype(np.float32), model, basis.eigenvalues.size, count)
