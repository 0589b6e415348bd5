"""Bandpasses of the coronagraphic filters, as top hats.

Pivot wavelengths and widths are those of JWST's user documentation (NIRCam Filters,
MIRI Filters and Dispersers), rounded to 1 nm (NIRCam) and 10 nm (MIRI).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


BANDPASSES: dict[str, Bandpass] = {
    "F182M": Bandpass(1.845, 0.238),
    "F187N": Bandpass(1.874, 0.024),
    "F200W": Bandpass(1.990, 0.461),
    "F210M": Bandpass(2.093, 0.205),
    "F212N": Bandpass(2.120, 0.027),
    "F250M": Bandpass(2.503, 0.181),
    "F277W": Bandpass(2.786, 0.672),
    "F300M": Bandpass(2.996, 0.318),
    "F322W2": Bandpass(3.247, 1.339),
    "F335M": Bandpass(3.365, 0.347),
    "F356W": Bandpass(3.563, 0.787),
    "F360M": Bandpass(3.621, 0.372),
    "F410M": Bandpass(4.092, 0.436),
    "F430M": Bandpass(4.280, 0.228),
    "F444W": Bandpass(4.421, 1.024),
    "F460M": Bandpass(4.624, 0.228),
    "F480M": Bandpass(4.834, 0.303),
    "F1065C": Bandpass(10.58, 0.75),
    "F1140C": Bandpass(11.30, 0.80),
    "F1550C": Bandpass(15.50, 0.90),
    "F2300C": Bandpass(22.75, 5.50),
}
