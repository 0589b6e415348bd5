"""How wide the PSF of an exposure is."""

import math

from stdatamodels.jwst.datamodels import JwstDataModel

from coronx.errors import InputError, name_of
from coronx.models.pointing import StarPlace, pixel_scale
from coronx.refdata.filters import fwhm_pixels

__all__ = ["psf_width"]

_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))  # of a Gaussian, in sigma


def psf_width(model: JwstDataModel) -> float:
    """Return the full width at half maximum of an exposure's PSF in pixels.

    It is lambda / D at the filter's pivot wavelength behind the Lyot stop, and what the
    exposure was blurred by (BLURSIG) in quadrature.

    Raises
    ------
    InputError
        If the filter or instrument is not known.
    """
    ny, nx = model.shape[-2:]
    middle = StarPlace((nx - 1) / 2, (ny - 1) / 2, "middle of the frame")
    instrument = model.meta.instrument
    try:
        width = fwhm_pixels(instrument.name, instrument.filter, pixel_scale(model, middle))
    except InputError as err:
        raise InputError(f"{name_of(model)}: {err}; or give fwhm, in pixels") from err
    blur = getattr(getattr(model.meta, "coronx", None), "blur_sigma", None) or 0.0
    return math.hypot(width, _FWHM * blur)
