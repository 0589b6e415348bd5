"""Stack the integrations of all reference exposures into one cube."""

from pathlib import Path
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError
from coronx.models.association import read_association
from coronx.models.members import check_alike, role_of
from coronx.models.pointing import find_star, sky_matrix
from coronx.models.schema import plane_table
from coronx.steps.coron._base import CoronStep

__all__ = ["StackRefsStep"]


class StackRefsStep(CoronStep):
    """Stack reference exposures into one cube.

    The result holds every integration of every exposure in order, with the metadata of
    the first, and a table that says which exposure and integration each plane is from, and
    whether it shows another star or the science star at a roll of its own.
    """

    class_alias = "coronx_stack_refs"

    spec = """
        with_science = boolean(default=False)  # Stack an association's science exposures too: references for ADI and ARDI
        suffix = string(default='psfstack')  # Suffix of the product
    """  # noqa: E501

    def process(self, references: Any) -> CubeModel:
        """Stack exposures.

        Parameters
        ----------
        references : str, Path, list or ModelContainer
            An association (its psf members are stacked), an exposure, or several of them, the
            science star's among them if the references are for ADI or ARDI.

        Returns
        -------
        CubeModel
            The stack, with the table ``planes``.

        Raises
        ------
        InputError
            If there is nothing to stack, or the exposures are not of one mode and size.
        """
        models = [self.open_cube(item) for item in self._members(references)]
        if not models:
            raise InputError("no reference exposures to stack; give at least one")
        check_alike(models)
        self.set_primary_input(models[0])  # a list has no name to call the product by
        result = self.new_like(
            models[0],
            data=np.concatenate([m.data for m in models]),
            err=np.concatenate([m.err for m in models]),
            dq=np.concatenate([m.dq for m in models]),
        )
        result.planes = np.concatenate([self._planes(m) for m in models])
        result.meta.cal_step.stack_psfs = "COMPLETE"
        return result

    @staticmethod
    def _planes(model: CubeModel) -> np.ndarray:
        told = model.meta.asn.exptype is not None or model.meta.exposure.psf_reference is not None
        if role_of(model) != "science" or not told:
            return plane_table(model)  # what says nothing of itself is a reference star
        return plane_table(model, role="science", matrix=sky_matrix(model, find_star(model)))

    def _as(self, path: Path, exptype: str) -> CubeModel:
        """Open a member as what the association says that it is, whatever its header says."""
        model = self.open_cube(path)
        model.meta.asn.exptype = exptype
        return model

    def _members(self, references: Any) -> list[Any]:
        if isinstance(references, str | Path):
            path = self.input_path(references)
            if path.suffix != ".json":
                return [path]
            association = read_association(path, needed=() if self.with_science else ("psf",))
            self.set_primary_input(association.product, exclusive=False)  # names the product
            science = association.of("science") if self.with_science else ()
            return [
                *(self._as(name, "psf") for name in association.of("psf")),
                *(self._as(name, "science") for name in science),
            ]
        if isinstance(references, list | tuple | ModelContainer):
            return list(references)
        return [references]
