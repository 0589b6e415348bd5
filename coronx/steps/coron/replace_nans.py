"""Replace pixels that are not finite by a constant, with errors and flags that say so."""

import logging
import math
from typing import Any

from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.ops.nans import replace_nans
from coronx.steps.coron._base import CoronStep

__all__ = ["ReplaceNansStep"]

log = logging.getLogger(__name__)

_VARIANCES = ("var_poisson", "var_rnoise", "var_flat")


class ReplaceNansStep(CoronStep):
    """Make exposures finite: NaN and infinity in SCI become a constant, flagged DO_NOT_USE.

    Their errors become the median of the errors around them.
    """

    class_alias = "coronx_replace_nans"

    spec = """
        cval = float(default=0.0)  # Value of pixels that are not finite
        suffix = string(default='nonan')  # Suffix of the product
    """

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Make an exposure, or every exposure of an association or a list, finite.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            Exposures.

        Returns
        -------
        CubeModel or ModelContainer
            With finite SCI, ERR and VAR_*.

        Raises
        ------
        InputError
            If `cval` is not finite, or an exposure has no finite error.
        """
        return self.each(init, self._change)

    def check_options(self) -> None:
        """Refuse a `cval` that is not finite."""
        if not math.isfinite(self.cval):
            raise InputError(f"cval = {self.cval}: not a finite number; give one, 0 say")

    def _change(self, model: CubeModel) -> CubeModel:
        arrays = arrays_of(model)
        parts = [name for name in _VARIANCES if name in arrays]
        try:
            found = replace_nans(
                model.data,
                model.err,
                model.dq,
                [arrays[name] for name in parts],
                flag=pixel["DO_NOT_USE"],
                cval=self.cval,
            )
        except ValueError as err:
            raise InputError(
                f"{name_of(model)}: {err}; calibrate it again, or leave it out"
            ) from err
        result = self.copy_of(model)
        result.data, result.err, result.dq = found.data, found.err, found.dq
        for name, values in zip(parts, found.variances, strict=True):
            setattr(result, name, values)
        log.info(
            "%s: %d pixels of SCI and %d of ERR replaced",
            name_of(model), found.data_count, found.err_count,
        )  # fmt: skip
        return result
