"""stpsf's occulters on a grid in the focal plane, in the pixels of the science frame."""

import math
from typing import Any

import numpy as np
from astropy import units
from numpy.typing import NDArray

from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.psf_propagation import Focus

__all__ = ["focus_of"]

_RADIAN = math.radians(1 / 3600)
_DIAMETER = 6.6
_SMOOTH = 2.5  # points per lambda/D where the occulter is smooth
_SHARP = 6.0  # and where it has edges
_SUB = 5  # sub-samples of a point along each axis at edges
_REACH = 12.0  # arcsec: half width of the largest NIRCam occulter, with room


def focus_of(
    occulter: Any,
    mode: CoronagraphMode,
    jacobian: NDArray[np.float64],
    angle: float,
    wavelength: float,
    mean: float,
) -> Focus:
    """Return stpsf's occulter at one wavelength.

    Parameters
    ----------
    occulter : poppy.OpticalElement
        The occulter.
    mode : CoronagraphMode
        Its mode.
    jacobian : ndarray
        Arcsec along ideal x, y for a pixel along science x, y; shape (2, 2).
    angle : float
        Degrees, counter-clockwise, by which the occulter's plane is turned up to the detector.
    wavelength : float
        Metres.
    mean : float
        Arcsec a pixel in the phases.
    """
    look = _Look(occulter, jacobian, angle, wavelength)
    unit = wavelength / _DIAMETER / _RADIAN / mean  # lambda/D in pixels
    if mode.instrument == "MIRI":
        # Light passes within the field stop only.
        half = (15.0 if mode.exp_type == "MIR_LYOT" else 12.0) * 1.15 / mean
        x = y = _axis(-half, half, unit / _SHARP)
        return Focus(x=x, y=y, field=look.at(x, y, _SUB), within=True)
    coarse = np.arange(-_REACH, _REACH, 0.1) / mean
    acts = np.abs(1 - look.at(coarse, coarse, 1)) > 1e-4
    rows, columns = coarse[acts.any(axis=1)], coarse[acts.any(axis=0)]
    edge = 0.1 / mean
    x = _axis(columns[0] - edge, columns[-1] + edge, unit / _SMOOTH)
    y = _axis(rows[0] - edge, rows[-1] + edge, unit / _SMOOTH)
    return Focus(x=x, y=y, field=1 - look.at(x, y, 1), within=False)


def _axis(low: float, high: float, step: float) -> NDArray[np.float64]:
    # An even number: no point lies on the lines where a phase mask jumps.
    count = 2 * math.ceil((high - low) / step / 2)
    return low + (np.arange(count) + 0.5) * ((high - low) / count)


class _Look:
    def __init__(
        self, occulter: Any, jacobian: NDArray[np.float64], angle: float, wavelength: float
    ) -> None:
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        self._occulter = occulter
        self._matrix = np.array([[cos, sin], [-sin, cos]]) @ jacobian
        self._wavelength = wavelength

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64], sub: int) -> NDArray:
        """Return the mean complex transmission of points around pixels x, y."""
        steps = (np.arange(sub) + 0.5) / sub - 0.5
        fine_x = (x[:, None] + steps * (x[1] - x[0])).ravel()
        fine_y = (y[:, None] + steps * (y[1] - y[0])).ravel()
        px, py = np.meshgrid(fine_x, fine_y)
        ax = self._matrix[0, 0] * px + self._matrix[0, 1] * py
        ay = self._matrix[1, 0] * px + self._matrix[1, 1] * py
        field = self._occulter.get_phasor(_wave_at(self._wavelength, ax, ay))
        return field.reshape(len(y), sub, len(x), sub).mean(axis=(1, 3))


def _wave_at(wavelength: float, x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    import poppy

    class Wave(poppy.Wavefront):
        """A wavefront in an image plane, whose points are where we want them."""

        def coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return y.copy(), x.copy()

    wave = Wave(wavelength=wavelength, npix=4)
    wave.wavefront = np.ones(x.shape, dtype=complex)
    # What poppy's edges are softened over; here sub-samples do it.
    wave.pixelscale = abs(x[0, 1] - x[0, 0]) * units.arcsec / units.pixel
    wave.planetype = poppy.poppy_core.PlaneType.image
    return wave
