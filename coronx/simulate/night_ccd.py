"""A CCD of known truth: bias, dark current, bad pixels and columns, and how it is read out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.simulate.night_plan import Night

__all__ = ["COLUMN", "DEAD", "FULL", "HOT", "Ccd", "make_ccd", "read_out"]

HOT, DEAD, COLUMN = 1, 2, 4  # bits of the map of bad pixels
FULL = 65535  # where the converter ends
_DARK = 0.05  # electrons/s/pixel
_GLOW_REACH = 60.0  # pixels in which the amplifier's glow falls to 1 / e
_COLUMN_DARK = 0.2  # more of it in a bad column
_COLUMN_TRAP = 30.0  # electrons that the trap in a bad column keeps of each pixel
_LEVEL_DRIFT = 3.0  # ADU, of a camera that has an overscan to see it


@dataclass(frozen=True)
class Ccd:
    """A CCD; arrays are (ny, nx).

    Attributes
    ----------
    night : Night
        Gain, read noise, overscan and pedestal.
    bias : ndarray
        ADU without charge.
    dark : ndarray
        Electrons/s.
    trap : ndarray
        Electrons that never arrive.
    response : ndarray
        Sensitivity of pixels about 1.
    bad : ndarray of uint8
        ``HOT``, ``DEAD`` and ``COLUMN``.
    columns : tuple of (int, int, int)
        Bad columns as (column, first row, row after the last), 0-based.
    """

    night: Night
    bias: NDArray[np.float64]
    dark: NDArray[np.float64]
    trap: NDArray[np.float64]
    response: NDArray[np.float64]
    bad: NDArray[np.uint8]
    columns: tuple[tuple[int, int, int], ...]

    def dark_frame(self, exposure: float) -> NDArray[np.float64]:
        """Return the ADU above bias expected of a dark, shape (ny, nx)."""
        return np.maximum(self.dark * exposure - self.trap, 0) / self.night.gain


def make_ccd(night: Night, *, rng: np.random.Generator) -> Ccd:
    """Draw a CCD: hot and dead pixels, one bad column, two beside each other, a partly bad one."""
    n = night.size
    y, x = np.indices((n, n)) / n
    bias = night.bias_level + 4.0 * y + 2.0 * np.sin(9.0 * x) + rng.normal(0.0, 1.0, size=n)
    # The amplifier warms a corner.
    dark = _DARK * (1.0 + 3.0 * np.exp(-n * np.hypot(x, 1.0 - y) / _GLOW_REACH))
    response = rng.normal(1.0, 0.01, size=(n, n))
    bad, trap = np.zeros((n, n), np.uint8), np.zeros((n, n))
    columns = ((n // 5, 0, n), (n // 2 + 7, 0, n), (n // 2 + 8, 0, n), (3 * n // 4, 2 * n // 5, n))
    for column, first, last in columns:
        # A trap is passed by the charge of all rows above it.
        dark[first:last, column] += _COLUMN_DARK
        trap[first:last, column] = _COLUMN_TRAP
        bad[first:last, column] |= COLUMN
    places = rng.choice(n * n, night.hot_pixels + night.dead_pixels, replace=False)
    hot, dead = places[: night.hot_pixels], places[night.hot_pixels :]
    dark.flat[hot] += 10 ** rng.uniform(-1.0, 2.2, size=hot.size)
    response.flat[dead] = rng.uniform(0.1, 0.5, size=dead.size)
    bad.flat[hot] |= HOT
    bad.flat[dead] |= DEAD
    return Ccd(night, bias, dark, trap, response, bad, columns)


def read_out(
    ccd: Ccd, charge: NDArray[np.float64], *, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], float]:
    """Return what the camera writes of a charge, and the bias level's drift.

    Parameters
    ----------
    ccd : Ccd
        The CCD.
    charge : ndarray
        Electrons in the pixels, shape (ny, nx), with their own noise.
    rng : numpy.random.Generator
        Source of the read noise and of the drift.

    Returns
    -------
    frame : ndarray of uint16
        ADU, shape (ny, nx + overscan).
    drift : float
        ADU by which the level of the frame differs from the usual one.
    """
    night = ccd.night
    drift = float(rng.normal(0.0, _LEVEL_DRIFT)) if night.overscan else 0.0
    adu = ccd.bias + np.maximum(charge - ccd.trap, 0.0) / night.gain
    if night.overscan:
        empty = np.full((night.size, night.overscan), night.bias_level)
        adu = np.hstack([adu, empty])
    adu += drift + rng.normal(0.0, night.read_noise / night.gain, size=adu.shape)
    return np.clip(np.rint(adu) + night.pedestal, 0, FULL).astype(np.uint16), drift
