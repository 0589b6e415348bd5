"""What a pipeline gathers of all exposures before it combines them."""

from dataclasses import dataclass, field
from typing import Any

from stdatamodels.jwst.datamodels import CubeModel

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
    names : list of str
        Files of the former, where they are saved.
    """

    members: Members
    label: str
    rolls: Rolls
    subtracted: list[CubeModel] = field(default_factory=list)
    aligned: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def product(self) -> str:
        """Name of the products."""
        return f"{self.members.product}{self.label}"
