"""How wide the PSF of an exposure is."""

import math

from stdatamodels.jwst.datamodels import JwstDataModel

from coronx.errors import InputError, name_of
from coronx.models.pointing import StarPlace, pixel_scale
from coronx.ops.interpolation_kernels import FWHM_OF_SIGMA
from coronx.refdata.filters import fwhm_pixels

__all__ = ["psf_width"]


def psf_width(model: JwstDataModel, *, remedy: str = "give fwhm, in pixels") -> float:
    """Return the full width at half maximum of an exposure's PSF in pixels.

    It is lambda / D at the filter's pivot wavelength behind the Lyot stop, and what the
    exposure was blurred by (BLURSIG) in quadrature.

    Parameters
    ----------
    model : JwstDataModel
        The exposure.
    remedy : str
        What to do where the width is not known, for the message.

    Raises
    ------
    InputError
        If the filter, the instrument, or the size of a pixel is not known.
    """
    ny, nx = model.shape[-2:]
    middle = StarPlace((nx - 1) / 2, (ny - 1) / 2, "middle of the frame")
    instrument = model.meta.instrument
    try:
        width = fwhm_pixels(instrument.name, instrument.filter, pixel_scale(model, middle))
    except InputError as err:
        raise InputError(f"{name_of(model)}: {err}; or {remedy}") from err
    if math.isnan(width):
        raise InputError(
            f"{name_of(model)}: the PSF's width needs the size of a pixel, from a WCS or PIXAR_A2; "
            f"{remedy}"
        )
    blur = getattr(getattr(model.meta, "coronx", None), "blur_sigma", None) or 0.0
    return math.hypot(width, FWHM_OF_SIGMA * blur)
