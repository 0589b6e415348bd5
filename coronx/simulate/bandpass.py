"""Bandpasses of the coronagraphic filters, as top hats.

Pivot wavelengths are those of `coronx.refdata.filters`; widths are those of JWST's user
documentation (NIRCam Filters, MIRI Filters and Dispersers), rounded likewise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.filters import PIVOTS

__all__ = ["BANDPASSES", "Bandpass"]


@dataclass(frozen=True)
class Bandpass:
    """A filter as a top hat.

    Attributes
    ----------
    pivot : float
        Pivot wavelength in micrometres.
    width : float
        Full width in micrometres.
    """

    pivot: float
    width: float

    def wavelengths(self, count: int) -> NDArray[np.float64]:
        """Return `count` wavelengths in metres, the middles of equal parts of the band."""
        parts = (np.arange(count) + 0.5) / count - 0.5
        return (self.pivot + parts * self.width) * 1e-6


_WIDTHS = {
    "F182M": 0.238,
    "F187N": 0.024,
    "F200W": 0.461,
    "F210M": 0.205,
    "F212N": 0.027,
    "F250M": 0.181,
    "F277W": 0.672,
    "F300M": 0.318,
    "F322W2": 1.339,
    "F335M": 0.347,
    "F356W": 0.787,
    "F360M": 0.372,
    "F410M": 0.436,
    "F430M": 0.228,
    "F444W": 1.024,
    "F460M": 0.228,
    "F480M": 0.303,
    "F1065C": 0.75,
    "F1140C": 0.80,
    "F1550C": 0.90,
    "F2300C": 5.50,
}  # micrometres

BANDPASSES: dict[str, Bandpass] = {
    name: Bandpass(pivot, _WIDTHS[name]) for name, pivot in PIVOTS.items()
}
