"""The occulters in the focal plane, as what they take away from the star's field.

NIRCam's masks are those of `coronx.refdata.transmission`. MIRI's four-quadrant phase
masks shift two quadrants by half the design wavelength (Rouan et al. 2000); its Lyot
spot has a radius of 2.16 arcsec and hangs on a strip (Boccaletti et al. 2015). NIRCam's
neutral-density squares and the frame of the mask holder are not drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.transmission import amplitude_blocked, footprint, is_bar
from coronx.simulate.bandpass import BANDPASSES

__all__ = ["Occulter", "occulter_of"]


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
    return _nircam(mode)


def _nircam(mode: CoronagraphMode) -> Occulter:
    reach = footprint(mode) * max(mode.scale)
    half_box = (10.0 if is_bar(mode) else reach, reach)

    def blocked(x: NDArray, y: NDArray, wavelength: float) -> NDArray:  # noqa: ARG001
        return amplitude_blocked(mode, x, y) * (np.abs(x) <= half_box[0])

    return Occulter(half_box, blocked)


def _four_quadrants(design: float) -> Occulter:
    def blocked(x: NDArray, y: NDArray, wavelength: float) -> NDArray:
        shifted = np.where(x * y < 0, np.exp(1j * np.pi * design / wavelength), 1.0)
        return 1 - shifted

    return Occulter(None, blocked)


def _spot(radius: float, strip: float) -> Occulter:
    def blocked(x: NDArray, y: NDArray, wavelength: float) -> NDArray:  # noqa: ARG001
        return ((np.hypot(x, y) <= radius) | (np.abs(x) <= strip)).astype(float)

    return Occulter((radius, 15.0), blocked)
