"""Stray light in MIRI's phase-mask coronagraphs: the glow sticks."""

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.field_edges import field_edges
from coronx.refdata.glow_stick import boundary_distance
from coronx.refdata.modes import CoronagraphMode

__all__ = ["glow"]

_WIDTH = 0.3  # arcsec, sigma across a boundary
_FAINTER = 0.3  # brightness along the columns over that along the rows
_BOTTOM = 2.0  # arcsec in which the glow at the bottom falls to 1 / e


def glow(mode: CoronagraphMode) -> NDArray[np.float64]:
    """Return the pattern of stray light, of peak about 1, (ny, nx).

    Lines along the boundaries of the phase mask, and a glow at the bottom of the field; the
    places are those of `coronx.refdata.glow_stick`, the brightnesses chosen to look like them.
    """
    row, column = boundary_distance(mode, shape=mode.shape, center=mode.center)
    lit = field_edges(mode)
    bottom = int(np.flatnonzero(lit.any(axis=1))[0])
    above = (np.arange(mode.shape[0], dtype=np.float64)[:, np.newaxis] - bottom) * mode.scale[1]
    lines = np.exp(-0.5 * (row / _WIDTH) ** 2) + _FAINTER * np.exp(-0.5 * (column / _WIDTH) ** 2)
    return lit * (lines + np.exp(-np.maximum(above, 0.0) / _BOTTOM))
