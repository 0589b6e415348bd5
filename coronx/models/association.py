"""Read a coron3 association."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coronx.errors import InputError

__all__ = ["Association", "read_association"]


@dataclass(frozen=True)
class Association:
    """The members of a coron3 association.

    Attributes
    ----------
    path : Path
        The association file.
    asn_id, pool : str
        Its identifier and pool.
    product : str
        Name of the combined product.
    science, psf : tuple of Path
        Science exposures and reference-star exposures, in the file's order.
    """

    path: Path
    asn_id: str
    pool: str
    product: str
    science: tuple[Path, ...]
    psf: tuple[Path, ...]


def read_association(
    path: str | Path, *, needed: tuple[str, ...] = ("science", "psf")
) -> Association:
    """Read an association file and check that its members are there.

    Parameters
    ----------
    path : str or Path
        A JSON file with one product whose members have the ``exptype`` science or psf, in
        any case and order; members of other types are left alone.
    needed : tuple of str
        The types of which there must be a member.

    Returns
    -------
    Association

    Raises
    ------
    InputError
        If the file is not an association, names no member of a type that is needed, or one
        that is missing or lies outside the association's folder.
    """
    path = Path(path)
    table = _load(path)
    try:
        product = table["products"][0]
        name = str(product["name"])
        members = [_lower_keys(member) for member in product["members"]]
        asn_id = str(table["asn_id"])
    except (KeyError, IndexError, TypeError, AttributeError) as err:
        raise InputError(
            f"{path}: not an association ({type(err).__name__}: {err}); it needs asn_id and a "
            "product with a name and members"
        ) from err
    found: dict[str, list[Path]] = {"science": [], "psf": []}
    for member in members:
        kind = str(member.get("exptype", "")).lower()
        if kind in found:
            found[kind].append(_inside(path, str(member.get("expname", ""))))
    for kind, remedy in (("science", "target"), ("psf", "reference star")):
        if kind in needed and not found[kind]:
            raise InputError(
                f"{path}: no member of exptype {kind}; add an exposure of the {remedy} to it"
            )
    for file in (*found["science"], *found["psf"]):
        if not file.is_file():
            raise InputError(f"{path}: its member {file.name} is missing; put it beside the file")
    return Association(
        path,
        asn_id,
        str(table.get("asn_pool", "none")),
        name,
        tuple(found["science"]),
        tuple(found["psf"]),
    )


def _load(path: Path) -> Mapping[str, Any]:
    try:
        table = json.loads(path.read_text())
    except FileNotFoundError as err:
        raise InputError(f"{path}: no such file; give the association's path") from err
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise InputError(
            f"{path}: not JSON ({err}); give the _asn.json file of a coron3 association"
        ) from err
    if not isinstance(table, dict):
        raise InputError(f"{path}: JSON, but not an association; give a coron3 _asn.json file")
    return table


def _lower_keys(member: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in member.items()}


def _inside(path: Path, expname: str) -> Path:
    folder = os.path.abspath(path.parent)  # noqa: PTH100 (links must not be followed)
    file = os.path.normpath(os.path.join(folder, expname))  # noqa: PTH118
    if not expname or os.path.commonpath([folder, file]) != folder:
        raise InputError(
            f"{path}: its member {expname!r} is outside the association's folder; put the file "
            "beside the association and name it alone"
        )
    return Path(file)
