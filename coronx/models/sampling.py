"""How finely an exposure samples its PSF, and the blur that makes it fit to be moved."""

import math

from stdatamodels.jwst.datamodels import JwstDataModel

from coronx.errors import InputError
from coronx.models.psf_width import psf_width
from coronx.models.schema import extend
from coronx.ops.blur import blur_sigma

__all__ = ["chosen_blur", "fit_blur", "record_blur"]

# Width of the PSF in pixels. Of simulated speckles, shifts err by aliasing 0.016 pixels at 1.57,
# 0.0006 at 1.9, where the noise of a bright star is as much.
_ALIASED = 1.8


def chosen_blur(model: JwstDataModel, choice: str) -> float:
    """Return the sigma in pixels of the Gaussian that a parameter asks for.

    Parameters
    ----------
    model : JwstDataModel
        Exposure to be blurred; what it was blurred by already (BLURSIG) counts.
    choice : str
        "none"; a sigma in pixels; or "auto": what widens the PSF (`psf_width`) to 3.45 pixels
        (`blur_sigma`).

    Raises
    ------
    InputError
        If it is nothing of that, or "auto" and the PSF's width is not known.
    """
    text = str(choice).strip().lower()
    if text == "none":
        return 0.0
    if text == "auto":
        return blur_sigma(psf_width(model, remedy="give the blur's sigma in pixels"))
    try:
        sigma = float(text)
    except ValueError:
        sigma = math.nan
    if not 0.0 <= sigma < math.inf:
        raise InputError(f"blur {choice!r}: give none, auto, or a sigma in pixels")
    return sigma


def fit_blur(model: JwstDataModel) -> float:
    """Return the sigma in pixels of the Gaussian to blur images with before they are registered.

    What is aliased in images of a PSF much narrower than two pixels (F250M) biases their shifts:
    they are registered once blurred as by "auto". Others lose by it, and are not blurred; nor are
    images of which the PSF's width is not known.
    """
    try:
        width = psf_width(model)
    except InputError:
        return 0.0
    return blur_sigma(width) if width < _ALIASED else 0.0


def record_blur(model: JwstDataModel, sigma: float) -> None:
    """Write into an exposure that it was blurred, in quadrature with what it was before."""
    record = extend(model).meta.coronx
    record.blur_sigma = math.hypot(record.blur_sigma or 0.0, sigma)
