"""Take bias, dark and flat out of a raw CCD image, and say how certain what is left is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibrated", "Master", "calibrate"]


@dataclass(frozen=True)
class Master:
    """A master bias, dark or flat.

    Attributes
    ----------
    data : ndarray (ny, nx)
        Its values: ADU, or for a flat a number about 1.
    err : ndarray (ny, nx) or None
        Their 1-sigma errors; None, or NaN in a pixel, for a master without.
    """

    data: NDArray[np.floating]
    err: NDArray[np.floating] | None = None

    @property
    def variance(self) -> NDArray[np.float64]:
        """Square of the errors; 0 where they are not known."""
        if self.err is None:
            return np.zeros(self.data.shape)
        return np.nan_to_num(np.square(self.err, dtype=np.float64), posinf=0.0)


@dataclass(frozen=True)
class Calibrated:
    """A calibrated image.

    Attributes
    ----------
    data, err : ndarray (ny, nx), float64
        Values and their 1-sigma errors, in ADU; NaN where the flat has nothing to divide by.
    unusable : ndarray of bool (ny, nx)
        Pixels in which a master is not finite, or the flat not positive.
    """

    data: NDArray[np.float64]
    err: NDArray[np.float64]
    unusable: NDArray[np.bool_]


def calibrate(
    data: NDArray[np.floating],
    *,
    gain: float = 1.0,
    read_noise: float = 0.0,
    err: NDArray[np.floating] | None = None,
    bias: Master | None = None,
    dark: Master | None = None,
    dark_scale: float = 1.0,
    dark_has_bias: bool = False,
    flat: Master | None = None,
    level_err: NDArray[np.floating] | float = 0.0,
) -> Calibrated:
    """Subtract the bias and the scaled dark from an image, and divide it by the flat.

    Parameters
    ----------
    data : ndarray (ny, nx)
        The image in ADU, less the level of its overscan if there is one.
    gain : float
        Electrons per ADU.
    read_noise : float
        Noise of one read-out in electrons.
    err : ndarray (ny, nx), optional
        1-sigma errors in ADU that the image has already; gain and read noise are not asked then.
    bias, dark, flat : Master, optional
        Masters of the same shape; what is not given is not applied.
    dark_scale : float
        Exposure time of the image over that of the dark.
    dark_has_bias : bool
        Whether the bias is still in the dark.
    flat : Master, optional
        Flat field, normalised to 1.
    level_err : ndarray or float
        1-sigma error of the level that was subtracted before, in ADU.

    Returns
    -------
    Calibrated

    Raises
    ------
    ValueError
        If the gain is not positive, the noise negative, a shape differs, or a dark that has its
        bias is to be scaled without one.

    Notes
    -----
    The variance of a raw pixel is ``max(signal, 0) / gain + (read_noise / gain)^2`` ADU^2, the
    signal being what is left when the bias is subtracted (Howell 2006, Handbook of CCD
    Astronomy, sect. 4.4). The masters' variances are added as they enter: a bias that is
    in the dark, too, enters with 1 - `dark_scale`, since what is subtracted of it with the dark
    is the same bias.
    """
    if not gain > 0 or not read_noise >= 0:
        raise ValueError(f"gain {gain}, read noise {read_noise}; give a positive gain and a noise")
    if dark is not None and dark_has_bias and bias is None and abs(dark_scale - 1.0) > 1e-6:
        raise ValueError(f"a dark with its bias in it cannot be scaled by {dark_scale:.4g}")
    for name, master in (("bias", bias), ("dark", dark), ("flat", flat)):
        if master is not None and master.data.shape != data.shape:
            raise ValueError(f"the {name} has the shape {master.data.shape}, not {data.shape}")
    value = np.array(data, dtype=np.float64)
    signal = value.copy()
    variance = np.broadcast_to(np.square(level_err), value.shape).astype(np.float64)
    unusable = np.zeros(value.shape, dtype=bool)
    scale = dark_scale if dark is not None else 0.0
    if bias is not None:
        share = 1.0 - scale if dark_has_bias else 1.0
        value -= share * bias.data
        variance += share**2 * bias.variance
        signal -= bias.data
        unusable |= ~np.isfinite(bias.data)
    if dark is not None:
        value -= scale * dark.data
        variance += scale**2 * dark.variance
        if dark_has_bias and bias is None:
            signal -= dark.data
        unusable |= ~np.isfinite(dark.data)
    if err is not None:
        variance += np.square(err, dtype=np.float64)
    else:
        variance += np.maximum(signal, 0.0) / gain + (read_noise / gain) ** 2
    if flat is not None:
        field = np.asarray(flat.data, dtype=np.float64)
        none = ~(np.isfinite(field) & (field > 0))
        field = np.where(none, np.nan, field)
        value /= field
        variance = (variance + value**2 * flat.variance) / field**2
        unusable |= none
    return Calibrated(value, np.sqrt(variance), unusable)
