"""Where the star is in each exposure and integration of an association."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.pointing import StarPlace, find_star, sky_of
from coronx.models.schema import shifts_of

__all__ = ["Star", "locate"]


@dataclass(frozen=True)
class Star:
    """The star in one exposure.

    Attributes
    ----------
    place : StarPlace
        Its mean place.
    shifts : ndarray (nrefs, 2) or None
        What moved each reference onto the exposure's first integration, in pixels; NaN where
        the fit failed.
    jitter : ndarray (nints, 2)
        How far from its mean place it is in each integration.
    sky : SkyCoord
        Where on the sky the first exposure's WCS puts it.
    """

    place: StarPlace
    shifts: np.ndarray | None
    jitter: np.ndarray
    sky: SkyCoord

    def at(self, integration: int) -> StarPlace:
        """Return its place in an integration."""
        dx, dy = self.jitter[integration]
        return StarPlace(self.place.x + dx, self.place.y + dy, self.place.source)


def locate(
    model: CubeModel, aligned: Any, first: Star | None, *, given: list[float] | None = None
) -> Star:
    """Return the star's place: as told or recorded in the first exposure, registered in others.

    All exposures' references are the same images, so the difference of the shifts that
    moved them is the difference of the stars' places in the first integrations.

    Parameters
    ----------
    model : CubeModel
        The exposure.
    aligned : PsfAlignModel, CubeModel or None
        The references aligned to it, with the tables of their shifts.
    first : Star or None
        The star in the first exposure; None if this is it.
    given : list of float, optional
        0-based (x, y) in the first exposure.
    """
    shifts = _shifts(aligned, "reference_shifts")
    if shifts is not None:
        shifts[aligned.reference_shifts["converged"] == 0] = np.nan
    jitter = _shifts(aligned, "integration_shifts")
    if jitter is None:
        jitter = np.zeros((model.shape[0], 2))
    jitter = jitter - jitter.mean(axis=0)
    if first is None:
        place = find_star(model, given)
        return Star(place, shifts, jitter, sky_of(model, place))
    if shifts is None or first.shifts is None:
        return Star(find_star(model), shifts, jitter, first.sky)
    start = first.at(0)
    dx, dy = np.nanmedian(shifts - first.shifts, axis=0) - jitter[0]
    place = StarPlace(start.x + dx, start.y + dy, f"{first.place.source}, aligned")
    return Star(place, shifts, jitter, first.sky)


def _shifts(aligned: Any, name: str) -> np.ndarray | None:
    """Return the (dx, dy) of a table of the aligned references, where it has it."""
    table = getattr(aligned, name, None)
    return None if table is None else shifts_of(table)
