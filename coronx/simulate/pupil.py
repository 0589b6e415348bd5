"""JWST's entrance pupil and the Lyot stops, from public geometry.

The primary is 18 hexagons of 1.32 m flat to flat with gaps of 7 mm, crossed by three
supports of the secondary (Lightsey et al. 2012, Opt. Eng. 51, 011003). NIRCam's stops
transmit holes in the middle of segments, because a band-limited mask spreads the star
over everything near an edge (Krist et al. 2007, SPIE 6693; Mao et al. 2011, SPIE 8150);
the holes here are ellipses and rectangles of about the right place, size and total
transmission (20 % and 16 %). MIRI's stops are the pupil, shrunk (Boccaletti et al.
2015, PASP 127, 633): 62 % and 72 %.
"""

from dataclasses import dataclass

import numpy as np
import poppy
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.segments import nearest_segment, segment_centers

__all__ = [
    "DIAMETER",
    "Pupil",
    "build_pupil",
    "lyot_stop",
    "primary",
    "telescope_axes",
]

DIAMETER = 6.65
"""Side in metres of the square grid, which just holds the pupil."""

_FLAT_TO_FLAT = 1.32
_GAP = 0.007
_FINE = 4  # sub-samples of a grid point along each axis: the gaps are thinner than one point

# Round masks: (x, y, half width, half height) in metres, right half; the left half mirrors it.
_ELLIPSES = (
    (1.07, 1.82, 0.36, 0.31), (2.10, 1.17, 0.30, 0.28), (1.27, 0.69, 0.38, 0.47),
    (2.10, 0.00, 0.31, 0.45), (1.35, -0.63, 0.31, 0.41), (2.10, -1.17, 0.30, 0.28),
    (0.00, -1.55, 0.21, 0.30), (0.00, -2.43, 0.29, 0.31),
)  # fmt: skip
# Bars: rectangles, likewise.
_RECTANGLES = (
    (2.28, 0.02, 0.33, 0.42), (2.28, 1.00, 0.33, 0.10), (2.28, -0.98, 0.33, 0.10),
    (1.13, 0.70, 0.35, 0.40), (1.10, 1.66, 0.33, 0.11), (1.23, -0.60, 0.25, 0.28),
    (0.00, -1.61, 0.30, 0.12), (0.00, -2.28, 0.33, 0.10),
)  # fmt: skip
_MARGIN_4QPM = 0.235
_MARGIN_LYOT = 0.165


@dataclass(frozen=True)
class Pupil:
    """The pupil on a square grid, in the axes of the detector.

    Attributes
    ----------
    u, v : ndarray
        Coordinates in metres along the detector's x and y, shape (n,).
    x, y : ndarray
        Coordinates in metres in the telescope's axes (y along V3), shape (n, n).
    amplitude : ndarray
        Transmission of the primary, 0 to 1, shape (n, n).
    stop : ndarray
        Transmission of the Lyot stop, 0 to 1, shape (n, n).
    segments : ndarray of int
        Number 0-17 of the segment nearest to each point, shape (n, n).
    centers : ndarray
        Centres of the segments in metres, telescope's axes, shape (18, 2) as x, y.
    """

    u: NDArray[np.float64]
    v: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    stop: NDArray[np.float64]
    segments: NDArray[np.int64]
    centers: NDArray[np.float64]


def build_pupil(mode: CoronagraphMode, size: int) -> Pupil:
    """Return the pupil and Lyot stop of a mode on a grid of `size` points a side.

    Parameters
    ----------
    mode : CoronagraphMode
        Decides the stop and, through the angle of its aperture, how the telescope is turned.
    size : int
        Points along one side of the square of `DIAMETER` metres.
    """
    # V3 points to (sin a, cos a) in the ideal axes: the pupil is turned clockwise by a.
    turn = -mode.v3_idl_y_angle
    fine = size * _FINE
    fine_amplitude = primary(fine, turn)
    fine_x, fine_y = telescope_axes(fine, turn)
    axis = _axis(size)
    x, y = telescope_axes(size, turn)
    centers = segment_centers()
    return Pupil(
        u=axis,
        v=axis,
        x=x,
        y=y,
        amplitude=_bin(fine_amplitude),
        stop=_bin(lyot_stop(mode, fine_amplitude, fine_x, fine_y)),
        segments=nearest_segment(x, y, centers),
        centers=centers,
    )


def primary(size: int, turn: float = 0.0) -> NDArray[np.float64]:
    """Return the primary behind its supports, 0 or 1, turned by `turn` degrees; (size, size)."""
    segments = _sample(
        poppy.MultiHexagonAperture(
            rings=2, flattoflat=_FLAT_TO_FLAT, gap=_GAP, center=False, rotation=turn
        ),
        size,
    )
    supports = _sample(
        poppy.AsymmetricSecondaryObscuration(
            secondary_radius=0,
            support_angle=(0, 150, 210),
            support_width=(0.11, 0.11, 0.11),
            rotation=turn,
        ),
        size,
    )
    return segments * supports


def _axis(size: int) -> NDArray[np.float64]:
    return (np.arange(size) - (size - 1) / 2) * (DIAMETER / size)


def telescope_axes(size: int, turn: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates in metres, telescope's axes, of a grid turned by `turn` degrees."""
    u, v = np.meshgrid(_axis(size), _axis(size))
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return u * cos + v * sin, v * cos - u * sin


def _sample(optic: poppy.AnalyticOpticalElement, size: int) -> NDArray[np.float64]:
    return np.asarray(optic.sample(npix=size, grid_size=DIAMETER), dtype=np.float64)


def _bin(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    size = fine.shape[0] // _FINE
    return fine.reshape(size, _FINE, size, _FINE).mean(axis=(1, 3))


def lyot_stop(
    mode: CoronagraphMode,
    amplitude: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return a mode's Lyot stop, 0 or 1, from the primary and the telescope's coordinates."""
    if mode.instrument == "MIRI":
        # The stop shrinks the outline and the supports; the gaps are too thin to matter.
        margin = _MARGIN_LYOT if mode.exp_type == "MIR_LYOT" else _MARGIN_4QPM
        step = DIAMETER / amplitude.shape[0]
        near = distance_transform_edt(amplitude < 0.5) * step
        filled = distance_transform_edt(near <= 2 * _GAP) * step > 2 * _GAP
        return (distance_transform_edt(filled) * step > margin).astype(np.float64)
    stop = np.zeros_like(amplitude)
    bar = mode.pupil == "MASKBAR"
    for cx, cy, rx, ry in _RECTANGLES if bar else _ELLIPSES:
        dx, dy = (np.abs(x) - cx) / rx, (y - cy) / ry
        hole = np.maximum(np.abs(dx), np.abs(dy)) if bar else np.hypot(dx, dy)
        stop[hole <= 1] = 1.0
    return stop
