"""How finely an exposure samples its PSF, and the blur that makes it fit to be moved."""

import math

from stdatamodels.jwst.datamodels import JwstDataModel

from coronx.errors import InputError
from coronx.models.pointing import StarPlace, pixel_scale
from coronx.models.schema import extend
from coronx.ops.blur import blur_sigma
from coronx.refdata.filters import fwhm_pixels

__all__ = ["chosen_blur", "record_blur"]


def chosen_blur(model: JwstDataModel, choice: str) -> float:
    """Return the sigma in pixels of the Gaussian that a parameter asks for.

    Parameters
    ----------
    model : JwstDataModel
        Exposure to be blurred; what it was blurred by already (BLURSIG) counts.
    choice : str
        "none"; a sigma in pixels; or "auto": what widens the PSF, lambda / D at the filter's
        pivot wavelength behind the Lyot stop, to 3.45 pixels (`blur_sigma`).

    Raises
    ------
    InputError
        If it is nothing of that, or "auto" and the filter is not known.
    """
    text = str(choice).strip().lower()
    if text == "none":
        return 0.0
    if text == "auto":
        ny, nx = model.shape[-2:]
        instrument = model.meta.instrument
        middle = StarPlace((nx - 1) / 2, (ny - 1) / 2, "middle of the frame")
        width = fwhm_pixels(instrument.name, instrument.filter, pixel_scale(model, middle))
        before = getattr(getattr(model.meta, "coronx", None), "blur_sigma", None) or 0.0
        return math.sqrt(max(blur_sigma(width) ** 2 - before**2, 0.0))
    try:
        sigma = float(text)
    except ValueError:
        sigma = math.nan
    if not 0.0 <= sigma < math.inf:
        raise InputError(f"blur {choice!r}: give none, auto, or a sigma in pixels")
    return sigma


def record_blur(model: JwstDataModel, sigma: float) -> None:
    """Write into an exposure that it was blurred, in quadrature with what it was before."""
    record = extend(model).meta.coronx
    record.blur_sigma = math.hypot(record.blur_sigma or 0.0, sigma)
