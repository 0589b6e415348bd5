"""A stack of images with their errors and blemishes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Images"]


@dataclass(frozen=True)
class Images:
    """A stack of images with what is known of them.

    Attributes
    ----------
    data, err : ndarray (n, ny, nx)
        Values and 1-sigma errors.
    bad : ndarray of bool (n, ny, nx)
        Pixels not to be used; those that are not finite count as bad too.
    """

    data: NDArray[np.floating]
    err: NDArray[np.floating]
    bad: NDArray[np.bool_]

    @property
    def good(self) -> NDArray[np.bool_]:
        """Pixels to be used."""
        good = np.isfinite(self.data)
        good[self.bad] = False
        return good

    def joined(self, more: "Images") -> "Images":
        """Return these images and more of them, of the same shape."""
        return Images(
            np.concatenate([self.data, more.data]),
            np.concatenate([self.err, more.err]),
            np.concatenate([self.bad, more.bad]),
        )
