"""From a coron3 association to PSF-subtracted, combined and measured products."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from jwst.datamodels import ModelContainer, ModelLibrary
from jwst.model_blender import ModelBlender
from jwst.outlier_detection.outlier_detection_step import OutlierDetectionStep
from jwst.resample.resample_step import ResampleStep
from jwst.stpipe.core import JwstPipeline
from stdatamodels.jwst.datamodels import CubeModel, ImageModel

from coronx.errors import InputError, name_of
from coronx.models.members import Members, check_alike, check_good, open_members
from coronx.models.pointing import StarPlace, check_wcs, find_star, move_wcs, record_star, sky_of
from coronx.models.schema import extend, shifts_of
from coronx.models.split import split_integrations
from coronx.models.writing import check_folder
from coronx.steps._guest import Guest, crds_context
from coronx.steps.coron._base import bit_mask
from coronx.steps.coron.align_refs import AlignRefsStep
from coronx.steps.coron.hlsp import HlspStep
from coronx.steps.coron.klip import KlipStep
from coronx.steps.coron.stack_refs import StackRefsStep

__all__ = ["Coron3Pipeline"]

log = logging.getLogger(__name__)


class Coron3Pipeline(Guest, JwstPipeline):
    """Process a coron3 association: subtract the star, combine the rolls, measure what is left.

    Outliers are flagged and rolls are resampled by the host's own steps; references are stacked
    and aligned, and the star is subtracted, by coronx's. Rolls are combined about the star.
    """

    class_alias = "coronx_coron3"

    spec = """
        suffix = string(default='i2d')  # Suffix of the combined product
        save_intermediate_results = boolean(default=True)  # Save _crfints, _psfstack and _psfalign too
        star_center = float_list(min=2,max=2,default=None)  # Star's 0-based x, y in the first science exposure; by default from the WCS
    """  # noqa: E501

    step_defs = {  # noqa: RUF012 (the host's interface)
        "outlier_detection": OutlierDetectionStep,
        "stack_refs": StackRefsStep,
        "align_refs": AlignRefsStep,
        "klip": KlipStep,
        "resample": ResampleStep,
        "hlsp": HlspStep,
    }

    @classmethod
    def _get_config_from_parameters(cls, crds_parameters: Any, crds_observatory: str) -> Any:
        config = cls._own_config(crds_parameters, crds_observatory)
        if crds_context() is not None:
            for name, step in cls.step_defs.items():
                found = step._get_config_from_parameters(crds_parameters, crds_observatory)
                found.merge(config["steps"].get(name, {}))
                config["steps"][name] = found
        return config

    def process(self, association: Any) -> ImageModel | None:
        """Run the pipeline.

        Parameters
        ----------
        association : str, Path or ModelContainer
            Association file of one product with science and psf members, or its members, opened.

        Returns
        -------
        ImageModel or None
            The combined image; None where ``resample`` is skipped.

        Raises
        ------
        InputError
            If the association or one of its members cannot be used.
        """
        if isinstance(association, str | Path):
            association = self.input_path(association)
        members = open_members(association)
        self._check(members)
        self.asn_id = members.asn_id
        self.output_file = members.product if self.save_results else None
        self._set_up()
        science, psf = members.of("science"), members.of("psf")
        members.models = ModelContainer()  # each is let go when it is done with
        psf = [self._flag_outliers(model) for model in psf]
        stack = None
        if not self.klip.skip:
            stack = self.stack_refs.run(psf)
            psf.clear()
            self._save(stack, members.product, suffix="psfstack")
        blender, images = ModelBlender(), ModelContainer()
        first: _Star | None = None
        for target in science:
            blender.accumulate(target)
            name = name_of(target)
            target = self._flag_outliers(target)
            subtracted, aligned = self._subtract(target, stack, name)
            star = self._find_star(subtracted, aligned, first)
            first = first or star
            record_star(subtracted, star.place)
            if self.save_results:
                self.save_model(subtracted, output_file=name, suffix="psfsub", acid=self.asn_id)
            for n, image in enumerate(split_integrations(subtracted)):
                place = star.at(n)
                offset = move_wcs(image, place, first.sky)
                images.append(image)
            log.info("%s: WCS moved by %.2f pixels to put the star on the first's", name, offset)
        return self._combine(images, blender, members, first)

    def _check(self, members: Members) -> None:
        """Refuse what cannot be processed before anything is written."""
        if self.save_results:
            steps = [self, *(getattr(self, name) for name in self.step_defs)]
            for folder in dict.fromkeys(
                step.output_dir or self.output_dir or "." for step in steps
            ):
                check_folder(folder)
        science, models = members.of("science"), members.models
        check_alike(models)
        for model in models:
            check_good(model)
        for model in science:
            if getattr(model.meta, "wcs", None) is None:
                raise InputError(
                    f"{name_of(model)}: no WCS (gwcs) in it; run calwebb_image2 on it again"
                )
            check_wcs(model)
        if not (self.klip.skip or self.align_refs.skip):
            bit_mask(self.align_refs.bad_bits)
            self.align_refs.psfmask(science[0])
        if self.stack_refs.skip and not self.klip.skip:
            raise InputError(
                "stack_refs is skipped, which leaves klip without references; skip klip too"
            )

    def _set_up(self) -> None:
        self.outlier_detection.suffix = "crfints"
        self.outlier_detection.mode = "coron"
        self.outlier_detection.save_results = self.save_results and self.save_intermediate_results
        self.resample.blendheaders = False
        self.klip.save_psf = self.klip.save_psf and self.save_results

    def _flag_outliers(self, model: CubeModel) -> CubeModel:
        return model if self.outlier_detection.skip else self.outlier_detection.run(model)

    def _save(self, model: Any, name: str, **kwargs: Any) -> None:
        if self.save_results and self.save_intermediate_results:
            self.save_model(model, output_file=name, **kwargs)

    def _subtract(
        self, target: CubeModel, stack: CubeModel | None, name: str
    ) -> tuple[CubeModel, Any]:
        """Return the target without its star, and the aligned references if there are any."""
        if stack is None:
            log.warning("klip is skipped: %s is combined with its star", name)
            target.meta.cal_step.klip = "SKIPPED"
            return target, None
        if self.align_refs.skip:
            # A skipped step returns its first input, which is the target: never that.
            log.warning("align_refs is skipped: references are used as they are")
            aligned = stack
            aligned.meta.cal_step.align_psfs = "SKIPPED"
        else:
            aligned = self.align_refs.run(target, stack)
            self._save(aligned, name, suffix="psfalign", acid=self.asn_id)
        return self.klip.run(target, aligned), aligned

    def _find_star(self, model: CubeModel, aligned: Any, first: "_Star | None") -> "_Star":
        """Return the star's place: by header in the first exposure, by registration in others.

        All exposures' references are the same images, so the difference of the shifts that
        moved them is the difference of the stars' places.
        """
        shifts = _shifts(aligned, "reference_shifts")
        if shifts is not None:
            shifts[aligned.reference_shifts["converged"] == 0] = np.nan
        jitter = _shifts(aligned, "integration_shifts")
        if first is None:
            place = find_star(model, self.star_center)
            return _Star(place, shifts, jitter, sky_of(model, place))
        if shifts is None or first.shifts is None:
            return _Star(find_star(model), shifts, jitter, first.sky)
        dx, dy = np.nanmedian(shifts - first.shifts, axis=0)
        place = StarPlace(first.place.x + dx, first.place.y + dy, f"{first.place.source}, aligned")
        return _Star(place, shifts, jitter, first.sky)

    def _combine(
        self, images: ModelContainer, blender: ModelBlender, members: Members, first: "_Star"
    ) -> ImageModel | None:
        if self.resample.skip:
            log.warning("resample is skipped: no combined image, no map, no curve")
            return None
        result = self.resample.run(ModelLibrary(images, on_disk=False))
        blender.finalize_model(result)
        result.meta.asn.pool_name, result.meta.asn.table_name = members.pool, members.table
        x, y = result.meta.wcs.invert(first.sky.ra.deg, first.sky.dec.deg, with_bounding_box=False)
        record_star(extend(result), StarPlace(float(x), float(y), first.place.source))
        if not self.hlsp.skip:
            for product in self.hlsp.run(result):
                if self.save_results:
                    self.hlsp.save_model(product, output_file=members.product, force=True)
        return result


@dataclass(frozen=True)
class _Star:
    """The star in one exposure: its place in the first integration, and what moved."""

    place: StarPlace
    shifts: np.ndarray | None
    jitter: np.ndarray | None
    sky: SkyCoord

    def at(self, integration: int) -> StarPlace:
        """Return its place in an integration."""
        if self.jitter is None:
            return self.place
        dx, dy = self.jitter[integration]
        return StarPlace(self.place.x + dx, self.place.y + dy, self.place.source)


def _shifts(aligned: Any, name: str) -> np.ndarray | None:
    """Return the (dx, dy) of a table of the aligned references, where it has it."""
    table = getattr(aligned, name, None)
    return None if table is None else shifts_of(table)
