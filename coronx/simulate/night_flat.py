"""What dims a frame: vignetting, dust, and the response of the pixels."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_dust", "flat_field"]

_VIGNETTING = 0.25  # loss in the corners
Dust = tuple[float, float, float, float]


def draw_dust(count: int, size: int, *, rng: np.random.Generator) -> list[Dust]:
    """Return specks of dust as (x, y, radius, depth); their shadows are rings."""
    return [
        (
            float(rng.uniform(0, size)),
            float(rng.uniform(0, size)),
            float(size * rng.uniform(0.015, 0.05)),
            float(rng.uniform(0.02, 0.08)),
        )
        for _ in range(count)
    ]


def flat_field(response: NDArray[np.float64], dust: list[Dust]) -> NDArray[np.float64]:
    """Return the flat field, of median 1.

    Parameters
    ----------
    response : ndarray
        Sensitivity of the pixels, shape (n, n).
    dust : list of (float, float, float, float)
        Specks of dust, on the window and on the filter.
    """
    size = len(response)
    y, x = np.indices(response.shape, dtype=np.float64)
    middle = (size - 1) / 2
    flat = response * (1 - _VIGNETTING * ((x - middle) ** 2 + (y - middle) ** 2) / middle**2 / 2)
    for x0, y0, radius, depth in dust:
        # The shadow of the central obstruction leaves the speck's own shadow with a hole.
        r = np.hypot(x - x0, y - y0) / radius
        flat *= 1 - depth * (1 / (1 + np.exp((r - 1) * 8)) - 0.7 / (1 + np.exp((r - 0.45) * 8)))
    return flat / np.median(flat)
