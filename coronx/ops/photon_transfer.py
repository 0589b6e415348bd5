"""Measure the gain of a CCD from two flat fields."""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.plane_fit import boxes, plane_residuals

__all__ = ["measure_gain"]

_FEWEST = 9  # boxes


def measure_gain(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    read_noise: float,
    box: int = 50,
) -> tuple[float, float]:
    """Return the gain that the noise of two flat fields tells.

    Parameters
    ----------
    first, second : ndarray (ny, nx)
        Two flat fields less their bias, in ADU, neither divided by a flat nor normalised.
    read_noise : float
        Noise of one read-out, in ADU.
    box : int
        Side of the boxes that are measured one by one, in pixels.

    Returns
    -------
    gain, error : float
        Electrons per ADU, and the 1-sigma error of the boxes' median.

    Raises
    ------
    ValueError
        If fewer than nine boxes can be measured.

    Notes
    -----
    Photon transfer (Janesick 2001, Scientific Charge-Coupled Devices, ch. 2): pattern and
    illumination go out in the difference of one flat from the other brought to its level; what is
    left has the variance ``(1 + r) S / gain + (1 + r^2) read_noise^2``, S being the
    first's signal and r its ratio to the second's. Level and slope are matched in each box, because
    twilight has a gradient that turns.
    """
    gains: list[float] = []
    for at in boxes(first.shape, box):
        a, b = (np.asarray(image[at], dtype=np.float64) for image in (first, second))
        good = np.isfinite(a) & np.isfinite(b)
        if good.sum() < good.size / 2:
            continue
        signal, other = float(np.median(a[good])), float(np.median(b[good]))
        if not (signal > 0 and other > 0):
            continue
        ratio = signal / other
        rest = plane_residuals(a - ratio * b, good)
        noise = float(np.mean(rest**2)) if rest.size else 0.0
        noise -= (1.0 + ratio**2) * read_noise**2
        if noise > 0:
            gains.append((1.0 + ratio) * signal / noise)
    if len(gains) < _FEWEST:
        raise ValueError(f"the gain can be measured in {len(gains)} boxes only; {_FEWEST} needed")
    error = 1.2533 * float(np.std(gains)) / np.sqrt(len(gains))
    return float(np.median(gains)), error
