"""From a coron3 association to PSF-subtracted, combined and measured products."""

import logging
from pathlib import Path
from typing import Any

from jwst.datamodels import ModelContainer
from jwst.model_blender import ModelBlender
from jwst.resample.resample_step import ResampleStep
from jwst.stpipe.core import JwstPipeline
from stdatamodels.jwst.datamodels import CubeModel, ImageModel
from stpipe.config_parser import merge_config

from coronx.errors import name_of
from coronx.models.members import Members, open_members, role_of
from coronx.models.pointing import StarPlace, move_wcs, record_star
from coronx.models.rolls import Rolls
from coronx.models.schema import extend
from coronx.pipelines._chain import CHAIN, DEFAULTS
from coronx.pipelines._checks import check, check_left
from coronx.pipelines._combined import Combined
from coronx.pipelines._library import library_of, remember
from coronx.pipelines._measuring import MEASURES, measure, set_up
from coronx.pipelines._settings import mode_settings
from coronx.pipelines._star import Star, locate
from coronx.steps._guest import Guest, crds_context
from coronx.steps.coron._measuring import MEASURING
from coronx.steps.coron.align_refs import AlignRefsStep
from coronx.steps.coron.hlsp import HlspStep
from coronx.steps.coron.klip import KlipStep
from coronx.steps.coron.stack_refs import StackRefsStep

__all__ = ["Coron3Pipeline"]

log = logging.getLogger(__name__)


class Coron3Pipeline(Guest, JwstPipeline):
    """Process a coron3 association: subtract the star, combine the rolls, measure what is left.

    Outliers are flagged and rolls are resampled by the host's own steps; all else is done by
    coronx's. Rolls are combined about the star.
    """

    class_alias = "coronx_coron3"

    spec = (
        """
        suffix = string(default='i2d')  # Suffix of the combined product
        save_intermediate_results = boolean(default=True)  # Save _crfints, _psfstack and _psfalign too
        star_center = float_list(min=2,max=2,default=None)  # Star's 0-based x, y in the first science exposure; by default from the WCS
        mask_threshold = float(default=0.01,min=0.0,max=1.0)  # Least share of a source's light that passes the mask for a pixel to be combined; 0: the mask is not looked at
        reference_library = string(default=None)  # Folder or association of any programmes' exposures, in which more references are looked for
        reference_dates = force_list(default=list())  # Number of days about the science exposure, or two ISO dates, of the references found there
        reference_spectral_types = force_list(default=list())  # Beginnings of their spectral types: M, K7
        reference_catalog = string(default=None)  # Table (ECSV or CSV) with the columns target and spectral_type
        reference_programs = force_list(default=list())  # Numbers of their programmes
        reference_exclude = force_list(default=list())  # Names of stars that are not to be used
        reference_max = integer(default=None,min=1)  # Largest number of exposures found there: those nearest in time
    """  # noqa: E501
        + MEASURING
    )

    step_defs = {  # noqa: RUF012 (the host's interface)
        **CHAIN,
        "stack_refs": StackRefsStep,
        "align_refs": AlignRefsStep,
        "klip": KlipStep,
        "resample": ResampleStep,
        "hlsp": HlspStep,
        **MEASURES,
    }

    @classmethod
    def load_spec_file(cls, **kwargs: Any) -> Any:
        """Return the merged specs, with this pipeline's own defaults for some of its steps."""
        spec = super().load_spec_file(**kwargs)
        for name, defaults in DEFAULTS.items():
            for option, value in defaults.items():
                kind = str(spec["steps"][name][option]).partition("default=")[0]
                spec["steps"][name][option] = f"{kind}default={value})"
        return spec

    @classmethod
    def _get_config_from_parameters(cls, crds_parameters: Any, crds_observatory: str) -> Any:
        # From the weakest on: the mode's, those of CRDS for each step, for the pipeline.
        config = mode_settings(crds_parameters)
        if crds_context() is not None:
            for name, step in cls.step_defs.items():
                found = step._get_config_from_parameters(crds_parameters, crds_observatory)
                merge_config(config["steps"].setdefault(name, {}), found)
        merge_config(config, cls._own_config(crds_parameters, crds_observatory))
        return config

    def process(self, association: Any) -> ImageModel | ModelContainer | None:
        """Run the pipeline.

        Parameters
        ----------
        association : str, Path or ModelContainer
            Association file of one product with science and psf members, or its members, opened.

        Returns
        -------
        ImageModel, ModelContainer or None
            The combined image, or that of each number of modes; None where ``resample`` is
            skipped.

        Raises
        ------
        InputError
            If the association or one of its members cannot be used.
        """
        if isinstance(association, str | Path):
            association = self.input_path(association)
        library = library_of(self)
        members = open_members(association, needed=("science",) if library else self._needed())
        if library is not None:
            library.extend(members)
        check(self, members)
        set_up(self)
        self.asn_id = members.asn_id
        self.output_file = members.product if self.save_results else None
        self._set_up()
        models = self._prepare(members)
        science = [model for model in models if role_of(model) == "science"]
        psf = [model for model in models if role_of(model) == "psf"]
        check_left(science, psf, members, needed=self._needed())
        del models  # each exposure is let go when it is done with
        stack = None
        if not self.klip.skip:
            stack = self.stack_refs.run(psf if self.klip.strategy == "rdi" else [*psf, *science])
            psf.clear()
            remember(stack, members.note)
            self._save(stack, members.product, suffix="psfstack")
        blender = ModelBlender()
        combined: dict[str, Combined] = {}  # one of each number of modes
        first: Star | None = None
        while science:
            target = science.pop(0)
            blender.accumulate(target)
            name = self._plain(name_of(target))
            aligned, file = self._align(target, stack, name)
            star = locate(target, aligned, first, given=self.star_center)
            first = first or star
            record_star(target, star.place)
            for label, subtracted in self._subtract(target, aligned):
                if label not in combined:
                    combined[label] = Combined(members, label, Rolls(self.mask_threshold))
                combined[label].aligned.append(aligned)
                combined[label].aligned_names.append(file)
                self._keep(combined[label], subtracted, star, first)
        images = [self._finish(one, blender, members, first) for one in combined.values()]
        if len(images) == 1 or self.resample.skip:
            return images[0]
        self.output_file = None  # each has its own name
        several = ModelContainer()
        for image, one in zip(images, combined.values(), strict=True):
            image.meta.filename = f"{one.product}_i2d.fits"
            several.append(image)
        return several

    def _keep(self, combined: Combined, subtracted: CubeModel, star: Star, first: Star) -> None:
        """Save a subtracted exposure, and take what is needed to combine and measure it."""
        name = self._plain(name_of(subtracted))
        remember(subtracted, combined.members.note)
        if self.save_results:
            combined.names.append(
                self.save_model(subtracted, output_file=name, suffix="psfsub", acid=self.asn_id)
            )
        combined.subtracted.append(subtracted)
        offset = 0.0
        for n, image in enumerate(combined.rolls.split(subtracted)):
            offset = move_wcs(image, star.at(n), first.sky)
        log.info("%s: WCS moved by %.2f pixels to put the star on the first's", name, offset)

    def _set_up(self) -> None:
        self.outlier_detection.suffix = "crfints"
        self.outlier_detection.mode = "coron"
        self.outlier_detection.save_results = self.save_results and self.save_intermediate_results
        self.resample.blendheaders = False
        # What is kept out of the subtraction's fits is no part of the star's place either.
        self.align_refs.companions = self.align_refs.companions or self.klip.companions
        self.klip.save_psf = self.klip.save_psf and self.save_results

    def _prepare(self, members: Members) -> ModelContainer:
        """Take the exposures out of the members, and return them as they are to be subtracted."""
        models, members.models = members.models, ModelContainer()
        for name in CHAIN:
            step = getattr(self, name)
            if step.skip:
                continue
            if name == "subtract_background" and not any(
                role_of(model).endswith("background") for model in models
            ):
                log.info("No background exposures in the association: none is subtracted")
                continue
            models = (
                self._flag_outliers(models) if step is self.outlier_detection else step.run(models)
            )
        return models

    def _flag_outliers(self, models: ModelContainer) -> ModelContainer:
        flagged = ModelContainer()
        flagged.asn_table, flagged.asn_table_name = models.asn_table, models.asn_table_name
        for model in models:
            role = role_of(model)
            # The host strips only the suffixes that it knows.
            stem, _ = self.remove_suffix(Path(name_of(model)).stem)
            model.meta.filename = f"{stem}_calints.fits"
            new = self.outlier_detection.run(model)
            new.meta.asn.exptype = role
            flagged.append(new)
        return flagged

    def _plain(self, name: str) -> str:
        """Return an exposure's own name, without the identifier that the outlier step adds."""
        return name.replace(f"_{self.asn_id}_", "_")

    def _needed(self) -> tuple[str, ...]:
        """Return the types of which an association must have a member."""
        return ("science",) if self.klip.strategy == "adi" else ("science", "psf")

    def _save(self, model: Any, name: str, **kwargs: Any) -> str | None:
        if not (self.save_results and self.save_intermediate_results):
            return None
        return self.save_model(model, output_file=name, **kwargs)

    def _align(
        self, target: CubeModel, stack: CubeModel | None, name: str
    ) -> tuple[Any, str | None]:
        """Return the references aligned to a target, None if there are none, and their file."""
        if stack is None:
            return None, None
        if self.align_refs.skip:
            # A skipped step returns its first input, which is the target: never that.
            log.warning("align_refs is skipped: references are used as they are")
            stack.meta.cal_step.align_psfs = "SKIPPED"
            return stack, None
        aligned = self.align_refs.run(target, stack)
        return aligned, self._save(aligned, name, suffix="psfalign", acid=self.asn_id)

    def _subtract(self, target: CubeModel, aligned: Any) -> list[tuple[str, CubeModel]]:
        """Return the target without its star for each number of modes, and that number's label."""
        if aligned is None:
            log.warning("klip is skipped: %s is combined with its star", name_of(target))
            target.meta.cal_step.klip = "SKIPPED"
            return [("", target)]
        results = self.klip.run(target, aligned)
        if isinstance(results, ModelContainer):
            labels = [f"_kl{count:03d}" for count in self.klip.counts()]
            return list(zip(labels, results, strict=True))
        return [("", results)]

    def _finish(
        self, combined: Combined, blender: ModelBlender, members: Members, first: Star
    ) -> ImageModel | None:
        """Combine the rolls, and measure what is left."""
        combined.write()
        if self.resample.skip:
            log.warning("resample is skipped: no combined image, no map, no curve")
            return None
        result = combined.rolls.combine(self.resample)
        remember(result, members.note)
        blender.finalize_model(result)
        result.meta.asn.pool_name, result.meta.asn.table_name = members.pool, members.table
        x, y = result.meta.wcs.invert(first.sky.ra.deg, first.sky.dec.deg, with_bounding_box=False)
        record_star(extend(result), StarPlace(float(x), float(y), first.place.source))
        if not self.hlsp.skip:
            for product in self.hlsp.run(result):
                if self.save_results:
                    self.hlsp.save_model(product, output_file=combined.product, force=True)
        measure(self, combined)
        return result
