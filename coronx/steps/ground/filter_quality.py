"""Leave out the frames that are worse than the others of their set."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.frame_quality import QUALITY_COLUMNS, quality_table, sets_of, transparencies
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.quality_report import in_words, write_quality
from coronx.ops.quality_criteria import FIGURES, Limits, Reason, judge_frames
from coronx.steps.ground._base import GroundStep

__all__ = ["FilterQualityStep"]

log = logging.getLogger(__name__)


class FilterQualityStep(GroundStep):
    """Reject frames by seeing, clouds, tracking, sky, saturation and airmass.

    Each frame is compared with the others of its telescope, filter, exposure time, size and
    target. A limit that is None is not applied; those relative to the set need three frames.
    """

    class_alias = "coronx_filter_quality"

    spec = """
        fwhm_ratio = float(default=1.5,min=1.0)  # Most of FWHM over the median of the set
        fwhm_sigma = float(default=5.0,min=1.0)  # Most of FWHM above the median, in standard deviations of the set, if also 20 % larger
        transparency = float(default=0.7,min=0.0,max=1.0)  # Least share of the light of the clear frames
        axis_ratio_share = float(default=0.7,min=0.0,max=1.0)  # Least axis ratio of the stars over the median
        axis_ratio_sigma = float(default=5.0,min=1.0)  # Least axis ratio below the median, in standard deviations of the set, if also 15 % smaller
        background_ratio = float(default=2.0,min=1.0)  # Most of background over the median, if also higher by a pixel's noise
        stars_share = float(default=0.3,min=0.0,max=1.0)  # Least number of stars over the median
        saturated_ratio = float(default=10.0,min=1.0)  # Most saturated pixels over the median, if also 0.1 % of all
        airmass_ratio = float(default=2.0,min=1.0)  # Most airmass over the median
        max_fwhm = float(default=None,min=0.0)  # Most of FWHM, in pixels
        min_axis_ratio = float(default=None,min=0.0,max=1.0)  # Least axis ratio of the stars
        max_background = float(default=None)  # Most of background, in the image's unit
        min_stars = integer(default=None,min=0)  # Least number of stars
        max_saturated = float(default=None,min=0.0,max=1.0)  # Largest share of saturated pixels
        max_airmass = float(default=None,min=1.0)  # Largest airmass
        max_bad = float(default=None,min=0.0,max=1.0)  # Largest share of pixels that cannot be used
        save_rejected = boolean(default=True)  # Save rejected frames, too, as _rejected with the reason in REJECTED
        summary = option("ecsv", "csv", "none", default="ecsv")  # Format of the table of verdicts, saved beside the products
        suffix = string(default='passed')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Judge frames.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            Images with the table ``quality``.

        Returns
        -------
        GroundImageModel or GroundFrames
            Those that pass.

        Raises
        ------
        InputError
            If an image has no figures, or none passes.
        """
        frames = self.open_frames(init)
        judged = self.together(frames, self._judge)
        verdicts = [str(model.meta.ground.rejected or "") for model in judged]
        passed = [model for model, reason in zip(judged, verdicts, strict=True) if not reason]
        log.info("%d of %d frames pass", len(passed), len(judged))
        if not passed:
            raise InputError(
                f"{name_of(judged[0])}: rejected, {verdicts[0]}; and so are all of {len(judged)} "
                "frames; loosen the limits"
            )
        name = frames.asn_table_name or "frames_asn.json"
        if self.save_results:
            self._save(judged, verdicts, Path(name).stem.removesuffix("_asn"))
        if len(frames) == 1 and not isinstance(init, list | tuple | GroundFrames):
            return passed[0]
        table = frames.asn_table or _association(judged, name)
        return GroundFrames(passed, asn_table=table, asn_table_name=name)

    def _judge(self, models: list[GroundImageModel]) -> list[GroundImageModel]:
        for model in models:
            if "quality" not in tables_of(model):
                raise InputError(
                    f"{name_of(model)}: no table QUALITY; run coronx_measure_quality first"
                )
        results = [self.copy_of(model) for model in models]
        limits = Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__})
        for members in sets_of(results):
            for n, reasons in zip(members, self._of_set(results, members, limits), strict=True):
                said = in_words(reasons)
                results[n].meta.ground.rejected = said or None
                if said:
                    log.warning("%s: rejected: %s", name_of(results[n]), said)
        return results

    @staticmethod
    def _of_set(
        results: list[GroundImageModel], members: list[int], limits: Limits
    ) -> list[list[Reason]]:
        """Judge the frames of one set; their transparencies are measured anew, within it."""
        mine = [results[n] for n in members]
        found = transparencies(mine)
        for model, value, sigma, count in zip(
            mine, found.value, found.sigma, found.matched, strict=True
        ):
            row = model.quality
            row["transparency"], row["transparency_sigma"], row["matched"] = value, sigma, count
        table = quality_table(mine)
        if len(mine) < 3:
            log.warning(
                "%s: %d frames of its kind; they cannot be compared, only absolute limits apply",
                name_of(mine[0]), len(mine),
            )  # fmt: skip
        figures = {name: np.asarray(table[name], np.float64) for name in FIGURES}
        return judge_frames(figures, limits=limits)

    def _save(
        self, judged: GroundFrames | list[GroundImageModel], verdicts: list[str], stem: str
    ) -> None:
        if self.summary != "none":
            path = self.make_output_path(
                basepath=f"{stem}.fits", suffix=self.suffix, ext=f".{self.summary}"
            )
            write_quality(Path(path), quality_table(judged), QUALITY_COLUMNS, reasons=verdicts)
            log.info("Saved verdicts in %s", path)
        if self.save_rejected:
            for model, reason in zip(judged, verdicts, strict=True):
                if reason:
                    self.finalize_result(model, [])
                    self.save_model(model, "rejected", output_file=name_of(model), force=True)


def _association(models: Any, name: str) -> dict[str, Any]:
    """Return an association of frames that were given one by one."""
    stem = Path(name).stem.removesuffix("_asn")
    members = [{"expname": name_of(model), "exptype": "science"} for model in models]
    return {
        "asn_type": "ground", "asn_rule": "coronx_filter_quality", "asn_id": stem,
        "asn_pool": "none", "products": [{"name": stem, "members": members}],
    }  # fmt: skip
