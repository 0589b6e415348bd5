"""Zones of a frame in which the star is fitted and subtracted on its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Zone", "whole_frame"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Zone:
    """One zone.

    Attributes
    ----------
    fit : ndarray of bool (ny, nx)
        Pixels over which the references are fitted.
    subtract : ndarray of bool (ny, nx)
        Pixels from which the fit is subtracted.
    radius : float
        Mean distance of `subtract` from the star, in pixels.
    """

    fit: Mask
    subtract: Mask
    radius: float


def whole_frame(shape: tuple[int, ...]) -> tuple[Zone, ...]:
    """Return the one zone that is the whole frame."""
    every = np.ones(shape, bool)
    return (Zone(every, every, 0.0),)
