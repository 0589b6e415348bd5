"""References from beyond the association."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coronx.errors import InputError, name_of
from coronx.models.members import Members, open_cube
from coronx.models.reference_library import find_references

__all__ = ["Library", "library_of", "remember"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Library:
    """Where references are looked for, and which are wanted; see `find_references`.

    Attributes
    ----------
    source : Path
        Folder or association.
    dates, spectral_types, programs, exclude : sequence of str
        What references have to be like; empty for any.
    catalog : Path or None
        Table of spectral types.
    most : int or None
        Largest number of exposures.
    """

    source: Path
    dates: Sequence[str]
    spectral_types: Sequence[str]
    catalog: Path | None
    programs: Sequence[str]
    exclude: Sequence[str]
    most: int | None

    def extend(self, members: Members) -> None:
        """Add what is found to the association's members, with a note of it.

        Raises
        ------
        InputError
            If nothing is found, or the association has no science exposure.
        """
        science = members.of("science")
        if not science:
            raise InputError(f"{members.table}: no member of exptype science; add one")
        paths = find_references(
            self.source,
            science[0],
            date_range=self.dates or None,
            spectral_types=self.spectral_types,
            catalog=self.catalog,
            programs=self.programs,
            exclude=self.exclude,
            known={name_of(model) for model in members.models},
            most=self.most,
        )
        for path in paths:
            model = open_cube(path)
            model.meta.filename = path.name  # as it is found, whatever it was called once
            model.meta.asn.exptype = "psf"
            members.models.append(model)
        names = ", ".join(path.name for path in paths) or "none that was not a member"
        members.note = f"references found in {self.source}: {names}"


def library_of(pipeline: Any) -> Library | None:
    """Return the library that a pipeline's options name; None if there is none, or no use for it.

    Raises
    ------
    InputError
        If options choose from a library that is not named.
    """
    wanted = {
        name: getattr(pipeline, f"reference_{name}")
        for name in ("dates", "spectral_types", "programs", "exclude")
    }
    catalog = pipeline.reference_catalog
    if pipeline.reference_library is None:
        for name, value in {**wanted, "catalog": catalog}.items():
            if value:
                raise InputError(
                    f"reference_{name} = {value}: nothing to choose from; give "
                    "reference_library, too"
                )
        return None
    if pipeline.klip.skip or pipeline.klip.strategy == "adi":
        log.warning("reference_library is not looked at: the subtraction uses no reference star")
        return None
    return Library(
        pipeline.input_path(pipeline.reference_library),
        catalog=pipeline.input_path(catalog) if catalog else None,
        most=pipeline.reference_max,
        **wanted,
    )


def remember(product: Any, note: str) -> None:
    """Write a note into a product's history, if there is one."""
    if note:
        product.add_history_entry(note)
