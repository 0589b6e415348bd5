"""Sums over the sector about each place of a map around a star, and over the one opposite."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.flux_grid import FluxGrid

__all__ = ["Sectors"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TURN = 720  # steps of position angle
_FINE = 2  # steps of separation in a pixel


class Sectors:
    """The pixels of about the separation and position angle of each place, and their antipodes.

    What the optics leave of a star is as strong on one side as on the other: a small aberration
    makes speckles that are even or odd about the star (Perrin et al. 2003, ApJ 596, 702).

    Parameters
    ----------
    grid : FluxGrid
        The map's grid.
    told : ndarray of bool (n, n)
        Pixels that count.
    length, width : float
        In arcsec: a sector reaches from `length` within a place to as much beyond it, and at
        the place's separation `width` to either side.
    """

    def __init__(self, grid: FluxGrid, told: Mask, *, length: float, width: float) -> None:
        step = grid.scale / _FINE
        angle = (np.arctan2(grid.east, grid.north) % (2.0 * np.pi)) * _TURN / (2.0 * np.pi)
        self._told = told
        self._rings = int(grid.separation.max() / step) + 2
        ring = (grid.separation[told] / step).astype(int)
        self._bins = ring * _TURN + angle[told].astype(int) % _TURN
        edges = np.rint((grid.separation + np.array([-length, length])[:, None, None]) / step)
        self._low, self._high = np.clip(edges, 0, self._rings).astype(int)
        half = width / np.maximum(grid.separation, step) * _TURN / (2.0 * np.pi)
        half = np.minimum(half, 0.25 * _TURN)
        middles = angle + _TURN, (angle + 0.5 * _TURN) % _TURN + _TURN
        self._ends = [
            (np.rint(middle - half).astype(int), np.rint(middle + half).astype(int))
            for middle in middles
        ]

    def sums(self, values: Array) -> Array:
        """Return the sums of a map's values, (n, n), over both sectors of every place."""
        binned = np.bincount(self._bins, values[self._told], self._rings * _TURN)
        # Three turns, so that no sector ends beyond the first or the last.
        around = np.tile(binned.reshape(self._rings, _TURN), 3)
        summed = np.zeros((self._rings + 1, 3 * _TURN + 1))
        summed[1:, 1:] = around.cumsum(axis=0).cumsum(axis=1)
        total = np.zeros(values.shape)
        for left, right in self._ends:
            total += summed[self._high, right] - summed[self._low, right]
            total -= summed[self._high, left] - summed[self._low, left]
        return total
