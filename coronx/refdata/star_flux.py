"""The flux density of a star in a filter: what contrasts are relative to."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from coronx.errors import InputError
from coronx.ops.stamp import OffAxisPsf, PsfImage
from coronx.refdata.filters import pivot_wavelength
from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.stellar_colors import BANDS, flux_ratio
from coronx.refdata.unocculted import UnoccultedStar, read_unocculted
from coronx.refdata.unocculted_fit import fit_unocculted

__all__ = [
    "StarFlux",
    "flux_from_magnitude",
    "flux_from_unocculted",
    "jansky_of",
    "star_flux",
    "sum_of",
]

_COLOR_SIGMA = 0.05  # of a type's light between the band's wavelength and the filter's
_WAYS = (
    "give star_jy; or star_mag, star_band and spectral_type; or an exposure of the star beside the "
    "mask (unocculted); or one of target acquisition (acquisition, with its attenuation)"
)


@dataclass(frozen=True)
class StarFlux:
    """A star's flux density in a filter.

    Attributes
    ----------
    jansky : float
        Flux density in Jy.
    relative_sigma : float
        Its relative 1-sigma error; NaN if not known. From an exposure it is without that of the
        calibration, which star and companion share.
    source : str
        Where it is from, in words.
    """

    jansky: float
    relative_sigma: float
    source: str


def star_flux(
    mode: CoronagraphMode,
    filter_name: str,
    *,
    star_jy: float | None = None,
    star_jy_sigma: float | None = None,
    star_mag: float | None = None,
    star_mag_sigma: float = 0.0,
    star_band: str | None = None,
    spectral_type: str | None = None,
    unocculted: Any = None,
    acquisition: Any = None,
    attenuation: float | None = None,
    psf: OffAxisPsf | None = None,
    mask_place: tuple[float, float] | None = None,
) -> StarFlux:
    """Return the star's flux density by the one way that is given.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    filter_name : str
        The filter.
    star_jy, star_jy_sigma : float, optional
        Flux density in the filter, and its 1-sigma error, in Jy.
    star_mag, star_mag_sigma : float
        Magnitude in `star_band`, and its error.
    star_band : str, optional
        One of `coronx.refdata.stellar_colors.BANDS`.
    spectral_type : str, optional
        Spectral type, such as M1V.
    unocculted : str, Path or data model, optional
        Exposure of the star beside the mask in the same filter.
    acquisition : str, Path or data model, optional
        Exposure of target acquisition: the star behind a neutral density. In another filter it
        needs `spectral_type`, whose light carries it over, and is summed, not fitted.
    attenuation : float, optional
        What that lets through, for example 1e-3.
    psf, mask_place
        With what the star of an exposure is measured; see `flux_from_unocculted`.

    Raises
    ------
    InputError
        If no way is given, more than one, or one in part; or if a value makes no sense.
    """
    ways = {
        "star_jy": star_jy is not None,
        "star_mag": star_mag is not None or star_band is not None,
        "unocculted": bool(unocculted),
        "acquisition": bool(acquisition),
    }
    given = [name for name, there in ways.items() if there]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: more than one flux of the star; give one of them")
    if not given:
        raise InputError(f"the star's flux in {filter_name} is not known; {_WAYS}")
    if (attenuation is not None) != bool(acquisition):
        raise InputError(
            f"attenuation = {attenuation}, acquisition = {acquisition}: give both, or none"
        )
    if star_jy is not None:
        sigma = math.nan if star_jy_sigma is None else _positive("star_jy_sigma", star_jy_sigma)
        jansky = _positive("star_jy", star_jy)
        return StarFlux(jansky, sigma / jansky, f"{jansky:g} Jy, as given")
    if given == ["star_mag"]:
        if star_mag is None or not star_band or not spectral_type:
            raise InputError(
                f"star_mag = {star_mag}, star_band = {star_band}, spectral_type = {spectral_type}: "
                "give all three"
            )
        return flux_from_magnitude(
            filter_name, star_mag, star_band, spectral_type, sigma=star_mag_sigma
        )
    if unocculted:
        star = read_unocculted(unocculted, mode, filter_name)
        return flux_from_unocculted(star, psf=psf, mask_place=mask_place)
    share = _positive("attenuation", attenuation or 0.0)
    if share > 1:
        raise InputError(f"attenuation = {attenuation}: give the share of light let through")
    star = read_unocculted(acquisition, mode, None, attenuation=share)
    return _carried(star, filter_name, spectral_type, psf)


def _carried(
    star: UnoccultedStar, filter_name: str, spectral_type: str | None, psf: OffAxisPsf | None
) -> StarFlux:
    if star.filter == filter_name:
        return flux_from_unocculted(star, psf=psf)
    if not spectral_type:
        raise InputError(
            f"{star.name}: in {star.filter}, not {filter_name}; give spectral_type to carry the "
            "star's flux over"
        )
    measured = flux_from_unocculted(star)
    color = flux_ratio(spectral_type, pivot_wavelength(star.filter), pivot_wavelength(filter_name))
    return StarFlux(
        measured.jansky * color,
        math.hypot(measured.relative_sigma, _COLOR_SIGMA),
        f"{measured.source} in {star.filter}, carried over for type {spectral_type}",
    )


def flux_from_magnitude(
    filter_name: str, magnitude: float, band: str, spectral_type: str, *, sigma: float = 0.0
) -> StarFlux:
    """Return the flux density from a magnitude in a survey's band.

    Between the band's wavelength and the filter's pivot the star's light is that of its type (see
    `coronx.refdata.stellar_colors.flux_ratio`), which is taken to be good to 5 %: molecular bands
    beyond W1, and dust, are not in it.

    Parameters
    ----------
    filter_name : str
        The filter.
    magnitude : float
        Vega magnitude in `band`.
    band : str
        One of `coronx.refdata.stellar_colors.BANDS`.
    spectral_type : str
        Such as M1V.
    sigma : float
        1-sigma error of the magnitude.

    Raises
    ------
    InputError
        If a value makes no sense.
    """
    name = band.strip().upper()
    name = "KS" if name == "K" else name
    if name not in BANDS:
        raise InputError(f"star_band = {band!r}: give one of {', '.join(BANDS)}")
    if not math.isfinite(magnitude) or not sigma >= 0:
        raise InputError(f"star_mag = {magnitude} +- {sigma}: give a number and its error")
    known = BANDS[name]
    color = flux_ratio(spectral_type, known.wavelength, pivot_wavelength(filter_name))
    return StarFlux(
        known.zero_jy * 10 ** (-0.4 * magnitude) * color,
        math.hypot(0.4 * math.log(10) * sigma, known.relative_sigma, _COLOR_SIGMA),
        f"{name} = {magnitude:g} and type {spectral_type}",
    )


def flux_from_unocculted(
    star: UnoccultedStar,
    *,
    psf: OffAxisPsf | None = None,
    mask_place: tuple[float, float] | None = None,
) -> StarFlux:
    """Return the flux density of a star beside the mask.

    With a PSF it is fitted to the star's good pixels together with a constant, so that a companion
    measured with the same PSF has the right contrast whatever part of the light its stamp holds.
    Without, the sum over the cut-out is taken, which lacks the light beyond it: 7 % for 65 pixels
    of NIRCam at 3.6 um.

    Parameters
    ----------
    star : UnoccultedStar
        The star.
    psf : OffAxisPsf, optional
        The PSF, for the frame that `mask_place` is of.
    mask_place : tuple of float, optional
        0-based (x, y) of the mask's centre in the frame of `psf`: the star is compared with a
        source as far from it. By default that of the star's exposure.

    Raises
    ------
    InputError
        If the exposure does not say how large its pixels are.
    """
    if not star.pixel_area_sr:
        raise InputError(f"{star.name}: no PIXAR_SR; give a calibrated exposure, or star_jy")
    noise = star.total_sigma / star.total
    if psf is None:
        total, misfit, how = star.total / star.transmission, 0.0, "summed"
    else:
        offset = np.subtract(mask_place or star.mask_place, star.mask_place)
        # Behind a neutral density no mask is near; otherwise the PSF has the mask in it.
        used = PsfImage(psf.kernel) if star.attenuated else psf
        total, misfit = fit_unocculted(star, used, np.add(star.place, offset))
        total /= star.transmission if star.attenuated else 1.0
        how = "fitted with the PSF"
    return StarFlux(
        jansky_of(total, star.pixel_area_sr),
        math.hypot(noise, misfit),
        f"{star.name}, {how}",
    )


def jansky_of(total: float, pixel_area_sr: float) -> float:
    """Return in Jy the sum of pixels in MJy/sr."""
    return 1e6 * total * pixel_area_sr


def sum_of(jansky: float, pixel_area_sr: float) -> float:
    """Return the sum of pixels in MJy/sr that a flux density in Jy makes."""
    return 1e-6 * jansky / pixel_area_sr


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value}: give a positive number")
    return float(value)
