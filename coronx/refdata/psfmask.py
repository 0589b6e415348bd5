"""Fit a PSFMASK reference file to an exposure."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from stdatamodels.jwst.datamodels import ImageModel, JwstDataModel

from coronx.errors import InputError, name_of
from coronx.ops.geometry import Sides, pad
from coronx.refdata.mask_center import find_hole, recenter
from coronx.refdata.modes import CoronagraphMode, find_mode

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

    Notes
    -----
    The hole is looked for in the mode's subarray; a frame that was cropped gets its part of
    the mask, one that was padded no weight in the margins.
    """
    data = np.nan_to_num(np.asarray(mask.data, dtype=np.float64)).clip(0.0, 1.0)
    if inverted:
        data = 1.0 - data
    mode = find_mode(exposure.meta.instrument.coronagraph, exposure.meta.subarray.name)
    corner = None if mode is None else _corner(exposure, mode)
    whole = None
    if mode is not None and corner is not None:
        whole = _cut_to(data, mask, mode.shape, _less(exposure, corner))
    if whole is None:
        # Not drawn for the subarray: then for this frame.
        whole, corner = _cut(data, mask, exposure), (0, 0)
    shift = _moved(exposure)
    fitted, hole, moved = _hole(whole, mask, mode, _center(exposure, mode, corner, shift), move)
    fitted = _placed(fitted, corner, shift, exposure)
    if not fitted.any():
        raise InputError(
            f"{name_of(mask)}: the mask blocks every pixel; give mask_convention the other value "
            "if it is inverted"
        )
    if hole is not None:
        hole = (hole[0] - corner[0] + shift[0], hole[1] - corner[1] + shift[1])
    return PsfMask(fitted, hole, moved)


def _moved(exposure: JwstDataModel) -> tuple[float, float]:
    """Return how far an earlier step moved the pixels, beyond what the frame's corner tells."""
    record = getattr(exposure.meta, "coronx", None)
    dx, dy = (getattr(record, name, None) for name in ("frame_dx", "frame_dy"))
    return float(dx or 0.0), float(dy or 0.0)


def _center(
    exposure: JwstDataModel,
    mode: CoronagraphMode | None,
    corner: tuple[int, int],
    shift: tuple[float, float],
) -> tuple[float, float] | None:
    """Return the mask's centre in the mode's subarray: as recorded, else as SIAF has it."""
    record = getattr(exposure.meta, "coronx", None)
    x, y = (getattr(record, name, None) for name in ("mask_x", "mask_y"))
    if x is None or y is None:
        return None if mode is None else mode.center
    return x - 1.0 + corner[0] - shift[0], y - 1.0 + corner[1] - shift[1]


def _less(exposure: JwstDataModel, corner: tuple[int, int]) -> tuple[int | None, int | None]:
    """Return where the subarray begins on the detector, by the exposure's own account."""
    area = exposure.meta.subarray
    if area.xstart is None or area.ystart is None:
        return None, None
    return int(area.xstart) - corner[0], int(area.ystart) - corner[1]


def _hole(
    data: NDArray[np.float64],
    mask: ImageModel,
    mode: CoronagraphMode | None,
    center: tuple[float, float] | None,
    move: bool,
) -> tuple[NDArray[np.float64], tuple[float, float] | None, bool]:
    """Return a mask with its hole where it should be, the hole, and whether it was moved."""
    hole = None if mode is None or mode.shape != data.shape else find_hole(data, mode)
    if mode is None or hole is None or center is None:
        return data, None, False
    away = float(np.hypot(hole[0] - center[0], hole[1] - center[1]))
    if away <= _TOLERANCE:
        return data, hole, False
    if move:
        log.info("%s: hole moved by %.1f pixels, to the mask's centre", name_of(mask), away)
        return recenter(data, hole, center, mode=mode), center, True
    log.warning(
        "%s: its hole is at (%.1f, %.1f), %.1f pixels from the centre of %s in flight, "
        "(%.1f, %.1f) (1-indexed): it weights the wrong pixels. Set recenter_mask to move it, or "
        "give a corrected file with override_psfmask.",
        name_of(mask), hole[0] + 1, hole[1] + 1, away, mode.coronmsk,
        center[0] + 1, center[1] + 1,
    )  # fmt: skip
    return data, hole, False


def _corner(exposure: JwstDataModel, mode: CoronagraphMode) -> tuple[int, int] | None:
    """Return where an exposure's first pixel is in the mode's subarray, 0-based (x, y).

    (0, 0) for one of the subarray's size, unless a step of ours has cut it; None where its
    keywords do not tell, or tell of a frame of another size.
    """
    area, record = exposure.meta.subarray, getattr(exposure.meta, "coronx", None)
    ny, nx = (int(n) for n in exposure.shape[-2:])
    steps = ("pad_frames", "crop_frames")
    ours = any(getattr(record, step, None) == "COMPLETE" for step in steps)
    if (ny, nx) == mode.shape and not ours:
        return 0, 0
    if None in (area.xstart, area.ystart) or (area.ysize, area.xsize) != (ny, nx):
        return None
    return int(area.xstart) - mode.start[0], int(area.ystart) - mode.start[1]


def _placed(
    data: NDArray[np.float64],
    corner: tuple[int, int],
    shift: tuple[float, float],
    exposure: JwstDataModel,
) -> NDArray[np.float64]:
    """Return the part of the subarray's mask that a frame shows; no weight in its margins."""
    (x, y), (ny, nx) = corner, (int(n) for n in exposure.shape[-2:])
    over = Sides(
        max(0, -x),
        max(0, x + nx - data.shape[1]),
        max(0, -y),
        max(0, y + ny - data.shape[0]),
    )
    wide = pad(data, over, value=0.0)
    x, y = x + over.left, y + over.bottom
    part = wide[y : y + ny, x : x + nx]
    # Between two values lies no third: linear interpolation keeps weights within 0 and 1.
    return ndimage.shift(part, shift[::-1], order=1) if any(shift) else part


def _cut(
    data: NDArray[np.float64], mask: JwstDataModel, exposure: JwstDataModel
) -> NDArray[np.float64]:
    """Cut a mask of a larger array to the exposure's frame."""
    ny, nx = (int(n) for n in exposure.shape[-2:])
    area = exposure.meta.subarray
    found = _cut_to(data, mask, (ny, nx), (area.xstart, area.ystart))
    if found is None:
        raise InputError(
            f"{name_of(mask)}: the mask's shape {data.shape} does not fit the frame {(ny, nx)} of "
            f"{name_of(exposure)}, and their SUBSTRT keywords do not explain it; give a mask of "
            "that frame with override_psfmask"
        )
    return found


def _cut_to(
    data: NDArray[np.float64],
    mask: JwstDataModel,
    shape: tuple[int, int],
    start: tuple[int | None, int | None],
) -> NDArray[np.float64] | None:
    """Return the part of a mask that covers a part of the detector, or None if it does not."""
    if data.shape == shape:
        return data
    begin = (mask.meta.subarray.xstart, mask.meta.subarray.ystart)
    if None in begin or None in start:
        return None
    x, y = (int(s) - int(b) for s, b in zip(start, begin, strict=True))
    if x < 0 or y < 0 or x + shape[1] > data.shape[1] or y + shape[0] > data.shape[0]:
        return None
    return data[y : y + shape[0], x : x + shape[1]]
