"""Measure figures of frames by which they can be judged."""

import logging
from pathlib import Path
from typing import Any

from coronx.errors import name_of
from coronx.models.frame_quality import (
    QUALITY_COLUMNS,
    add_quality,
    quality_table,
    sets_of,
    transparencies,
)
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.quality_report import write_quality
from coronx.models.star_catalogue import StarOptions, add_stars
from coronx.steps.ground._base import GroundStep

__all__ = ["MeasureQualityStep"]

log = logging.getLogger(__name__)


class MeasureQualityStep(GroundStep):
    """Measure seeing, sky, stars, saturation and transparency of each frame.

    Frames of one telescope, filter, exposure time, size and target are a set; the transparency is
    relative to the clear frames of it. Stars are found where coronx_find_stars has not done so.
    """

    class_alias = "coronx_measure_quality"

    spec = """
        fwhm = float(default=3.0,min=1.0)  # FWHM to begin with, in pixels, where stars were not found before
        threshold = float(default=7.0,min=1.0)  # Limit of detection in standard deviations, where stars were not found before
        summary = option("ecsv", "csv", "none", default="ecsv")  # Format of the table of all frames, saved beside the products
        suffix = string(default='quality')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Measure figures.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.

        Returns
        -------
        GroundImageModel or GroundFrames
            The images with the table ``quality``, and those of stars.

        Raises
        ------
        InputError
            If an image has hardly a good pixel.
        """
        result = self.together(init, self._measure)
        if isinstance(result, GroundFrames) and self.save_results and self.summary != "none":
            stem = Path(result.asn_table_name or "frames").stem.removesuffix("_asn")
            path = self.make_output_path(
                basepath=f"{stem}.fits", suffix=self.suffix, ext=f".{self.summary}"
            )
            write_quality(Path(path), quality_table(result), QUALITY_COLUMNS)
            log.info("Saved figures of %d frames in %s", len(result), path)
        return result

    def _measure(self, models: list[GroundImageModel]) -> list[GroundImageModel]:
        results = [self.copy_of(model) for model in models]
        for result in results:
            if "stars" not in tables_of(result):
                add_stars(
                    result, StarOptions(fwhm=self.fwhm, threshold=self.threshold), allow_none=True
                )
            add_quality(result)
        for members in sets_of(results):
            found = transparencies([results[n] for n in members])
            for n, value, sigma, count in zip(
                members, found.value, found.sigma, found.matched, strict=True
            ):
                row = results[n].quality
                row["transparency"], row["transparency_sigma"] = value, sigma
                row["matched"] = count
        for result in results:
            row = result.quality[0]
            log.info(
                "%s: %d stars, FWHM %.2f pixels, axis ratio %.2f, background %.1f, transparency "
                "%.2f", name_of(result), row["stars"], row["fwhm"], row["axis_ratio"],
                row["background"], row["transparency"],
            )  # fmt: skip
        return results
