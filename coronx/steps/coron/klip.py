"""Subtract the star."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel, QuadModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of
from coronx.models.members import check_alike
from coronx.models.option_text import parse_companions, parts_of
from coronx.models.recipe import Recipe
from coronx.models.reduction import Inputs, images_of, open_references
from coronx.models.schema import extend
from coronx.models.variance import set_error
from coronx.ops.images import Images
from coronx.ops.psf_subtraction import Subtraction, subtract_psf
from coronx.steps.coron._base import CoronStep, whole_numbers

__all__ = ["KlipStep"]

log = logging.getLogger(__name__)


class KlipStep(CoronStep):
    """Subtract from a target what aligned references make of its star.

    By the KL modes of the references (Soummer, Pueyo & Larkin 2012), their scaled mean, or
    non-negative components (Ren et al. 2018), over the whole frame or in zones. Bad pixels of an
    integration take no part in its fit and stay NaN.
    """

    class_alias = "coronx_klip"

    spec = """
        strategy = option("rdi", "adi", "ardi", default="rdi")  # References: other stars, the same star at other rolls, or both
        method = option("klip", "classical", "nmf", default="klip")  # KL modes; the references' mean, scaled; or non-negative components
        truncate = force_list(default=list("50"))  # Largest number of modes subtracted; of several, each makes a product
        annuli = float_list(default=list())  # Radii in arcsec at which annuli end; none: the frame is one zone
        sectors = integer(default=1,min=1)  # Sectors of each annulus
        zone_padding = float(default=0.0,min=0.0)  # Arcsec by which a zone's fit is wider than the zone, on each side
        least_rotation = float(default=1.0,min=0.0)  # ADI, ARDI: lambda/D that a companion must have moved in a reference
        nrefs_best = integer(default=0,min=0)  # References taken, those most alike to each integration; 0: all
        rank_by = option("correlation", "ssim", "mse", default="correlation")  # How likeness is measured
        rank_radius = float(default=1.5,min=0.0)  # Arcsec from the star within which it is
        companions = force_list(default=list())  # Known companions kept out of the fit: arcsec and PA in degrees, as 1.2:40
        companion_radius = float(default=1.5,min=0.0)  # Radius kept out, in lambda/D
        color_change = float(default=0.0,min=0.0,max=0.05)  # Also fit what a change of the mean wavelength by this share does; 0: not
        error = option("propagated", "scatter", default="propagated")  # ERR from input errors, or the references' scatter
        save_psf = boolean(default=False)  # Save the fitted star as a product of its own, _psfmodel
        suffix = string(default='psfsub')  # Suffix of the product
    """  # noqa: E501

    def check_options(self) -> None:
        """Raise an `InputError` for options that make no sense, whatever the exposures."""
        counts = self.counts()
        if self.method == "nmf" and counts[0] == 0:
            raise InputError("truncate = 0: NMF needs a component; give 1 or more")
        parse_companions(self.companions)
        unlike = {"strategy": ("adi",), "method": ("classical", "nmf"), "error": ("scatter",)}
        given = {name: getattr(self, name) for name in unlike}
        other = [f"{name} = {value}" for name, value in given.items() if value in unlike[name]]
        if self.color_change and other:
            raise InputError(
                f"color_change = {self.color_change:g} is for KL modes of other stars and "
                f"propagated errors, not for {', '.join(other)}; give 0"
            )
        edges = self.annuli
        if any(b <= a for a, b in zip([0.0, *edges], edges, strict=False)):
            given = ", ".join(f"{edge:g}" for edge in edges)
            raise InputError(f"annuli = {given}: radii in arcsec must increase from above 0")

    def counts(self) -> tuple[int, ...]:
        """Return the numbers of modes asked for, ascending."""

        def ascending(values: list[int]) -> tuple[int, ...]:
            if not values or min(values) < 0:
                raise ValueError("numbers of modes are 0 or more")
            if len(set(values)) < len(values):
                raise ValueError("one is there twice")
            return tuple(sorted(values))

        return whole_numbers("truncate", parts_of(self.truncate), ascending)

    def process(self, target: Any, psfrefs: Any) -> CubeModel | ModelContainer:
        """Subtract the star.

        Parameters
        ----------
        target : str, Path or CubeModel
            Science exposure, ``_calints``.
        psfrefs : str, Path, PsfAlignModel, QuadModel or CubeModel
            Aligned references, 4-D or 3-D.

        Returns
        -------
        CubeModel or ModelContainer
            Like the target, the star subtracted; of several numbers of modes, one for each, named
            by it (``_kl006_``).

        Raises
        ------
        InputError
            If the inputs do not belong together, or the references hold nothing of use.
        """
        self.check_options()
        science, references = self.open_cube(target), self._open_references(psfrefs)
        check_alike([science, references])
        self._check_counts(science, references)
        counts = self.counts()
        recipe = self._recipe()
        try:
            done = self._subtract(science, references, recipe, counts)
        except ValueError as err:
            raise InputError(f"{name_of(references)}: {err}") from err
        results = ModelContainer()
        for k, count in enumerate(counts):
            name = name_of(science)
            if len(counts) > 1:
                stem, _, last = name.rpartition("_")
                name = f"{stem}_kl{count:03d}_{last}"
            how = replace(recipe, kl_truncate=count)
            result = self._result(science, references, done, k, how, name)
            log.info(
                "%s: %d modes of %d references subtracted from %d integrations",
                name_of(result), done.modes[k], done.references, science.shape[0],
            )  # fmt: skip
            results.append(result)
        return results[0] if len(counts) == 1 else results

    def _recipe(self) -> Recipe:
        return Recipe(
            strategy=self.strategy,
            method=self.method,
            annuli=tuple(self.annuli),
            sectors=self.sectors,
            zone_padding=self.zone_padding,
            least_rotation=self.least_rotation,
            nrefs_best=self.nrefs_best,
            rank_by=self.rank_by,
            rank_radius=self.rank_radius,
            companions=parse_companions(self.companions),
            companion_radius=self.companion_radius,
            color_change=self.color_change,
        )

    def _save_star(self, star: CubeModel) -> None:
        name = name_of(star)
        asn_id = self.search_attr("asn_id")
        if asn_id and f"_{asn_id}_" in name:
            asn_id = None  # the outlier step has put it there
        self.finalize_result(star, [])
        self.save_model(star, suffix="psfmodel", output_file=name, force=True, acid=asn_id)

    def _open_references(self, init: Any) -> CubeModel | QuadModel:
        if isinstance(init, QuadModel | CubeModel):
            return init
        if isinstance(init, str | Path):
            return open_references(self.input_path(init))
        return self.open_cube(init)

    @staticmethod
    def _check_counts(science: CubeModel, references: CubeModel | QuadModel) -> None:
        count = references.shape[0]
        if len(references.shape) == 4 and count != science.shape[0]:
            raise InputError(
                f"{name_of(references)}: aligned to {count} integrations, but "
                f"{name_of(science)} has {science.shape[0]}; align the references to it again"
            )

    def _subtract(
        self, science: CubeModel, references: Any, recipe: Recipe, counts: tuple[int, ...]
    ) -> Subtraction:
        targets = images_of(science.data, science.err, science.dq)
        common = getattr(references, "common", None)
        if len(references.shape) == 3 or common is not None:
            return self._run(science, targets, references, recipe, counts)
        # Planes of unknown making: every integration has modes of its own.
        parts = []
        for n in range(science.shape[0]):
            one = Images(targets.data[n : n + 1], targets.err[n : n + 1], targets.bad[n : n + 1])
            stack = CubeModel(data=references.data[n], err=references.err[n], dq=references.dq[n])
            if array_of(references, "planes") is not None:
                extend(stack).planes = references.planes
            parts.append(self._run(science, one, stack, recipe, counts))

        def joined(name: str) -> Any:
            return np.concatenate([getattr(part, name) for part in parts], axis=1)

        residual, err = joined("residual"), joined("err")
        model = joined("model") if self.save_psf else None
        modes = tuple(int(n) for n in np.min([part.modes for part in parts], axis=0))
        return Subtraction(residual, err, model, counts, modes, parts[0].references)

    def _run(
        self,
        science: CubeModel,
        targets: Images,
        references: Any,
        recipe: Recipe,
        counts: tuple[int, ...],
    ) -> Subtraction:
        inputs = Inputs.of(science, targets, references, recipe)
        empty = int((~inputs.plan.chosen.any(axis=2)).any(axis=1).sum())
        if empty:
            log.warning(
                "%s: no reference is left in %d of %d zones, where a companion moves too little: "
                "they are NaN", name_of(science), empty, len(inputs.plan.zones),
            )  # fmt: skip
        same = np.isfinite(inputs.matrices).all(axis=(1, 2))
        if recipe.strategy == "ardi" and not inputs.plan.chosen[..., same].any():
            log.warning(
                "%s: strategy ardi, but no other roll of the star is among the references: it is "
                "rdi; stack_refs with_science stacks them", name_of(science),
            )  # fmt: skip
        return subtract_psf(
            targets,
            inputs.references,
            truncate=counts,
            method=self.method,
            zones=inputs.plan.zones,
            chosen=inputs.plan.chosen,
            kept_out=inputs.plan.kept_out,
            shifts=inputs.shifts,
            propagate=self.error == "propagated",
            with_model=self.save_psf,
        )

    def _result(
        self,
        science: CubeModel,
        references: Any,
        done: Subtraction,
        k: int,
        recipe: Recipe,
        name: str,
    ) -> CubeModel:
        residual, err = done.residual[k], done.err[k]
        result = self.new_like(science, data=residual, err=err, dq=science.dq.copy())
        result.meta.filename = name
        recipe.record(result)
        record = extend(result).meta.coronx
        record.kl_modes, record.error_kind = done.modes[k], self.error
        for step in ("stack_psfs", "align_psfs"):
            setattr(result.meta.cal_step, step, getattr(references.meta.cal_step, step))
        result.meta.ref_file.psfmask.name = references.meta.ref_file.psfmask.name
        result.meta.cal_step.klip = "COMPLETE"
        if done.model is not None:
            star = result.copy()
            star.data = done.model[k]
            self._save_star(star)
        result.psf_model = science.data - residual
        set_error(result, science, err)
        if done.shared is not None and science.shape[0] > 1:
            result.shared_variance = done.shared[k]
        result.dq[np.isnan(residual)] |= pixel["DO_NOT_USE"]
        return result
