"""Subtract dedicated background exposures from those of the target."""

import logging
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of, good_samples
from coronx.models.background import Block, Scaling, combine_exposures, fit_scale
from coronx.models.background_choice import find_backgrounds
from coronx.models.members import check_alike, role_of
from coronx.models.schema import level_table, levels_of
from coronx.models.variance import set_error
from coronx.ops.background_scale import BackgroundScale
from coronx.ops.combine import consecutive
from coronx.ops.sky_level import sky_levels
from coronx.steps.coron._base import CoronStep

__all__ = ["SubtractBackgroundStep"]

log = logging.getLogger(__name__)


class SubtractBackgroundStep(CoronStep):
    """Subtract the median of background exposures, its uncertainty in ERR.

    Background exposures are members of an association (exptype background and
    psf_background), or given by option; they are not in the result.
    """

    class_alias = "coronx_subtract_background"
    once = True

    spec = """
        background = force_list(default=list())  # Background exposures, in place of the association's
        nints_per_med = integer(default=None,min=1)  # Integrations of a block with a median of its own; none: all
        scale = option("none", "fit", "structure", default="none")  # Factor on the background: 1, of its level, of its structure
        use_glow_sticks = boolean(default=False)  # Fit structure along the boundaries of a phase mask, too
        allow_other = boolean(default=False)  # Take backgrounds of the reference for the target, or the reverse
        suffix = string(default='bgsub')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Subtract backgrounds.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An association with its backgrounds, or exposures.

        Returns
        -------
        CubeModel or ModelContainer
            The exposures of target and reference stars without their background.

        Raises
        ------
        InputError
            If an exposure has no background, or one that cannot be used.
        """
        return self.together(init, self._subtract_all)

    def _subtract_all(self, models: list[CubeModel]) -> list[CubeModel]:
        given = [self.open_cube(path) for path in self.background]
        made: dict[tuple[int, ...], list[Block]] = {}
        results = []
        for model in models:
            if role_of(model).endswith("background"):
                continue
            chosen = given or find_backgrounds(model, models, allow_other=self.allow_other)
            check_alike([model, *chosen])
            key = tuple(id(one) for one in chosen)
            if key not in made:
                made[key] = combine_exposures(chosen, self.nints_per_med)
            names = [name_of(one) for one in chosen]
            log.info("%s: less the median of %s", name_of(model), ", ".join(names))
            results.append(self._subtract(model, made[key], names))
        for one in given:
            one.close()
        return results

    def _subtract(self, model: CubeModel, blocks: list[Block], names: list[str]) -> CubeModel:
        cuts = consecutive(model.shape[0], self.nints_per_med)
        if len(cuts) != len(blocks):
            raise InputError(
                f"{name_of(model)}: nints_per_med = {self.nints_per_med} gives {len(cuts)} blocks, "
                f"but {len(blocks)} of its background {names[0]}; give another, or none"
            )
        result = self.copy_of(model)
        result.backgrounds = np.array([(name,) for name in names], [("exposure", "S64")])
        fitted = self._fitted(model, cuts, blocks)
        factor = BackgroundScale(1.0, 0.0, False, 0) if fitted is None else fitted.factor
        data, dq = model.data.copy(), model.dq.copy()
        square = np.square(model.err)
        for cut, block in zip(cuts, blocks, strict=True):
            frame = block.frame
            data[cut] -= np.float32(factor.scale) * frame.data
            square[cut] += np.square(np.float32(factor.scale) * frame.err)
            dq[cut] |= block.flags
            if fitted is not None:
                base = np.median(frame.data[fitted.sky]) if self.scale == "structure" else 0.0
                square[cut] += np.square(np.float32(factor.sigma) * (frame.data - base))
        result.dq = dq
        if fitted is not None:
            record = result.meta.coronx
            record.background_scale = factor.scale
            record.background_scale_sigma = factor.sigma
            if self.scale == "structure":
                good = good_samples(model) & np.isfinite(data)
                levels = sky_levels(data, good, fitted.sky, extra=fitted.halo.model)
                result.levels = level_table(levels, fitted.halo.sigma)
                level, sigma = levels_of(result.levels)
                data, square = data - level, square + np.square(sigma)
        result.data = data
        set_error(result, model, np.sqrt(square))
        _blank(result)
        return result

    def _fitted(self, model: CubeModel, cuts: list[slice], blocks: list[Block]) -> Scaling | None:
        if self.scale == "none":
            return None
        fitted = fit_scale(
            model,
            cuts,
            blocks,
            structure=self.scale == "structure",
            use_glow_sticks=self.use_glow_sticks,
        )
        factor = fitted.factor
        if factor.determined:
            log.info(
                "%s: background times %.5g +- %.2g, from %d pixels",
                name_of(model), factor.scale, factor.sigma, factor.count,
            )  # fmt: skip
        else:
            log.warning(
                "%s: the background does not stand out from its noise; its factor is 1",
                name_of(model),
            )
        return fitted


def _blank(result: CubeModel) -> None:
    """Give the variances no value where the error has none."""
    unknown = ~np.isfinite(result.err)
    for name, values in arrays_of(result).items():
        if name.startswith("var_"):
            values[unknown] = np.nan
