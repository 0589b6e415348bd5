"""What the steps that register images share: the PSFMASK, and naming what was not found."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.schema import extend
from coronx.ops.fit_region import fit_region
from coronx.refdata.psfmask import PsfMask, read_psfmask

__all__ = ["fit_mask", "name_failures", "psfmask_of"]

log = logging.getLogger(__name__)


def psfmask_of(step: Any, science: CubeModel) -> PsfMask | None:
    """Return the mask for an exposure's frame; None where CRDS says that none applies.

    Parameters
    ----------
    step : CoronStep
        With the parameters mask_convention and recenter_mask.
    science : CubeModel

    Raises
    ------
    InputError
        If there is no mask, or it does not fit.
    """
    name = step.get_reference_file(science, "psfmask")
    if name == "N/A":
        return None
    area, record = science.meta.subarray, extend(science).meta.coronx
    key = (
        *(str(name), science.shape[-2:], area.name, area.xstart, area.ystart),
        *(record.frame_dx, record.frame_dy, record.mask_x, record.mask_y),
    )
    # Exposures of one run share a mask: it is read, and warned about, once.
    known = step.__dict__.setdefault("_masks", {})
    if key not in known:
        known[key] = read_psfmask(
            name, science, inverted=step.mask_convention == "block", move=step.recenter_mask
        )
    return known[key]


def fit_mask(step: Any, model: CubeModel, star: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 for the pixels that a fit looks at, by the parameters mask and mask_shape.

    Parameters
    ----------
    step : CoronStep
        With these, and what `psfmask_of` needs.
    model : CubeModel
        Exposure.
    star : ndarray (2,)
        0-based (x, y), about which a shape is drawn.

    Raises
    ------
    InputError
        If the shape's numbers make none, or no PSFMASK can be had.
    """
    frame = model.shape[-2:]
    if step.mask not in ("psfmask", "none"):
        try:
            return fit_region(step.mask, step.mask_shape or [], frame, (star[0], star[1]))
        except ValueError as err:
            raise InputError(f"mask_shape {step.mask_shape}: {err}; give other numbers") from err
    found = psfmask_of(step, model) if step.mask == "psfmask" else None
    if found is not None:
        return found.data
    if step.mask == "psfmask":
        log.warning("No PSFMASK applies to %s: all of the frame is fitted", name_of(model))
    return np.ones(frame)


def name_failures(table: np.ndarray, consequence: str) -> np.ndarray:
    """Warn of every row of a table of shifts that did not converge; return which those are."""
    failed = table["converged"] == 0
    for row in table[failed]:
        log.warning(
            "%s integration %d: not registered within max_shift; %s",
            row["exposure"].decode(), row["integration"], consequence,
        )  # fmt: skip
    return failed
