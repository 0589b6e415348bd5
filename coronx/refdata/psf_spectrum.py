"""Which wavelengths stand for a star in a filter, and how much each weighs."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from coronx.errors import InputError

__all__ = ["band_weights", "read_spectrum", "temperature_of"]

# Effective temperatures in kelvin of dwarfs: Pecaut & Mamajek 2013, ApJS 208, 9, with the online
# table's M types; rounded to 50 K. Between them it is interpolated.
_TEMPERATURES = {
    "O5": 41400, "B0": 31400, "B2": 20600, "B5": 15700, "B8": 12500, "A0": 9700, "A2": 8800,
    "A5": 8100, "F0": 7200, "F2": 6800, "F5": 6550, "F8": 6200, "G0": 5900, "G2": 5750, "G5": 5650,
    "G8": 5500, "K0": 5250, "K2": 5050, "K5": 4450, "K7": 4050, "M0": 3850, "M2": 3550, "M4": 3200,
    "M6": 2850, "M8": 2600,
}  # fmt: skip
_CLASSES = "OBAFGKM"
_HC_OVER_K = 1.438777e-2  # metre kelvin


def temperature_of(spectral_type: str) -> float:
    """Return the effective temperature in kelvin of a spectral type, such as G2V or M1.5Ve.

    Raises
    ------
    InputError
        If the type is none of O to M.
    """
    name = spectral_type.strip().upper()
    digits = name[1:].lstrip()
    number = ""
    for letter in digits:
        if not (letter.isdigit() or letter == "."):
            break
        number += letter
    if not name or name[0] not in _CLASSES:
        raise InputError(
            f"{spectral_type!r} is no spectral type; give one of O to M, such as G2V, or a spectrum"
        )
    known = [(10 * _CLASSES.index(k[0]) + float(k[1:]), t) for k, t in _TEMPERATURES.items()]
    places, temperatures = zip(*known, strict=True)
    place = 10 * _CLASSES.index(name[0]) + float(number or 5)
    return float(np.interp(place, places, temperatures))


def read_spectrum(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read wavelength (micrometres) and flux density per wavelength from two columns of text.

    Raises
    ------
    InputError
        If the file cannot be read as such.
    """
    try:
        table = np.loadtxt(path, usecols=(0, 1), ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: {error}; give a text file with two columns, wavelength in micrometres and "
            "flux density per unit wavelength"
        ) from error
    order = np.argsort(table[:, 0])
    wavelength, flux = table[order].T
    if len(wavelength) < 2 or wavelength[0] <= 0 or not np.all(np.isfinite(table)):
        raise InputError(f"{path}: no spectrum in it; give at least two finite rows")
    return wavelength, flux


def band_weights(
    throughput: Path,
    count: int,
    *,
    spectral_type: str | None = None,
    spectrum: str | Path | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelengths in metres and their shares of the star's photons.

    The band, where its throughput exceeds a tenth of the largest, is cut into equal parts; each is
    stood for by its photons' mean wavelength; parts without light are left out.

    Parameters
    ----------
    throughput : Path
        stpsf's throughput of the filter (columns WAVELENGTH in angstrom, THROUGHPUT).
    count : int
        Number of wavelengths.
    spectral_type, spectrum
        What the star's light is; see `coronx.refdata.psf_model.star_model`.

    Raises
    ------
    InputError
        If both are given, or the spectrum does not cover the filter.
    """
    if spectral_type and spectrum:
        raise InputError(
            f"spectral_type {spectral_type!r} and spectrum {str(spectrum)!r}: give one of them"
        )
    if count < 1:
        raise InputError(f"nlambda = {count}: give at least one wavelength")
    table = fits.getdata(throughput, 1)
    micron = np.asarray(table["WAVELENGTH"], dtype=np.float64) * 1e-4
    through = np.asarray(table["THROUGHPUT"], dtype=np.float64)
    bright = micron[through > 0.1 * through.max()]
    edges = np.linspace(bright.min(), bright.max(), count + 1)
    if spectrum:
        at, flux = read_spectrum(spectrum)
        if at[0] > edges[0] or at[-1] < edges[-1]:
            raise InputError(
                f"{spectrum}: covers {at[0]:g} to {at[-1]:g} um, the filter {edges[0]:.3g} to "
                f"{edges[-1]:.3g} um; give a spectrum that covers it"
            )
    wavelengths, weights = [], []
    for low, high in pairwise(edges):
        fine = low + (np.arange(50) + 0.5) * ((high - low) / 50)
        density = (
            np.interp(fine, at, flux)
            if spectrum
            else _black_body(fine * 1e-6, temperature_of(spectral_type or "G2V"))
        )
        photons = np.interp(fine, micron, through) * density * fine
        if not photons.sum() > 0:
            continue
        weights.append(photons.sum())
        wavelengths.append(np.average(fine, weights=photons) * 1e-6)
    if not weights:
        raise InputError(
            f"{spectrum}: no light in {throughput.name}; give a spectrum that has some"
        )
    return np.array(wavelengths), np.array(weights) / np.sum(weights)


def _black_body(wavelength: NDArray[np.float64], kelvin: float) -> NDArray[np.float64]:
    return (wavelength * 1e6) ** -5 / np.expm1(_HC_OVER_K / (wavelength * kelvin))
