"""Fit a PSFMASK reference file to an exposure."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import ImageModel, JwstDataModel

from coronx.errors import InputError, name_of
from coronx.refdata.mask_center import find_hole, recenter
from coronx.refdata.modes import find_mode

__all__ = ["PsfMask", "fit_psfmask", "read_psfmask"]

log = logging.getLogger(__name__)

# Masks drawn for flight have their hole within a pixel; those drawn before it are 10-14 off.
_TOLERANCE = 2.0


@dataclass(frozen=True)
class PsfMask:
    """A mask for one exposure.

    Attributes
    ----------
    data : ndarray (ny, nx)
        1 where a pixel is used in full, 0 where it is not.
    hole : tuple of float or None
        0-based (x, y) of its hole, where it has one that can be measured.
    recentered : bool
        Whether the hole was moved.
    """

    data: NDArray[np.float64]
    hole: tuple[float, float] | None
    recentered: bool


def read_psfmask(
    name: str, exposure: JwstDataModel, *, inverted: bool = False, move: bool = False
) -> PsfMask:
    """Read a PSFMASK file and fit it to an exposure, see `fit_psfmask`.

    Raises
    ------
    InputError
        If it cannot be read, or does not fit.
    """
    try:
        model = ImageModel(name)
    except (OSError, ValueError, TypeError) as err:
        raise InputError(
            f"{name}: cannot be read as a mask ({err}); give another one with override_psfmask"
        ) from err
    with model:
        return fit_psfmask(model, exposure, inverted=inverted, move=move)


def fit_psfmask(
    mask: ImageModel, exposure: JwstDataModel, *, inverted: bool = False, move: bool = False
) -> PsfMask:
    """Return a PSFMASK as weights for an exposure's pixels.

    Parameters
    ----------
    mask : ImageModel
        The reference file. Every file made for the pipeline has 1 = use, 0 = blocked, though the
        host's documentation says the opposite.
    exposure : JwstDataModel
        Whose frame the mask has to fit.
    inverted : bool
        The file has 0 = use, 1 = blocked.
    move : bool
        Move a hole that is away from the mask's centre in flight onto it.

    Returns
    -------
    PsfMask

    Raises
    ------
    InputError
        If the mask's shape differs from the exposure's and their subarrays do not explain
        it, or the mask blocks everything.
    """
    data = np.nan_to_num(np.asarray(mask.data, dtype=np.float64)).clip(0.0, 1.0)
    if inverted:
        data = 1.0 - data
    data = _cut(data, mask, exposure)
    if not data.any():
        raise InputError(
            f"{name_of(mask)}: the mask blocks every pixel; give mask_convention the other value "
            "if it is inverted"
        )
    meta = exposure.meta
    mode = find_mode(meta.instrument.coronagraph, meta.subarray.name)
    if mode is None or mode.shape != data.shape:
        return PsfMask(data, None, False)
    hole = find_hole(data, mode)
    if hole is None:
        return PsfMask(data, None, False)
    away = float(np.hypot(hole[0] - mode.center[0], hole[1] - mode.center[1]))
    if away <= _TOLERANCE:
        return PsfMask(data, hole, False)
    if move:
        log.info("%s: hole moved by %.1f pixels, to the mask's centre", name_of(mask), away)
        return PsfMask(recenter(data, hole, mode.center, mode=mode), mode.center, True)
    log.warning(
        "%s: its hole is at (%.1f, %.1f), %.1f pixels from the centre of %s in flight, "
        "(%.1f, %.1f) (1-indexed): it weights the wrong pixels. Set recenter_mask to move it, or "
        "give a corrected file with override_psfmask.",
        name_of(mask), hole[0] + 1, hole[1] + 1, away, mode.coronmsk,
        mode.center[0] + 1, mode.center[1] + 1,
    )  # fmt: skip
    return PsfMask(data, hole, False)


def _cut(
    data: NDArray[np.float64], mask: JwstDataModel, exposure: JwstDataModel
) -> NDArray[np.float64]:
    """Cut a mask of a larger array to the exposure's subarray."""
    shape = tuple(int(n) for n in exposure.shape[-2:])
    if data.shape == shape:
        return data
    starts = [(m.meta.subarray.ystart, m.meta.subarray.xstart) for m in (exposure, mask)]
    if None not in starts[0] + starts[1]:
        y, x = (int(e) - int(m) for e, m in zip(*starts, strict=True))
        if y >= 0 and x >= 0 and y + shape[0] <= data.shape[0] and x + shape[1] <= data.shape[1]:
            return data[y : y + shape[0], x : x + shape[1]]
    raise InputError(
        f"{name_of(mask)}: the mask's shape {data.shape} does not fit the frame {shape} of "
        f"{name_of(exposure)}, and their SUBSTRT keywords do not explain it; give a mask of "
        "that frame with override_psfmask"
    )
