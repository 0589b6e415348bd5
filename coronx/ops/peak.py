"""Where between its samples a sampled peak lies."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["vertex"]


def vertex(values: NDArray[np.float64] | Sequence[float], peak: int) -> float:
    """Return the vertex of the parabola through a peak and its neighbours.

    Parameters
    ----------
    values : ndarray (n,)
        Samples.
    peak : int
        Index of the highest.

    Returns
    -------
    float
        Offset of the vertex from `peak`, in samples; zero where a neighbour is missing or the
        three do not bend downwards.
    """
    if not 0 < peak < len(values) - 1:
        return 0.0
    before, at, after = values[peak - 1 : peak + 2]
    curvature = before - 2.0 * at + after
    return 0.0 if curvature >= 0.0 else float(0.5 * (before - after) / curvature)
