"""Images of stars through the atmosphere: elliptical Moffat profiles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BETA", "Seeing"]

BETA = 4.765  # of Kolmogorov turbulence: Trujillo et al. 2001, MNRAS 328, 977
_FAINT = 0.01  # electrons/pixel at which a star ends
# Gauss-Legendre places of two points in a pixel: its integral, exact for cubics.
_INSIDE = (-0.5 / np.sqrt(3), 0.5 / np.sqrt(3))


@dataclass(frozen=True)
class Seeing:
    """How stars look in one frame.

    Attributes
    ----------
    size : int
        Pixels along each side of the frame.
    fwhm : float
        Pixels, along the short axis.
    aberration : float
        Share by which the axis away from the frame's middle is longer in the corners.
    trail : float
        Length over width where the telescope did not follow; 1 where it did.
    trail_deg : float
        Where to, from x to y.
    """

    size: int
    fwhm: float
    aberration: float = 0.0
    trail: float = 1.0
    trail_deg: float = 35.0

    def shape_at(self, x: float, y: float) -> tuple[float, float]:
        """Return the long axis over the short one and its angle from x to y in radians."""
        if self.trail > 1:
            return self.trail, float(np.radians(self.trail_deg))
        middle = (self.size - 1) / 2
        dx, dy = x - middle, y - middle
        return 1 + self.aberration * (dx**2 + dy**2) / middle**2 / 2, float(np.arctan2(dy, dx))

    def profile(
        self, x: float, y: float, columns: NDArray[np.float64], rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return a star of flux 1 at 0-based (x, y), integrated over each of the pixels."""
        ratio, angle = self.shape_at(x, y)
        short = _core(self.fwhm)
        cos, sin = np.cos(angle), np.sin(angle)
        total = np.zeros(np.broadcast(columns, rows).shape)
        for i in _INSIDE:
            for j in _INSIDE:
                dx, dy = columns + i - x, rows + j - y
                along, across = (
                    (dx * cos + dy * sin) / (short * ratio),
                    (dy * cos - dx * sin) / short,
                )
                total += (1 + along**2 + across**2) ** -BETA
        return total / 4 * (BETA - 1) / (np.pi * short**2 * ratio)

    def add_star(self, image: NDArray[np.float64], x: float, y: float, flux: float) -> None:
        """Add a star to an image in place; beyond its edges nothing is done."""
        core = _core(self.fwhm) * self.shape_at(x, y)[0]
        peak = flux * (BETA - 1) / (np.pi * core**2)
        radius = int(np.ceil(core * max(peak / _FAINT, 1.0) ** (0.5 / BETA))) + 2
        low_x, low_y = max(round(x) - radius, 0), max(round(y) - radius, 0)
        high_x = min(round(x) + radius + 1, image.shape[1])
        high_y = min(round(y) + radius + 1, image.shape[0])
        if low_x < high_x and low_y < high_y:
            columns, rows = np.arange(low_x, high_x), np.arange(low_y, high_y)[:, np.newaxis]
            image[low_y:high_y, low_x:high_x] += flux * self.profile(x, y, columns, rows)

    def kernel(self) -> NDArray[np.float64]:
        """Return the image of a star in the frame's middle, of odd size and sum 1."""
        radius = int(np.ceil(6 * self.fwhm * self.trail))
        middle = (self.size - 1) / 2
        places = middle + np.arange(-radius, radius + 1)
        kernel = self.profile(middle, middle, places, places[:, np.newaxis])
        return kernel / kernel.sum()


def _core(fwhm: float) -> float:
    return fwhm / (2 * np.sqrt(2 ** (1 / BETA) - 1))
