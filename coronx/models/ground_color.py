"""The data model of three aligned CCD images, of which a colour picture is made."""

from coronx.models.ground_image import GroundImageModel
from coronx.models.schemas import GROUND_COLOR

__all__ = ["GroundColorModel"]


class GroundColorModel(GroundImageModel):
    """Images for red, green and blue, in this order.

    Attributes
    ----------
    data, err : ndarray (3, ny, nx), float32
        Signal and its 1-sigma error, as the images had them: not scaled for the eye.
    dq : ndarray (3, ny, nx), uint32
        Flags, see `coronx.models.ground_flags`.
    """

    schema_url = GROUND_COLOR
