"""The occulters in the focal plane, as what they take away from the star's field.

NIRCam's masks are band limited (Krist et al. 2009, SPIE 7440): the amplitude transmission
is 1 - (2 J1(s)/s)^2 for the round ones and 1 - sinc^2(s) for the bars, cut after the first
side lobe. The intensity is halved at 6 lambda/D of the design wavelength (round), and at
2 to 6 lambda/D along the 15 arcsec over which a bar widens. MIRI's four-quadrant phase
masks shift two quadrants by half the design wavelength (Rouan et al. 2000); its Lyot
spot has a radius of 2.16 arcsec and hangs on a strip (Boccaletti et al. 2015). NIRCam's
neutral-density squares and the frame of the mask holder are not drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import j1, jn_zeros

from coronx.refdata.modes import CoronagraphMode
from coronx.simulate.bandpass import BANDPASSES

__all__ = ["Occulter", "occulter_of"]

_ARCSEC = np.degrees(1) * 3600
_DIAMETER = 6.5  # of the "lambda/D" in which the masks were specified
_HALF = np.sqrt(1 - np.sqrt(0.5))  # amplitude taken away where the intensity is halved
_DESIGN = {"210R": 2.10, "335R": 3.35, "430R": 4.30, "SWB": 2.10, "LWB": 4.60}  # micrometres


@dataclass(frozen=True)
class Occulter:
    """An occulter around its centre.

    Attributes
    ----------
    half_box : tuple of float or None
        Half widths in arcsec along x and y of the region outside of which the occulter
        is clear; None where it acts on the whole field.
    blocked : callable
        ``blocked(x, y, wavelength)``: one minus the amplitude transmission at offsets in
        arcsec (arrays that broadcast) for a wavelength in metres.
    """

    half_box: tuple[float, float] | None
    blocked: Callable[[NDArray, NDArray, float], NDArray]


def occulter_of(mode: CoronagraphMode) -> Occulter:
    """Return the occulter of a mode."""
    if mode.exp_type == "MIR_4QPM":
        return _four_quadrants(BANDPASSES[mode.filters[0]].pivot * 1e-6)
    if mode.exp_type == "MIR_LYOT":
        return _spot(radius=2.16, strip=0.36)
    mask = mode.coronmsk.removeprefix("MASKA")
    unit = _DESIGN[mask] * 1e-6 / _DIAMETER * _ARCSEC
    if mode.pupil == "MASKRND":
        return _round(6 * unit)
    # The two bars lie with their wide ends on opposite sides.
    return _bar(unit, widens=1.0 if mask == "SWB" else -1.0)


def _jinc(s: NDArray) -> NDArray:
    s = np.maximum(s, 1e-9)
    return 2 * j1(s) / s


def _round(hwhm: float) -> Occulter:
    end = jn_zeros(1, 2)[1]
    sigma = brentq(lambda s: 2 * j1(s) / s - _HALF, 1e-3, 3.8) / hwhm
    half = end / sigma

    def blocked(x: NDArray, y: NDArray, wavelength: float) -> NDArray:  # noqa: ARG001
        return _jinc(np.minimum(sigma * np.hypot(x, y), end)) ** 2

    return Occulter((half, half), blocked)


def _bar(unit: float, widens: float) -> Occulter:
    half_at = brentq(lambda s: np.sin(s) / s - _HALF, 1e-3, 3.1)
    half = (10.0, 2 * np.pi / half_at * 6 * unit)

    def blocked(x: NDArray, y: NDArray, wavelength: float) -> NDArray:  # noqa: ARG001
        hwhm = unit * np.clip(4 + widens * x * 4 / 15, 2, 6)
        s = np.minimum(np.abs(y) / hwhm * half_at, 2 * np.pi)
        return np.sinc(s / np.pi) ** 2 * (np.abs(x) <= half[0])

    return Occulter(half, blocked)


def _four_quadrants(design: float) -> Occulter:
    def blocked(x: NDArray, y: NDArray, wavelength: float) -> NDArray:
        shifted = np.where(x * y < 0, np.exp(1j * np.pi * design / wavelength), 1.0)
        return 1 - shifted

    return Occulter(None, blocked)


def _spot(radius: float, strip: float) -> Occulter:
    def blocked(x: NDArray, y: NDArray, wavelength: float) -> NDArray:  # noqa: ARG001
        return ((np.hypot(x, y) <= radius) | (np.abs(x) <= strip)).astype(float)

    return Occulter((radius, 15.0), blocked)
