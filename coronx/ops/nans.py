"""Replace pixels that are not finite: by a constant, or by what the rest of a stack implies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.median import fill_local_median

__all__ = ["Replaced", "fill_from_stack", "replace_nans"]

_BLOCK = 8192  # pixels worked on at a time
_BOX = 5  # side of the box from which a missing error is taken
_SAMPLE = 101  # every so many pixels tell what a typical one is


@dataclass(frozen=True)
class Replaced:
    """A finite cube.

    Attributes
    ----------
    data, err : ndarray (n, ny, nx)
        Finite values and 1-sigma errors, of the types given.
    dq : ndarray of uint32 (n, ny, nx)
        Flags.
    variances : tuple of ndarray (n, ny, nx)
        Finite parts of the squared error.
    data_count, err_count : int
        How many values, and how many errors, were replaced.
    """

    data: NDArray[np.floating]
    err: NDArray[np.floating]
    dq: NDArray[np.uint32]
    variances: tuple[NDArray[np.floating], ...]
    data_count: int
    err_count: int


def replace_nans(
    data: NDArray[np.floating],
    err: NDArray[np.floating],
    dq: NDArray[np.uint32],
    variances: Sequence[NDArray[np.floating]] = (),
    *,
    flag: int,
    cval: float = 0.0,
) -> Replaced:
    """Make a cube finite, so that it can be moved by a Fourier shift.

    A value that is not finite becomes `cval`. An error that is not becomes the median of the
    errors around it (of its image, where there are none): zero would claim to know the
    value, and a large number would be spread over the neighbours when the errors are moved.
    That the pixel says nothing is told by its flag.

    Parameters
    ----------
    data, err : ndarray (n, ny, nx)
        Values and 1-sigma errors, in any unit.
    dq : ndarray of uint32 (n, ny, nx)
        Bit flags.
    variances : sequence of ndarray (n, ny, nx)
        Parts of the squared error. Where one of them or the error is not finite, they are
        shares of the squared error like those at a typical pixel.
    flag : int
        Bit set where a value or its error was replaced; other bits stay.
    cval : float
        Value of replaced pixels.

    Returns
    -------
    Replaced
        New arrays. Finite values with finite errors are untouched.

    Raises
    ------
    ValueError
        If `cval` is not finite, or no error is.
    """
    if not np.isfinite(cval):
        raise ValueError(f"cval must be finite, not {cval}.")
    missing = ~np.isfinite(data)
    # An error of zero is as good as none where there is no value.
    unknown = ~np.isfinite(err) | (missing & ~(err > 0.0))
    full = _fill_locally(err, unknown)
    parts = tuple(part.copy() for part in variances)
    touched = unknown | ~np.isfinite(sum(variances, np.zeros(1, data.dtype)))
    shares = _shares(parts, touched)
    for part, share in zip(parts, shares, strict=True):
        part[touched] = share * np.square(full[touched])
    flags = dq.copy()
    flags[missing | unknown] |= np.uint32(flag)
    values = np.where(missing, np.asarray(cval, data.dtype), data)
    return Replaced(values, full, flags, parts, int(missing.sum()), int(unknown.sum()))


def _fill_locally(errors: NDArray[np.floating], bad: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return errors with the bad ones replaced by the median of those around."""
    out = errors.copy()
    if bad.all():
        raise ValueError("there is no finite error to take others from")
    for n in np.flatnonzero(bad.any(axis=(1, 2))):
        known = errors[n][~bad[n]]
        typical = (known if known.size else errors[~bad])[::_SAMPLE]
        level = float(np.median(typical))
        out[n] = fill_local_median(errors[n], bad[n], box=_BOX, default=level)
    return out


def _shares(parts: Sequence[NDArray[np.floating]], bad: NDArray[np.bool_]) -> list[float]:
    """Return which share of the squared error each part has at a typical good pixel."""
    good = ~bad.ravel()[::_SAMPLE]
    if not good.any():
        return [1.0 / len(parts)] * len(parts)
    typical = [float(np.median(part.ravel()[::_SAMPLE][good])) for part in parts]
    total = sum(typical)
    return [value / total if total > 0.0 else 0.0 for value in typical]


def fill_from_stack(
    images: NDArray[np.floating], bad: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fill each image's missing pixels from the other images, brought to its brightness.

    Parameters
    ----------
    images : ndarray (n, ny, nx)
        Aligned images of like scenes, in any unit.
    bad : ndarray of bool (n, ny, nx)
        Pixels not to be trusted; those that are not finite count as bad too.

    Returns
    -------
    filled : ndarray (n, ny, nx), float32
        A copy in which a bad pixel holds the mean of the good images there, each divided
        by its brightness, times the image's own brightness; zero where no image is good.
    covered : ndarray of bool (ny, nx)
        Where at least one image is good.

    Notes
    -----
    The brightness of an image is its least-squares ratio to the mean image over their
    common good pixels.
    """
    n, ny, nx = images.shape
    filled = images.reshape(n, -1).astype(np.float32)
    good = (~bad & np.isfinite(images)).reshape(n, -1)
    covered = good.any(axis=0)
    filled[~good] = 0.0
    mean = filled.sum(axis=0, dtype=np.float64) / np.maximum(good.sum(axis=0), 1)
    square = mean**2
    # Image by image: a product with `good` would hold it in double precision.
    norm = np.array([square.sum(where=row) for row in good])
    brightness = np.array([row @ mean for row in filled]) / np.maximum(norm, np.finfo(float).tiny)
    brightness[~(brightness > 0.0)] = 1.0
    partly = np.flatnonzero(~good.all(axis=0) & covered)
    for start in range(0, partly.size, _BLOCK):
        cols = partly[start : start + _BLOCK]
        seen = good[:, cols]
        values = filled[:, cols]
        level = (values / brightness[:, None] * seen).sum(axis=0) / seen.sum(axis=0)
        filled[:, cols] = np.where(seen, values, brightness[:, None] * level)
    return filled.reshape(n, ny, nx), covered.reshape(ny, nx)
