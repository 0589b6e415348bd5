"""Coadd consecutive integrations."""

import logging
from typing import Any

from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.arrays import arrays_of, set_arrays
from coronx.models.integrations import combine_tables, runs_of
from coronx.ops.combine import coadd, consecutive
from coronx.steps.coron._base import CoronStep, bit_mask

__all__ = ["CoaddFramesStep"]

log = logging.getLogger(__name__)


class CoaddFramesStep(CoronStep):
    """Combine blocks of consecutive integrations of an exposure.

    Integrations 1 to `ncoadd` make the first, the next `ncoadd` the second; what is left over
    makes a last, shorter one, whose larger errors say so. No block holds integrations of two
    exposures.
    """

    class_alias = "coronx_coadd_frames"

    spec = """
        ncoadd = integer(default=0,min=0)  # Number of consecutive integrations to combine; 0: all of an exposure
        method = option("mean", "median", default="mean")  # How they are combined
        bad_bits = force_list(default=list("DO_NOT_USE"))  # DQ flags of samples to leave out, names or integers; none: ""
        suffix = string(default='coadded')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Coadd the integrations of an exposure, or of each exposure of an association.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            Exposure, association, or exposures.

        Returns
        -------
        CubeModel or ModelContainer
            With the table ``coadded``: which integrations made each.

        Raises
        ------
        InputError
            If `bad_bits` are not DQ flags.
        """
        return self.each(init, self._change)

    def _change(self, model: CubeModel) -> CubeModel:
        arrays = arrays_of(model)
        blocks = consecutive(model.shape[0], self.ncoadd, runs_of(model))
        parts = [name for name in ("var_poisson", "var_rnoise") if name in arrays]
        done = coadd(
            model.data,
            model.err,
            model.dq,
            blocks=blocks,
            method=self.method,
            bad_bits=bit_mask(self.bad_bits),
            unusable=pixel["DO_NOT_USE"],
            independent=[arrays[name] for name in parts],
            common=arrays.get("var_flat"),
        )
        result = self.copy_of(model)
        made = {"data": done.data, "err": done.err, "dq": done.dq}
        made |= dict(zip(parts, done.independent, strict=True))
        if done.common is not None:
            made["var_flat"] = done.common
        set_arrays(result, made)
        combine_tables(result, blocks)
        longest = max(block.stop - block.start for block in blocks)
        if result.meta.exposure.integration_time is not None:
            result.meta.exposure.integration_time *= longest
        log.info(
            "%s: %d integrations combined into %d",
            model.meta.filename, model.shape[0], len(blocks),
        )  # fmt: skip
        return result
