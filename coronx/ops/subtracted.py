"""One exposure's PSF subtraction, to be asked what becomes of light that is added to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.images import Images
from coronx.ops.klip_variance import residual_variance
from coronx.ops.refit import Added, Refit
from coronx.ops.stamp import OffAxisPsf, Stamp
from coronx.ops.target_fit import Method, Prepared, fit_targets, prepare
from coronx.ops.throughput import kept_share
from coronx.ops.zone_fit import assemble, fit_zones
from coronx.ops.zones import Zone

__all__ = ["Patches", "Subtracted"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Patches:
    """Small pieces of frames, one of each.

    Attributes
    ----------
    values, err : ndarray (n, 2 half + 1, 2 half + 1)
        Values and 1-sigma errors; NaN where bad or outside of the frame.
    rows, cols : ndarray of int (n,)
        Row and column of the first pixel of each in its frame.
    """

    values: Array
    err: Array
    rows: NDArray[np.int_]
    cols: NDArray[np.int_]


class Subtracted:
    """The subtraction of one exposure's star, and what it does to light beside the star.

    All is in the common frame of the references, in which the star of each target lies at the
    same place. A place on the sky, (east, north) in arcsec from the star, is at
    ``star + matrix @ (east, north)``.

    With references of other stars the residual is linear in the target: light added to it is
    lessened by its own projection on the modes, exactly. Where references show the same
    star at other angles (ADI, ARDI), a companion changes them, too; the whole reduction is then
    done again with it, but by inner products alone, in which a companion changes few terms. Of NMF
    that is not possible, and all is as if the same components had a share in the target: exact for
    a companion too faint to bring one in or out.

    Parameters
    ----------
    targets, references : Images
        (nt, ny, nx) and (nref, ny, nx), as `subtract_psf` takes them.
    star : tuple of float
        0-based (x, y) of the star in the common frame.
    matrices : ndarray (nt, 2, 2)
        Pixels (x, y) per arcsec (east, north) of each target.
    reference_matrices : ndarray (nref, 2, 2), optional
        The same of references that show the same star; NaN for those of others, as all are by
        default.
    truncate : int
        Number of modes.
    err : ndarray (nt, ny, nx), optional
        1-sigma errors of the residuals, where they are known; propagated by default.
    method, zones, chosen, kept_out, shifts
        As `subtract_psf` has them.

    Attributes
    ----------
    residual, err : ndarray (nt, ny, nx)
        Residuals in the common frame, and their errors; NaN where bad.
    star, matrices, reference_matrices, shifts
        As given.
    linear : bool
        Whether no reference shows the same star.

    Raises
    ------
    ValueError
        If no reference has a good pixel, or some show the same star and the method is NMF.
    """

    def __init__(
        self,
        targets: Images,
        references: Images,
        *,
        star: tuple[float, float],
        matrices: Array,
        reference_matrices: Array | None = None,
        truncate: int = 50,
        err: NDArray[np.floating] | None = None,
        method: Method = "klip",
        zones: Sequence[Zone] | None = None,
        chosen: Mask | None = None,
        kept_out: Mask | None = None,
        shifts: Array | None = None,
    ) -> None:
        self.star = star
        self.matrices = np.asarray(matrices, float)
        nref = len(references.data)
        self.reference_matrices = (
            np.full((nref, 2, 2), np.nan)
            if reference_matrices is None
            else np.asarray(reference_matrices, float)
        )
        self.shifts = shifts
        self.linear = not bool(np.isfinite(self.reference_matrices).any())
        self._truncate = truncate
        self._method: Method = method
        self._given = (targets, references, zones, chosen, kept_out)
        if method == "nmf" and not self.linear:
            raise ValueError(
                "the NMF of references that show the same star is not done again with a companion "
                "in them; subtract by klip or classical, or with references of other stars alone"
            )
        self._ready = prepare(targets, references, zones=zones, chosen=chosen, kept_out=kept_out)
        self._groups = fit_targets(
            self._ready, targets.data, truncate=(truncate,), method=method, shifts=shifts
        )
        self.shape = targets.data.shape
        count, size = self.shape[0], int(np.prod(self.shape[1:]))
        common = np.empty((count, size))
        residual = np.empty((count, size))
        for group in self._groups:
            common[group.targets] = group.common
            residual[group.targets] = group.common - assemble(group.zones, size)
        residual[~self._ready.keep.reshape(count, size)] = np.nan
        self.residual = residual.reshape(self.shape)
        self.err = np.array(
            self._propagated(targets, references) if err is None else err, dtype=np.float64
        )
        self.err[np.isnan(self.residual)] = np.nan
        self._refit = Refit(self._ready, self._groups, common, truncate, method)

    def places(self, east: float, north: float) -> Array:
        """Return where a place on the sky is in each target, 0-based (x, y), shape (nt, 2)."""
        return np.asarray(self.star) + self.matrices @ np.array([east, north])

    def patches(self, east: float, north: float, *, half: int) -> Patches:
        """Return the residuals around a place on the sky, (2 half + 1) pixels a side."""
        rows, cols = self._corners(east, north, half)
        pieces = [
            [Stamp(np.empty((2 * half + 1,) * 2), int(r), int(c)).cut(plane[n]) for plane in
             (self.residual, self.err)]
            for n, (r, c) in enumerate(zip(rows, cols, strict=True))
        ]  # fmt: skip
        values, err = (np.stack(part) for part in zip(*pieces, strict=True))
        return Patches(values, err, rows, cols)

    def response(
        self, psf: OffAxisPsf, east: float, north: float, flux: float = 1.0, *, half: int
    ) -> Patches:
        """Return what a companion changes in the residuals around its place.

        Parameters
        ----------
        psf : OffAxisPsf
            Image of a source of unit flux at a place of the frame.
        east, north : float
            Its place in arcsec from the star.
        flux : float
            Its flux; a negative one takes a companion out.
        half : int
            The pieces returned have (2 half + 1) pixels a side.

        Returns
        -------
        Patches
            Residual with the companion minus residual without it; NaN where the residual is.
            Errors are those of the residuals.
        """
        own = self._stamps(psf, self.matrices, east, north, flux)
        held = np.flatnonzero(np.isfinite(self.reference_matrices).all(axis=(1, 2)))
        others = self._stamps(psf, self.reference_matrices[held], east, north, flux)
        added = Added.of(own, held, others, self._ready)
        around = self.patches(east, north, half=half)
        values = np.stack(
            [
                self._refit.change(added, n, int(row), int(col), around.values.shape[-1])
                for n, (row, col) in enumerate(zip(around.rows, around.cols, strict=True))
            ]
        )
        values[np.isnan(around.values)] = np.nan
        return Patches(values, around.err, around.rows, around.cols)

    def add(self, added: NDArray[np.floating]) -> Array:
        """Return what is left of light added to the targets, the references as they are.

        Light in the common frame, finite, (nt, ny, nx); what is left is NaN where the residual is.
        Exact where no reference shows the same star: the subtraction is linear.
        """
        flat = np.asarray(added, float).reshape(self.shape[0], -1)
        left = np.empty_like(flat)
        for group in self._groups:
            rows = group.targets
            use = self._ready.keep[rows].reshape(len(rows), -1)
            fits = fit_zones(
                np.where(use, flat[rows], 0.0), use, self._ready.data,
                list(self._ready.chosen[:, rows[0]]), self._ready.zones,
                truncate=(self._truncate,), known=group.zones,
            )  # fmt: skip
            left[rows] = flat[rows] - assemble(fits, flat.shape[1])
        return np.where(self._ready.keep, left.reshape(self.shape), np.nan)

    def reduce_again(
        self, added: NDArray[np.floating], references: NDArray[np.floating] | None = None
    ) -> Array:
        """Return what is left of light, in the targets' own frames: residual with it minus without.

        All is done as the subtraction does it, guesses at bad pixels of shifted targets included.
        NaN where the residual is.

        Parameters
        ----------
        added : ndarray (nt, ny, nx)
            Light in the targets, finite.
        references : ndarray (nref, ny, nx), optional
            Light in the references; by default none. Only the light is fitted then, but for NMF.
        """
        targets, others, zones, chosen, kept_out = self._given
        ready = self._ready
        if references is not None:
            lit = Images(others.data + references, others.err, others.bad)
            ready = prepare(targets, lit, zones=zones, chosen=chosen, kept_out=kept_out)
        elif self._method != "nmf":
            taken = self._own_models(ready, np.asarray(added, float))
            return np.where(ready.keep, added - taken, np.nan)
        taken = self._own_models(ready, targets.data + added)
        taken -= self._own_models(self._ready, targets.data)
        return np.where(self._ready.keep, added - taken, np.nan)

    def kept(self, kernel: Array, weights: Array | None = None) -> Array:
        """Return which share of a PSF's flux is left at every pixel, (ny, nx).

        The share that a filter f finds, <f, (I - P) p> / <f, p>, over the pixels that are good in
        any target, the references as they are; mean of the targets. `kernel` (odd, odd) is the PSF
        p, centred on its middle pixel, and `weights`, as large, the filter; by default the PSF.
        """
        total = np.zeros(self.shape[1:])
        for group in self._groups:
            good = np.asarray(self._ready.keep[group.targets].any(axis=0))
            total += len(group.targets) * kept_share(group.zones, kernel, good, weights=weights)
        return total / self.shape[0]

    def _own_models(self, ready: Prepared, data: NDArray[np.floating]) -> Array:
        models = np.empty(self.shape)
        for group in fit_targets(
            ready, data, truncate=(self._truncate,), method=self._method, shifts=self.shifts
        ):
            for n, model in group.models(self.shape[1:], self.shifts):
                models[n] = model
        return models

    def _corners(
        self, east: float, north: float, half: int
    ) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        places = np.rint(self.places(east, north)).astype(int)
        return places[:, 1] - half, places[:, 0] - half

    def _stamps(
        self, psf: OffAxisPsf, matrices: Array, east: float, north: float, flux: float
    ) -> list[Stamp]:
        """Return a companion's image in frames of those matrices; equal ones share theirs."""
        made: dict[bytes, Stamp] = {}
        stamps: list[Stamp] = []
        for matrix in matrices:
            key = matrix.tobytes()
            if key not in made:
                x, y = np.asarray(self.star) + matrix @ np.array([east, north])
                stamp = psf(float(x), float(y))
                made[key] = Stamp(flux * stamp.values, stamp.row, stamp.col)
            stamps.append(made[key])
        return stamps

    def _propagated(self, targets: Images, references: Images) -> Array:
        count = self.shape[0]
        err = np.full((count, int(np.prod(self.shape[1:]))), np.nan)
        variance = np.square(targets.err, dtype=np.float64)
        variance[~self._ready.keep] = np.nan
        for group in self._groups:
            for fit in group.zones:
                if fit.basis is not None:
                    found = residual_variance(
                        fit.basis,
                        fit.coefficients,
                        variance[group.targets],
                        references.err,
                        truncate=(self._truncate,),
                        known=self._ready.known,
                    )
                    err[np.ix_(group.targets, fit.area)] = np.sqrt(found[0])
        return err.reshape(self.shape)
