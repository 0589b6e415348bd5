"""Remove integrations, or whole exposures."""

import logging
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.criteria import bad_fractions, star_offsets
from coronx.models.integrations import select
from coronx.models.members import role_of
from coronx.models.picks import Pick, read_picks
from coronx.steps.coron._base import CoronStep, bit_mask

__all__ = ["RemoveFramesStep"]

log = logging.getLogger(__name__)


class RemoveFramesStep(CoronStep):
    """Remove integrations by number or by what is wrong with them, and exposures by name.

    The integrations that are left keep their order; the table ``planes`` says which they were.
    An exposure of which nothing is left is taken out of its association.
    """

    class_alias = "coronx_remove_frames"

    spec = """
        integrations = force_list(default=list())  # Numbers, from 1, of integrations to remove: 1,4-6; of some exposures: jw*_calints.fits:1,3
        exposures = force_list(default=list())  # File names of exposures to remove, with the wildcards * and ?
        max_bad_fraction = float(default=1.0,min=0.0,max=1.0)  # Remove integrations with a larger share of bad pixels
        max_star_offset = float(default=None,min=0.0)  # Remove integrations whose star is further, in pixels, from its median place in the exposure
        bad_bits = force_list(default=list("DO_NOT_USE"))  # DQ flags of bad pixels, names or integers; none: ""
        suffix = string(default='kept')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Remove integrations of an exposure, or of the exposures of an association.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            Exposure, association, or exposures.

        Returns
        -------
        CubeModel or ModelContainer

        Raises
        ------
        InputError
            If an option asks for what is not there, or no exposure of a kind would be left.
        """
        return self.together(init, self._change)

    def check_options(self) -> None:
        """Read what to remove."""
        super().check_options()
        criteria = (self.integrations, self.exposures, self.max_bad_fraction < 1.0)
        if not (any(criteria) or self.max_star_offset is not None):
            raise InputError(
                "integrations, exposures, max_bad_fraction, max_star_offset: none is given; say "
                "what to remove"
            )
        self.picks = read_picks("integrations", self.integrations)
        self.picks += [Pick(str(name), None) for name in self.exposures]

    def _change(self, models: list[CubeModel]) -> list[CubeModel]:
        self._check(models)
        kept = [np.flatnonzero(~self._unwanted(model)) for model in models]
        roles = [role_of(model) for model in models]
        for role in dict.fromkeys(roles):
            if not any(keep.size for keep, other in zip(kept, roles, strict=True) if other == role):
                names = [name_of(m) for m, r in zip(models, roles, strict=True) if r == role]
                raise InputError(
                    f"{', '.join(names)}: no {role} integration would be left; remove fewer"
                )
        return [
            self._result(model, keep)
            for model, keep in zip(models, kept, strict=True)
            if self._is_left(model, keep)
        ]

    @staticmethod
    def _is_left(model: CubeModel, keep: np.ndarray) -> bool:
        gone = np.setdiff1d(np.arange(model.shape[0]), keep) + 1
        if keep.size:
            told = ", ".join(map(str, gone)) or "none"
            log.info("%s: integrations removed: %s", name_of(model), told)
        else:
            log.info("%s: removed", name_of(model))
        return bool(keep.size)

    def _check(self, models: list[CubeModel]) -> None:
        """Refuse to remove what is not there: a name or a number was misspelt."""
        for pick in self.picks:
            sizes = [m.shape[0] for m in models if pick.names(name_of(m))]
            if not sizes:
                raise InputError(
                    f"{pick.name}: no exposure has that name; there are "
                    f"{', '.join(name_of(model) for model in models)}"
                )
            beyond = [n for n in pick.numbers or () if not 1 <= n <= max(sizes)]
            if beyond:
                raise InputError(
                    f"integrations = {beyond[0]}: {pick.name} has no more than {max(sizes)}; give "
                    "numbers from 1"
                )

    def _unwanted(self, model: CubeModel) -> np.ndarray:
        unwanted = np.zeros(model.shape[0], bool)
        for pick in self.picks:
            if pick.names(name_of(model)):
                unwanted |= pick.among(model.shape[0])
        if self.max_bad_fraction < 1.0:
            unwanted |= bad_fractions(model, bit_mask(self.bad_bits)) > self.max_bad_fraction
        if self.max_star_offset is not None:
            # NaN, where the star was not measured, is not more than anything.
            unwanted |= star_offsets(model) > self.max_star_offset
        return unwanted

    def _result(self, model: CubeModel, keep: np.ndarray) -> CubeModel:
        result = self.copy_of(model)
        select(result, keep)
        return result
