"""What a pipeline gathers of all exposures before it combines them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.association import write_members
from coronx.models.members import Members
from coronx.models.rolls import Rolls

__all__ = ["Combined"]


@dataclass
class Combined:
    """The exposures of one association, their star subtracted with one number of modes.

    Attributes
    ----------
    members : Members
        The association.
    label : str
        Part of the products' names that tells the number of modes; empty if there is only one.
    rolls : Rolls
        Their integrations, to be combined.
    subtracted, aligned : list
        The exposures without their star, and the references of each.
    names, aligned_names : list of str or None
        Their files, where they are saved.
    """

    members: Members
    label: str
    rolls: Rolls
    subtracted: list[CubeModel] = field(default_factory=list)
    aligned: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    aligned_names: list[str | None] = field(default_factory=list)

    @property
    def product(self) -> str:
        """Name of the products."""
        return f"{self.members.product}{self.label}"

    def write(self) -> None:
        """Write an association of the exposures, for the steps that measure, if all are saved."""
        files = [*self.names, *self.aligned_names]
        if not self.names or not all(files):
            return
        folder = Path(self.names[0]).parent
        members = [(name, "science") for name in self.names]
        members += [(name, "psf") for name in self.aligned_names]
        table = self.subtracted[0].meta.asn.instance or {}
        told = {
            "asn_type": "coron3",
            "asn_rule": "DMS_Level3_Base",
            "asn_id": self.members.asn_id,
            "asn_pool": self.members.pool,
            "program": table.get("program", "noprogram"),
        }
        write_members(folder / f"{self.product}_psfsub_asn.json", told, self.product, members)
