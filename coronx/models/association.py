"""Read a coron3 association."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coronx.errors import InputError
from coronx.models.writing import whole_file

__all__ = [
    "KINDS",
    "Association",
    "inside",
    "load_table",
    "lower_keys",
    "read_association",
    "write_association",
    "write_members",
]

KINDS = ("science", "psf", "background", "psf_background")
"""Types of member that are read: exposures of the target, of reference stars, and of the sky
beside each."""


@dataclass(frozen=True)
class Association:
    """An association and its members.

    Attributes
    ----------
    path : Path
        The association file.
    asn_id, pool : str
        Its identifier and pool.
    product : str
        Name of the combined product.
    members : tuple of (Path, str)
        Files and their types, one of `KINDS`, in the file's order.
    table : mapping
        What the file says.
    """

    path: Path
    asn_id: str
    pool: str
    product: str
    members: tuple[tuple[Path, str], ...]
    table: Mapping[str, Any]

    def of(self, kind: str) -> tuple[Path, ...]:
        """Return the members of a type."""
        return tuple(path for path, role in self.members if role == kind)


def read_association(
    path: str | Path, *, needed: tuple[str, ...] = ("science", "psf")
) -> Association:
    """Read an association file and check that its members are there.

    Parameters
    ----------
    path : str or Path
        A JSON file with one product whose members have an ``exptype`` of `KINDS`, in any
        case and order; members of other types are left alone.
    needed : tuple of str
        The types of which there must be a member; there must be one of some type in any case.

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
    table = load_table(path)
    try:
        product = table["products"][0]
        name = str(product["name"])
        members = [lower_keys(member) for member in product["members"]]
        asn_id = str(table["asn_id"])
    except (KeyError, IndexError, TypeError, AttributeError) as err:
        raise InputError(
            f"{path}: not an association ({type(err).__name__}: {err}); it needs asn_id and a "
            "product with a name and members"
        ) from err
    found = tuple(
        (inside(path, str(member.get("expname", ""))), kind)
        for member in members
        if (kind := str(member.get("exptype", "")).lower()) in KINDS
    )
    remedies = {"science": "target", "psf": "reference star"}
    for kind in needed:
        if kind not in {role for _, role in found}:
            raise InputError(
                f"{path}: no member of exptype {kind}; add an exposure of the "
                f"{remedies.get(kind, kind)} to it"
            )
    if not found:
        raise InputError(f"{path}: no member of exptype {', '.join(KINDS)}; add one")
    for file, _ in found:
        if not file.is_file():
            raise InputError(f"{path}: its member {file.name} is missing; put it beside the file")
    return Association(path, asn_id, str(table.get("asn_pool", "none")), name, found, table)


def write_members(path: Path, table: Mapping[str, Any], product: str, members: Any) -> None:
    """Write an association of one product.

    Parameters
    ----------
    path : Path
        The file, replaced in one go if it is there.
    table : mapping
        What the association of the exposures that they were made from says.
    product : str
        Name of the product.
    members : iterable of (str, str)
        Names of the members' files, and their types.
    """
    told = {key: value for key, value in table.items() if key != "products"}
    listed = [{"expname": Path(name).name, "exptype": kind} for name, kind in members]
    with whole_file(path) as made:
        made.write_text(
            json.dumps(
                {**told, "products": [{"name": product, "members": listed}]}, indent=2, default=str
            )
        )


def write_association(
    path: Path,
    table: Mapping[str, Any],
    renamed: Mapping[str, str],
    kinds: tuple[str, ...] = KINDS,
) -> None:
    """Write the association of exposures that were made from those of another.

    Parameters
    ----------
    path : Path
        The file, replaced in one go if it is there.
    table : mapping
        What the other association says.
    renamed : mapping
        Names of the new files by those of the old; members of `kinds` that are not in it are
        left out, since nothing was made from them.
    kinds : tuple of str
        Types of member that are read.
    """
    products = []
    for product in table["products"]:
        members = []
        for member in map(lower_keys, product["members"]):
            name = Path(str(member.get("expname", ""))).name
            if name in renamed:
                members.append({**member, "expname": renamed[name]})
            elif str(member.get("exptype", "")).lower() not in kinds:
                members.append(member)
        if members:
            products.append({**product, "members": members})
    with whole_file(path) as made:
        made.write_text(json.dumps({**table, "products": products}, indent=2, default=str))


def load_table(path: Path) -> Mapping[str, Any]:
    """Return what an association file says.

    Raises
    ------
    InputError
        If it is not there, or not JSON of the right kind.
    """
    try:
        table = json.loads(path.read_text())
    except FileNotFoundError as err:
        raise InputError(f"{path}: no such file; give the association's path") from err
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise InputError(f"{path}: not JSON ({err}); give an _asn.json file") from err
    if not isinstance(table, dict):
        raise InputError(f"{path}: JSON, but not an association; give an _asn.json file")
    return table


def lower_keys(member: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member with its keys in lower case."""
    return {key.lower(): value for key, value in member.items()}


def inside(path: Path, expname: str) -> Path:
    """Return the path of an association's member, which must lie in the association's folder.

    Raises
    ------
    InputError
        If it lies elsewhere.
    """
    folder = os.path.abspath(path.parent)  # noqa: PTH100 (links must not be followed)
    file = os.path.normpath(os.path.join(folder, expname))  # noqa: PTH118
    if not expname or os.path.commonpath([folder, file]) != folder:
        raise InputError(
            f"{path}: its member {expname!r} is outside the association's folder; put the file "
            "beside the association and name it alone"
        )
    return Path(file)
