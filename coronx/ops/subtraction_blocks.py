"""Residuals and errors of a subtraction, made in blocks of pixels for all truncations."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.ops.common_frame import to_target
from coronx.ops.images import Images
from coronx.ops.klip import KLBasis
from coronx.ops.klip_variance import ResidualVariance
from coronx.ops.target_fit import Fitted, Prepared
from coronx.ops.zone_fit import ZoneFit, coefficient_steps, residual_steps

__all__ = ["SubtractionBlocks"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

_BLOCK = 4096  # pixels: what a block of twenty targets needs fits a cache


class SubtractionBlocks:
    """A subtraction in the making.

    For a block of pixels all truncations are made while its modes are in the cache: the model of
    one is that of the one before it and what the new modes add.

    Parameters
    ----------
    targets : Images
        (nt, ny, nx).
    ready : Prepared
        What they are fitted by.
    count : int
        Number of truncations.
    with_model : bool
        Whether the model is kept.

    Attributes
    ----------
    residual, err, model : ndarray (ntrunc, nt, npix)
        To be filled; NaN where no zone is.
    shared : ndarray (ntrunc, npix)
        Covariance between targets; 0 where nothing was put in.
    """

    def __init__(
        self, targets: Images, ready: Prepared, count: int, *, with_model: bool = False
    ) -> None:
        flat = len(targets.data), targets.data[0].size
        covered = sum(zone.area.size for zone in ready.zones) == flat[1]

        def empty() -> Single:
            made = np.empty((count, *flat), np.float32)
            return made if covered else np.full_like(made, np.nan)

        self.residual, self.err = empty(), empty()
        self.model = empty() if with_model else None
        self.shared = np.zeros((count, flat[1]), np.float32)
        self._frame = targets.data.shape[1:]
        self._data = targets.data.reshape(flat)
        self._variance = np.square(targets.err, dtype=np.float32).reshape(flat)
        self._lost = None if ready.keep.all() else ~ready.keep.reshape(flat)
        if self._lost is not None:
            # The noise of what is not fitted is in no other pixel.
            self._variance[self._lost] = np.nan

    def variance(self, group: Fitted) -> Single:
        """Return the variance of a group's targets, (n, npix); NaN where no good pixel is."""
        return self._variance[self._rows(group)]

    def put_nothing(self, group: Fitted, fit: ZoneFit) -> None:
        """Put NaN into a zone where nothing could be fitted."""
        place = np.ix_(np.array(group.planes), group.targets, fit.area)
        for array in (self.residual, self.err, self.model):
            if array is not None:
                array[place] = np.nan

    def put_residuals(self, group: Fitted, fit: ZoneFit, basis: KLBasis) -> None:
        """Put in the residuals of a zone, none of whose targets is moved."""
        steps = coefficient_steps(fit.coefficients)
        for part, place in self._places(group, fit):
            data = self._data[place].astype(np.float64)
            lost = None if self._lost is None else self._lost[place]
            if lost is not None:
                data[lost] = 0.0
            kept = None if self.model is None else data.copy()
            found = residual_steps(data, steps, basis.modes[:, part])
            for k, left in zip(group.planes, found, strict=True):
                self.residual[k][place] = left if lost is None else np.where(lost, np.nan, left)
                if self.model is not None and kept is not None:
                    self.model[k][place] = kept - left

    def put_moved(self, group: Fitted, shifts: Array) -> None:
        """Put in the residuals of targets to each of which the model is moved."""
        if group.whole is None:
            return
        shape = len(group.targets), self._data.shape[1]
        models = np.full(shape, np.nan)
        fits = [(fit, fit.basis) for fit in group.zones if fit.basis is not None]
        steps = [coefficient_steps(fit.coefficients) for fit, _ in fits]
        for fit, _ in fits:
            models[:, fit.area] = 0.0
        for number, k in enumerate(group.planes):
            for (fit, basis), each in zip(fits, steps, strict=True):
                new, change = each[number]
                for start in range(0, fit.area.size, _BLOCK):
                    part = slice(start, min(start + _BLOCK, fit.area.size))
                    at = part if fit.area.size == shape[1] else fit.area[part]
                    models[:, at] += change @ basis.modes[new, part]
            for row, n in enumerate(group.targets):
                own, whole = (
                    flat.astype(np.float32).reshape(self._frame)
                    for flat in (models[row], group.whole[row])
                )
                model = to_target(own, whole, shifts[n]).ravel()
                np.subtract(self._data[n], model, out=self.residual[k, n], casting="same_kind")
                if self._lost is not None:
                    self.residual[k, n][self._lost[n]] = np.nan
                if self.model is not None:
                    self.model[k, n] = model

    def put_errors(self, group: Fitted, fit: ZoneFit, noise: ResidualVariance | Array) -> None:
        """Put in the errors of a zone: by variances, or the same for all (ntrunc, narea)."""
        unfitted = np.isnan(fit.coefficients[..., 0])
        whole = fit.area.size == self._data.shape[1]
        for part, place in self._places(group, fit):
            at = part if whole else fit.area[part]
            lost = None if self._lost is None else self._lost[place]
            if isinstance(noise, ResidualVariance):
                found = ((np.sqrt(own, out=own), more) for own, more in noise.block(part))
            else:
                found = ((np.tile(row, (len(group.targets), 1)), None) for row in noise[:, part])
            for k, none, (values, more) in zip(group.planes, unfitted, found, strict=True):
                if more is not None:
                    self.shared[k, at] += more
                if lost is not None:
                    values[lost] = np.nan
                if none.any():
                    values[none] = np.nan
                self.err[k][place] = values

    def _rows(self, group: Fitted) -> slice | NDArray[np.intp]:
        return slice(None) if group.targets.size == len(self._data) else group.targets

    def _places(self, group: Fitted, fit: ZoneFit) -> Iterator[tuple[slice, Any]]:
        """Yield parts of a zone's area, and the index (targets, pixels) of each."""
        rows = self._rows(group)
        for start in range(0, fit.area.size, _BLOCK):
            part = slice(start, min(start + _BLOCK, fit.area.size))
            if fit.area.size == self._data.shape[1]:
                yield part, (rows, part)
            elif isinstance(rows, slice):
                yield part, (rows, fit.area[part])
            else:
                yield part, np.ix_(rows, fit.area[part])
