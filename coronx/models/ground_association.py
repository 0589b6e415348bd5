"""Associations of CCD frames: what is made of which frames."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from coronx.errors import InputError
from coronx.models.association import inside, load_table, lower_keys
from coronx.models.ground_image import ROLES, GroundImageModel
from coronx.models.ground_reading import open_frame

__all__ = [
    "GroundAssociation",
    "GroundFrames",
    "GroundProduct",
    "open_ground_members",
    "read_ground_association",
]


@dataclass(frozen=True)
class GroundProduct:
    """What is made of some frames.

    Attributes
    ----------
    name : str
        Its name.
    members : tuple of (Path, str)
        Files and their types: science, bias, dark or flat.
    """

    name: str
    members: tuple[tuple[Path, str], ...]

    def of(self, role: str) -> tuple[Path, ...]:
        """Return the members of a type."""
        return tuple(path for path, kind in self.members if kind == role)


@dataclass(frozen=True)
class GroundAssociation:
    """An association file.

    Attributes
    ----------
    path : Path
        The file.
    asn_id : str
        Its identifier.
    products : tuple of GroundProduct
        In the file's order.
    table : mapping
        What the file says.
    """

    path: Path
    asn_id: str
    products: tuple[GroundProduct, ...]
    table: Mapping[str, Any]

    @property
    def members(self) -> tuple[tuple[Path, str], ...]:
        """The members of all products, each file once."""
        found: dict[Path, str] = {}
        for product in self.products:
            for path, role in product.members:
                found.setdefault(path, role)
        return tuple(found.items())

    def of(self, role: str) -> tuple[Path, ...]:
        """Return the members of a type, of all products."""
        return tuple(path for path, kind in self.members if kind == role)


class GroundFrames(Sequence[GroundImageModel]):
    """Several images, with the association that they are of.

    Parameters
    ----------
    models : iterable of GroundImageModel
        The images.
    roles : iterable of str, optional
        The type of each; by default what it says itself, science where it says nothing.
    asn_table : mapping, optional
        What the association says.
    asn_table_name : str, optional
        Name of its file.
    """

    def __init__(
        self,
        models: Iterable[GroundImageModel],
        roles: Iterable[str] | None = None,
        *,
        asn_table: Mapping[str, Any] | None = None,
        asn_table_name: str | None = None,
    ) -> None:
        self._models = list(models)
        told = [str(m.meta.ground.image_type or "science") for m in self._models]
        self.roles = list(roles) if roles is not None else told
        self.asn_table, self.asn_table_name = asn_table, asn_table_name

    @overload
    def __getitem__(self, n: int) -> GroundImageModel: ...
    @overload
    def __getitem__(self, n: slice) -> list[GroundImageModel]: ...
    def __getitem__(self, n: int | slice) -> GroundImageModel | list[GroundImageModel]:
        """Return an image, or several."""
        return self._models[n]

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._models)

    def __iter__(self) -> Iterator[GroundImageModel]:
        """Go through the images."""
        return iter(self._models)

    # With these three the host's framework takes it for data, which it hands on and has saved.
    @property
    def crds_observatory(self) -> str:
        """The observatory in CRDS: none."""
        return "none"

    def get_crds_parameters(self) -> dict[str, Any]:
        """Return nothing: CRDS knows no reference file for these images."""
        return {}

    def save(self, *_: Any, **__: Any) -> None:
        """Raise: the step saves each image under its own name."""
        raise NotImplementedError("the images are saved one by one, by Step.save_model")

    def of(self, role: str) -> list[GroundImageModel]:
        """Return the images of a type."""
        pairs = zip(self._models, self.roles, strict=True)
        return [model for model, kind in pairs if kind == role]


def read_ground_association(path: str | Path) -> GroundAssociation:
    """Read an association file and check that its members are there.

    Parameters
    ----------
    path : str or Path
        A JSON file with products whose members have an ``exptype`` of science, bias, dark or flat,
        in any case and order; members of other types are left alone.

    Raises
    ------
    InputError
        If the file is not an association, or names no frame, or one that is missing or lies
        outside the association's folder.
    """
    path = Path(path)
    table = load_table(path)
    products = []
    try:
        asn_id = str(table.get("asn_id") or "ground")
        for product in table["products"]:
            members = tuple(
                (inside(path, str(member.get("expname", ""))), kind)
                for member in map(lower_keys, product["members"])
                if (kind := str(member.get("exptype", "")).lower()) in ROLES
            )
            products.append(GroundProduct(str(product["name"]), members))
    except (KeyError, IndexError, TypeError, AttributeError) as err:
        raise InputError(
            f"{path}: not an association ({type(err).__name__}: {err}); it needs products with a "
            "name and members"
        ) from err
    made = GroundAssociation(path, asn_id, tuple(products), table)
    if not made.members:
        raise InputError(f"{path}: no member of exptype {', '.join(ROLES)}; add one")
    for file, _ in made.members:
        if not file.is_file():
            raise InputError(f"{path}: its member {file.name} is missing; put it beside the file")
    return made


def open_ground_members(association: GroundAssociation) -> GroundFrames:
    """Open the frames of an association.

    Raises
    ------
    InputError
        If one cannot be used.
    """
    models, roles = [], []
    for path, role in association.members:
        models.append(open_frame(path))
        roles.append(role)
    return GroundFrames(
        models, roles, asn_table=association.table, asn_table_name=association.path.name
    )
