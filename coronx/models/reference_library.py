"""Find reference stars among the exposures of whatever programmes, by their headers."""

import logging
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.association import read_association
from coronx.models.reference_criteria import (
    Criterion,
    alike,
    another_star,
    days_between,
    excluded,
    of_programs,
    of_types,
    within_dates,
)

__all__ = ["find_references"]

log = logging.getLogger(__name__)

_BROKEN, _MEMBER = "not readable", "a member of the association already"


def find_references(
    source: Path,
    like: CubeModel,
    *,
    date_range: Sequence[str | float] | None = None,
    spectral_types: Collection[str] = (),
    catalog: Path | None = None,
    programs: Collection[str] = (),
    exclude: Collection[str] = (),
    known: Collection[str] = (),
    most: int | None = None,
) -> list[Path]:
    """Return the exposures of reference stars that can serve a science exposure.

    Only headers are read. An exposure serves if it is of a reference star (IS_PSF, or psf in the
    association), of another star than the science exposure's, and alike in instrument,
    detector, filter, pupil, mask, type, subarray and frame size. How many do not, and why, is
    logged.

    Parameters
    ----------
    source : Path
        A folder, whose ``*_calints.fits`` are looked at, those in folders within it included,
        or an association.
    like : CubeModel
        The science exposure.
    date_range : sequence, optional
        Number of days about the science exposure, or two ISO dates, both included.
    spectral_types : collection of str
        Beginnings of spectral types, such as M or K7; by default any.
    catalog : Path, optional
        Table (ECSV or CSV) with the columns target and spectral_type; what it says goes before
        a header's SPTYPE.
    programs : collection of str
        Numbers of the programmes; by default any.
    exclude : collection of str
        Names of stars that are not to be used, such as binaries.
    known : collection of str
        Names of files that the association has already, which are left out.
    most : int, optional
        Largest number of exposures; those nearest in time to the science exposure are taken.

    Returns
    -------
    list of Path
        In the order of their names; empty only if `known` has all that would serve.

    Raises
    ------
    InputError
        If there is no such source, an option or the catalogue cannot be read, or nothing serves.
    """
    criteria = [*alike(like), another_star(like)]
    if exclude:
        criteria.append(excluded(exclude))
    if programs:
        criteria.append(of_programs(programs))
    if date_range:
        criteria.append(within_dates(like, date_range))
    if spectral_types:
        criteria.append(of_types(spectral_types, catalog))
    shape = (int(like.shape[-2]), int(like.shape[-1]))
    reasons: Counter[str] = Counter()
    broken: list[str] = []
    found: dict[str, tuple[Path, fits.Header]] = {}
    for path, named_psf in _files(Path(source)):
        header = _primary(path)
        if path.name in found:
            reason = "of the same name as another"
        elif header is None:
            reason = _BROKEN
        else:
            reason = _reason(header, criteria, named_psf=named_psf)
        if reason is None:
            # The last, since all of the file is gone through.
            reason = _MEMBER if path.name in known else _misfit(path, shape)
        if reason is None:
            found[path.name] = path, header
            continue
        reasons[reason] += 1
        if reason == _BROKEN:
            broken.append(path.name)
    if broken:
        log.warning("%s: cannot be read, left out: %s", source, ", ".join(broken))
    told = ", ".join(f"{count} {why}" for why, count in reasons.most_common()) or "none"
    if not found and not reasons[_MEMBER]:
        raise InputError(
            f"{source}: no exposure in it can serve {name_of(like)} as reference (left out: "
            f"{told}); add exposures of reference stars in its mode, or ask for less"
        )
    chosen = list(found.values())
    if most is not None and len(chosen) > most:
        chosen = sorted(chosen, key=lambda pair: days_between(like, pair[1]))[:most]
    log.info(
        "%s: %d of %d exposures that can serve are taken as references; left out: %s",
        source, len(chosen), len(found), told,
    )  # fmt: skip
    return sorted((path for path, _ in chosen), key=lambda path: path.name)


def _files(source: Path) -> list[tuple[Path, bool]]:
    """Return the exposures of a folder or an association, and whether it is named a psf there."""
    if source.is_dir():
        return [(path, False) for path in sorted(source.rglob("*_calints.fits"))]
    if source.suffix == ".json" and source.is_file():
        members = read_association(source, needed=()).members
        return [(path, kind == "psf") for path, kind in members if "background" not in kind]
    raise InputError(
        f"{source}: no such folder or association; give a folder of _calints files, or an "
        "_asn.json file"
    )


def _reason(header: fits.Header, criteria: list[Criterion], *, named_psf: bool) -> str | None:
    """Return why an exposure cannot serve, or None."""
    if header.get("BKGDTARG", False):
        return "of the background"
    if not (named_psf or header.get("IS_PSF", False)):
        return "not of a reference star"
    return next((why for why, passes in criteria if not passes(header)), None)


def _primary(path: Path) -> fits.Header | None:
    try:
        with path.open("rb") as stream, fits.open(stream) as hdulist:
            return hdulist[0].header
    except (OSError, ValueError):
        return None


def _misfit(path: Path, shape: tuple[int, int]) -> str | None:
    """Return what is wrong with the rest of a file, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyUserWarning)  # such as a file cut short
            with path.open("rb") as stream, fits.open(stream) as hdulist:
                len(hdulist)
                image = hdulist["SCI"].header
                if image["NAXIS"] != 3:
                    return "not a cube of integrations"
                frame = (image["NAXIS2"], image["NAXIS1"])
    except (OSError, KeyError, ValueError, AstropyUserWarning):
        return _BROKEN
    return None if frame == shape else "of another frame size"
