"""Bands of infrared surveys, and how stars' light is spread over them.

Zero points are those of the Vega system: 2MASS by Cohen, Wheaton & Megeath 2003, AJ 126, 1090
(isophotal wavelengths 1.235, 1.662, 2.159 um); WISE by Jarrett et al. 2011, ApJ 735, 112
(3.3526, 4.6028, 11.5608, 22.0883 um). Colours of dwarfs are those of Pecaut & Mamajek 2013, ApJS
208, 9, as their online table has them (version 2024.05.15).
"""

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.psf_spectrum import temperature_of

__all__ = ["BANDS", "Band", "flux_ratio"]


@dataclass(frozen=True)
class Band:
    """A band of a survey.

    Attributes
    ----------
    wavelength : float
        Isophotal wavelength in micrometres.
    zero_jy, relative_sigma : float
        Flux density of magnitude zero in Jy, and its relative error.
    """

    wavelength: float
    zero_jy: float
    relative_sigma: float


BANDS: MappingProxyType[str, Band] = MappingProxyType(
    {
        "J": Band(1.235, 1594.0, 0.017),
        "H": Band(1.662, 1024.0, 0.020),
        "KS": Band(2.159, 666.7, 0.019),
        "W1": Band(3.3526, 309.54, 0.015),
        "W2": Band(4.6028, 171.787, 0.015),
        "W3": Band(11.5608, 31.674, 0.015),
        "W4": Band(22.0883, 8.363, 0.015),
    }
)
"""Bands by name: 2MASS J, H, Ks and WISE W1 to W4."""

# J - H, H - Ks, Ks - W1, W1 - W2 of dwarfs; the last is not published from K6 to M4.
_COLORS = {
    "B5": (-0.084, -0.010, 0.029, -0.045), "A0": (-0.032, 0.028, 0.042, -0.041),
    "A5": (0.031, 0.038, 0.046, -0.030), "F0": (0.096, 0.045, 0.049, -0.026),
    "F5": (0.173, 0.054, 0.052, -0.030), "G0": (0.262, 0.067, 0.058, -0.043),
    "G5": (0.310, 0.076, 0.062, -0.052), "K0": (0.387, 0.091, 0.070, -0.063),
    "K2": (0.427, 0.098, 0.073, -0.068), "K5": (0.568, 0.132, 0.092, -0.073),
    "K7": (0.619, 0.164, 0.110, math.nan), "M0": (0.627, 0.190, 0.120, math.nan),
    "M1": (0.614, 0.222, 0.130, math.nan), "M2": (0.600, 0.234, 0.140, math.nan),
    "M3": (0.579, 0.252, 0.150, math.nan), "M4": (0.557, 0.280, 0.180, math.nan),
    "M5": (0.580, 0.312, 0.210, 0.170), "M6": (0.605, 0.352, 0.225, 0.210),
    "M8": (0.677, 0.450, 0.285, 0.260),
}  # fmt: skip
_ANCHORS = tuple(BANDS[name] for name in ("J", "H", "KS", "W1", "W2"))
_HC_OVER_K = 14387.77  # micrometre kelvin


def flux_ratio(spectral_type: str, micron: float, other: float) -> float:
    """Return a star's flux density per unit frequency at the other wavelength over that at one.

    The star is a black body of its type's temperature, scaled to its type's colours at J, H, Ks, W1
    and W2: between them the scale is interpolated, beyond them it stays. The black body alone would
    make a G2V star 7 % too bright from Ks to W1, and an M1V star 18 %.

    Parameters
    ----------
    spectral_type : str
        Such as M1V; the luminosity class is not looked at.
    micron, other : float
        Wavelengths in micrometres.

    Raises
    ------
    InputError
        If the type is none of O to M.
    """
    kelvin = temperature_of(spectral_type)
    # From the coolest, as interpolation wants them.
    known = sorted((temperature_of(name), *colors) for name, colors in _COLORS.items())
    temperatures, *columns = np.array(known).T
    colors = []
    for column in columns:
        there = np.isfinite(column)
        colors.append(float(np.interp(kelvin, temperatures[there], column[there])))
    # Magnitudes relative to that at W2.
    magnitudes = [sum(colors[k:]) for k in range(len(colors) + 1)]
    at = np.array([band.wavelength for band in _ANCHORS])
    fluxes = np.array([b.zero_jy for b in _ANCHORS]) * 10 ** (-0.4 * np.array(magnitudes))
    scale = np.log(fluxes / _black_body(at, kelvin))
    wavelengths = np.array([micron, other])
    first, second = _black_body(wavelengths, kelvin) * np.exp(
        np.interp(np.log(wavelengths), np.log(at), scale)
    )
    return float(second / first)


def _black_body(micron: NDArray[np.float64], kelvin: float) -> NDArray[np.float64]:
    """Return a black body's flux density per unit frequency, up to a factor."""
    return np.array([w**-3 / math.expm1(_HC_OVER_K / (w * kelvin)) for w in micron])
