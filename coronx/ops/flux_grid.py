"""A grid on the sky about a star, north up and east to the left."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FluxGrid"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FluxGrid:
    """A square grid with the star on its middle pixel.

    Attributes
    ----------
    half : int
        Pixels on either side of the star; the grid has 2 half + 1 rows and columns.
    scale : float
        Arcsec a pixel.

    Raises
    ------
    ValueError
        If the grid has no extent.
    """

    half: int
    scale: float

    def __post_init__(self) -> None:
        """Refuse a grid of nothing."""
        if self.half < 1 or not self.scale > 0.0:
            raise ValueError(f"a grid needs extent, not half {self.half} and scale {self.scale}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (2 * self.half + 1, 2 * self.half + 1)

    @property
    def steps(self) -> Array:
        """Offsets from the star along an axis, in arcsec, ascending, (2 half + 1,)."""
        return np.arange(-self.half, self.half + 1, dtype=np.float64) * self.scale

    @property
    def east(self) -> Array:
        """Offsets to the east in arcsec, (n, n); they grow to the left."""
        return np.broadcast_to(-self.steps, self.shape)

    @property
    def north(self) -> Array:
        """Offsets to the north in arcsec, (n, n)."""
        return np.broadcast_to(self.steps[:, None], self.shape)

    @property
    def separation(self) -> Array:
        """Distance from the star in arcsec, (n, n)."""
        return np.hypot(self.east, self.north)

    def offsets(self, row: float, col: float) -> tuple[float, float]:
        """Return (east, north) in arcsec of a place on the grid, be it between pixels."""
        return (self.half - col) * self.scale, (row - self.half) * self.scale
