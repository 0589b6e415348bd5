"""Which background exposures belong to a target."""

import logging
import re
from collections.abc import Sequence

import numpy as np
from astropy.coordinates import SkyCoord
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.members import role_of

__all__ = ["find_backgrounds"]

log = logging.getLogger(__name__)

_ROLES = {"science": "background", "psf": "psf_background"}
_OTHER = {"background": "psf_background", "psf_background": "background"}
# What proposers add to the name of a field of empty sky beside a star.
_ADDED = {"BKG", "BKGD", "BCKG", "BG", "BACK", "BACKGROUND", "BACKGND", "SKY", "OFFSET", "UNKNOWN"}
_SAME_STAR = 60.0  # arcsec


def find_backgrounds(
    target: CubeModel, models: Sequence[CubeModel], *, allow_other: bool = False
) -> list[CubeModel]:
    """Return the background exposures of a target.

    Those of the target's kind (``background`` for science, ``psf_background`` for a reference).
    If there are several stars of a kind: those named after the target; else those whose
    nearest star on the sky it is; else, with a warning, those of the observation nearest in
    time.

    Parameters
    ----------
    target : CubeModel
        An exposure of a science target or of a reference star.
    models : sequence of CubeModel
        All exposures, the target among them.
    allow_other : bool
        Take backgrounds of the other kind if there is none of the target's.

    Raises
    ------
    InputError
        If there is none, naming the target.
    """
    kind = _ROLES[role_of(target)]
    pool = [model for model in models if role_of(model) == kind]
    if not pool:
        other = [model for model in models if role_of(model) == _OTHER[kind]]
        remedy = f"add one to the association as exptype {kind}, or give it with --background"
        if not other:
            raise InputError(
                f"{name_of(target)}: no background exposure of {_star(target)}; {remedy}"
            )
        if not allow_other:
            raise InputError(
                f"{name_of(target)}: no background exposure of {_star(target)}, but one of exptype "
                f"{_OTHER[kind]}; {remedy}, or take that one with --allow_other=true"
            )
        log.warning("%s: no member of exptype %s; %s is taken", name_of(target), kind, _OTHER[kind])
        pool = other
    stars = [model for model in models if role_of(model) == role_of(target)]
    rivals = [model for model in stars if not _same_star(model, target)]
    if not rivals:
        return pool
    named = [model for model in pool if _names(model) & _names(target)]
    if named:
        return named
    free = [m for m in pool if not any(_names(m) & _names(star) for star in rivals)]
    near = [m for m in free if _away(m, target) < min(_away(m, star) for star in rivals)]
    if near:
        return near
    nearest = min(pool, key=lambda model: abs(_time(model) - _time(target)))
    log.warning(
        "%s: no background exposure has its name or place; the nearest in time, %s, is taken",
        name_of(target), name_of(nearest),
    )  # fmt: skip
    return [model for model in pool if _observation(model) == _observation(nearest)]


def _star(model: CubeModel) -> str:
    target = model.meta.target
    return str(target.catalog_name or target.proposer_name or "its target")


def _names(model: CubeModel) -> set[str]:
    """Return the names of a target, without what marks a background, spaces and signs."""
    result = set()
    for name in (model.meta.target.catalog_name, model.meta.target.proposer_name):
        words = re.split(r"[^A-Z0-9+]+", str(name or "").upper())
        result.add("".join(word for word in words if word not in _ADDED))
    return result - {""}


def _place(model: CubeModel) -> SkyCoord | None:
    target, info = model.meta.target, model.meta.wcsinfo
    for ra, dec in ((target.ra, target.dec), (info.crval1, info.crval2)):
        if ra is not None and dec is not None:
            return SkyCoord(ra, dec, unit="deg")
    return None


def _away(one: CubeModel, other: CubeModel) -> float:
    """Return the distance in arcsec, infinite where a place is not known."""
    here, there = _place(one), _place(other)
    return float("inf") if here is None or there is None else float(here.separation(there).arcsec)


def _same_star(one: CubeModel, other: CubeModel) -> bool:
    return bool(_names(one) & _names(other)) or _away(one, other) < _SAME_STAR


def _time(model: CubeModel) -> float:
    times = (model.meta.exposure.start_time, model.meta.exposure.end_time)
    return float(np.mean([t for t in times if t is not None] or [0.0]))


def _observation(model: CubeModel) -> tuple[object, object, object]:
    meta = model.meta
    return (
        meta.observation.program_number,
        meta.observation.observation_number,
        frozenset(_names(model)),
    )
