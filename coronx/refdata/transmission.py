"""Analytic transmission of JWST's coronagraph masks, one image a mode.

All transmissions are intensities: 1 where light passes (use the pixel), 0 where it is blocked,
the convention of the PSFMASK reference files.

The NIRCam occulters are band-limited masks (Krist et al. 2010, SPIE 7731, 77313J, and the
telescope's public optical models). With r the distance from the star and J1 the Bessel function,

- round masks: amplitude 1 - (2 J1(z) / z)^2 with z = sigma r;
- bars: amplitude 1 - (sin z / z)^2, z proportional to the distance across the bar, whose half
  width at half maximum (HWHM) grows linearly from 2 to 6 lambda/D over the middle 15 arcsec
  (lambda = 2.1 um SWB: 0.13 to 0.40 arcsec; 4.6 um LWB: 0.29 to 0.88 arcsec) and stays constant
  over the outer 2.5 arcsec at both ends.

Both are cut at z = 2 pi, where the masks end in their substrate: transmission there is that at the
cut, 0.991 for the round ones and 1 for the bars.

How well this matches the PSFMASK files in use: with the files' own pixel scale (0.0630 arcsec
long-wave, 0.0311 short-wave) the rms difference is 1e-5 or less within 50 pixels (100 short-wave)
of every round hole and bar, so the files hold this intensity; the amplitude would differ by 0.05.
On the sky the scale is SIAF's, different along x and y and up to 1.8 % smaller than the files'
along x; with it the rms difference is 0.001 (LWB) to 0.004 (430R).

The MIRI masks (Boccaletti et al. 2015, PASP 127, 633; 2022, A&A 667, A165) block nothing but an
opaque disc (Lyot) or nothing at all: a four-quadrant phase mask (4QPM) changes phase, not
intensity. What the PSFMASK files block at the 4QPM's centre is a disc about one lambda/D in
radius, where starlight is rejected least predictably; the disc here is theirs. They are binary,
and those here soften the edge over one pixel so that the disc can lie between pixels: rms
differences of 0.011-0.012 within 50 pixels of the 4QPM's centre, 0.034 of the Lyot's, all of it at
the edge.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

from coronx.refdata.field_edges import field_edges
from coronx.refdata.modes import CoronagraphMode

__all__ = ["amplitude_blocked", "footprint", "is_bar", "occulter", "transmission"]

_CUT = 2.0 * math.pi
# z at which (1 - (sin z / z)^2)^2 is one half.
_HALF_Z = 1.79960

# sigma in 1/arcsec.
_ROUND = {"nircam-210r": 5.253, "nircam-335r": 3.2927866, "nircam-430r": 2.58496}
# (lambda/D in arcsec for D = 6.5 m, sign of x towards the wide end in the science frame).
_BARS = {"nircam-swb": (0.06664, 1.0), "nircam-lwb": (0.14597, -1.0)}
_BAR_TAPER = 15.0
# Radii in arcsec of what the PSFMASK files block.
_DISCS = {"miri-1065": 0.415, "miri-1140": 0.42, "miri-1550": 0.515, "miri-lyot": 2.19}


def is_bar(mode: CoronagraphMode) -> bool:
    """Return whether the mode's occulter is a bar, with no centre along its length (x)."""
    return mode.name in _BARS


def footprint(mode: CoronagraphMode) -> float:
    """Return how far from its centre the occulter reaches, in pixels (for bars, across them)."""
    if mode.name in _ROUND:
        extent = _CUT / _ROUND[mode.name]
    elif is_bar(mode):
        extent = _CUT / _HALF_Z * 6.0 * _BARS[mode.name][0]
    else:
        extent = _DISCS[mode.name]
    return extent / min(mode.scale) + 1.0


def occulter(
    mode: CoronagraphMode,
    *,
    shape: tuple[int, int] | None = None,
    center: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Return the transmission of the occulter alone, without field edges.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode; its pixel scale (arcsec) is used along both axes.
    shape : tuple of int, optional
        (ny, nx) of the result; the mode's own by default.
    center : tuple of float, optional
        0-based (x, y) of the occulter's centre in pixels; the mode's, in flight, by default.

    Returns
    -------
    ndarray
        Intensity transmission, float64 (ny, nx), 1 = all light passes.
    """
    ny, nx = mode.shape if shape is None else shape
    x0, y0 = mode.center if center is None else center
    x = (np.arange(nx, dtype=np.float64)[np.newaxis, :] - x0) * mode.scale[0]
    y = (np.arange(ny, dtype=np.float64)[:, np.newaxis] - y0) * mode.scale[1]
    if mode.name not in _DISCS:
        return (1.0 - amplitude_blocked(mode, x, y)) ** 2
    radius = np.hypot(x, y)
    pixel = math.sqrt(mode.scale[0] * mode.scale[1])
    return np.clip(0.5 + (radius - _DISCS[mode.name]) / pixel, 0.0, 1.0)


def transmission(
    mode: CoronagraphMode,
    *,
    shape: tuple[int, int] | None = None,
    center: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Return the transmission of the whole coronagraph: occulter and field edges.

    Both sit on one substrate, so that another `center` moves both.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    shape : tuple of int, optional
        (ny, nx) of the result; the mode's own by default.
    center : tuple of float, optional
        0-based (x, y) of the occulter's centre in pixels; the mode's, in flight, by default.

    Returns
    -------
    ndarray
        Intensity transmission, float64 (ny, nx), 1 = all light passes.
    """
    return occulter(mode, shape=shape, center=center) * field_edges(
        mode, shape=shape, center=center
    )


def amplitude_blocked(
    mode: CoronagraphMode, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return one minus the amplitude transmission of a NIRCam occulter.

    Parameters
    ----------
    mode : CoronagraphMode
        A NIRCam mode.
    x, y : ndarray
        Offsets from the occulter's centre in arcsec; arrays that broadcast.

    Returns
    -------
    ndarray
        0 where all light passes.
    """
    if is_bar(mode):
        unit, wide_end = _BARS[mode.name]
        half_width = unit * np.clip(4.0 + 4.0 * wide_end * x / _BAR_TAPER, 2.0, 6.0)
        return np.sinc(np.clip(np.abs(y) * (_HALF_Z / half_width), 0.0, _CUT) / math.pi) ** 2
    # 2 J1(z) / z tends to 1 at the centre; the floor keeps the quotient finite there.
    z = np.clip(_ROUND[mode.name] * np.hypot(x, y), 1e-6, _CUT)
    return (2.0 * j1(z) / z) ** 2
