"""The coronagraphic filters: pivot wavelengths, and the width of the PSF they give.

Pivot wavelengths are those of JWST's user documentation (NIRCam Filters, MIRI Filters and
Dispersers), rounded to 1 nm (NIRCam) and 10 nm (MIRI).
"""

from types import MappingProxyType

from coronx.errors import InputError

__all__ = ["DIAMETERS", "PIVOTS", "fwhm_pixels", "pivot_wavelength"]

PIVOTS: MappingProxyType[str, float] = MappingProxyType(
    {
        "F182M": 1.845,
        "F187N": 1.874,
        "F200W": 1.990,
        "F210M": 2.093,
        "F212N": 2.120,
        "F250M": 2.503,
        "F277W": 2.786,
        "F300M": 2.996,
        "F322W2": 3.247,
        "F335M": 3.365,
        "F356W": 3.563,
        "F360M": 3.621,
        "F410M": 4.092,
        "F430M": 4.280,
        "F444W": 4.421,
        "F460M": 4.624,
        "F480M": 4.834,
        "F1065C": 10.58,
        "F1140C": 11.30,
        "F1550C": 15.50,
        "F2300C": 22.75,
    }
)
"""Pivot wavelengths in micrometres."""

DIAMETERS: MappingProxyType[str, float] = MappingProxyType({"NIRCAM": 5.2, "MIRI": 6.5})
"""Diameter in metres that the Lyot stops leave: NIRCam's narrows the pupil, MIRI's hardly."""

_ARCSEC = 206264.806  # a radian


def pivot_wavelength(filter_name: str | None) -> float:
    """Return a coronagraphic filter's pivot wavelength in micrometres.

    Raises
    ------
    InputError
        If the filter is not one of them; the known ones are listed.
    """
    name = str(filter_name or "").upper()
    if name not in PIVOTS:
        raise InputError(
            f"filter {filter_name!r}: its wavelength is not known; known are {', '.join(PIVOTS)}"
        )
    return PIVOTS[name]


def fwhm_pixels(
    instrument: str | None,
    filter_name: str | None,
    pixel_scale_arcsec: float,
    *,
    diameter_m: float | None = None,
) -> float:
    """Return the full width at half maximum of the PSF, lambda/D, in pixels.

    Parameters
    ----------
    instrument : str
        ``NIRCAM`` or ``MIRI``, which decides the diameter where none is given.
    filter_name : str
        A coronagraphic filter.
    pixel_scale_arcsec : float
        Size of a pixel.
    diameter_m : float, optional
        Diameter of the telescope behind its stop; by default that of `DIAMETERS`.

    Raises
    ------
    InputError
        If the filter or, where no diameter is given, the instrument is not known; the known
        ones are listed.
    """
    wavelength = pivot_wavelength(filter_name) * 1e-6
    if diameter_m is None:
        name = str(instrument or "").upper()
        if name not in DIAMETERS:
            raise InputError(
                f"instrument {instrument!r}: its diameter is not known; known are "
                f"{', '.join(DIAMETERS)}"
            )
        diameter_m = DIAMETERS[name]
    return wavelength / diameter_m * _ARCSEC / pixel_scale_arcsec
