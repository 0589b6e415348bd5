"""From good CCD frames to one image for each target and filter, all of a target on one grid."""

import logging
from pathlib import Path

from coronx.errors import InputError, name_of
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_reading import read_keywords
from coronx.models.make_ground_asn import file_word
from coronx.pipelines._frames import digest_of, is_made
from coronx.pipelines._ground import RESUME, GroundPipeline, stem_of
from coronx.steps.ground.combine_images import CombineImagesStep
from coronx.steps.ground.resample_to_wcs import ResampleToWcsStep

__all__ = ["ResampleAllPipeline"]

log = logging.getLogger(__name__)


class ResampleAllPipeline(GroundPipeline):
    """Resample an association's frames to one grid for each target, and combine each filter's."""

    class_alias = "coronx_resample_all"

    spec = (
        RESUME
        + """
        save_resampled = boolean(default=False)  # Save each resampled frame, too
        suffix = string(default='mosaic')  # Suffix of the combined images
    """
    )

    step_defs = {  # noqa: RUF012 (the host's interface)
        "resample_to_wcs": ResampleToWcsStep,
        "combine_images": CombineImagesStep,
    }

    def process(self, association: str | Path) -> Path:
        """Run the pipeline.

        Parameters
        ----------
        association : str or Path
            Association file of frames with a WCS, or with stars to align them by.

        Returns
        -------
        Path
            The association of the combined images, with a product for each target.

        Raises
        ------
        InputError
            If frames cannot be aligned or do not belong together.
        """
        asn = self.open_association(association)
        frames = asn.of("science")
        if not frames:
            raise InputError(f"{asn.path}: no member of exptype science; add one")
        stem = stem_of(asn)
        targets: dict[str, list[Path]] = {}
        for path in frames:
            target = file_word(read_keywords(path).get("object") or "target")
            targets.setdefault(target, []).append(path)
        products = {
            f"{stem}_{target}": self._combined(f"{stem}_{target}", paths)
            for target, paths in targets.items()
        }
        return self.write_products(stem, products, self.suffix)

    def _combined(self, name: str, paths: list[Path]) -> list[Path]:
        """Return the combined image of each filter of a target."""
        colors: dict[str, list[Path]] = {}
        for path in paths:
            color = file_word(read_keywords(path).get("filter") or "nofilter")
            colors.setdefault(color, []).append(path)
        made = {color: self.product_path(f"{name}_{color}", self.suffix) for color in colors}
        recipe = [getattr(self, step).get_pars() for step in self.step_defs]
        digest = digest_of(paths, recipe)
        if self.resume and all(is_made(path, digest) for path in made.values()):
            log.info("%s: made before of the same frames in the same way; left as it is", name)
            return list(made.values())
        given = [str(path) for path in paths]
        moved = list(self.resample_to_wcs.run(given))
        if self.save_resampled:
            for model in moved:
                self.resample_to_wcs.save_model(
                    model, self.resample_to_wcs.suffix, output_file=name_of(model), force=True
                )
        of = dict(zip(paths, moved, strict=True))
        for color, own in colors.items():
            result = self._one([of[path] for path in own])
            result.meta.digest = digest
            result.meta.filename = made[color].name
            self.save_model(result, self.suffix, output_file=made[color].name, force=True)
        return list(made.values())

    def _one(self, models: list[GroundImageModel]) -> GroundImageModel:
        if len(models) == 1:
            log.warning("%s: one frame of its filter; nothing to combine", name_of(models[0]))
            return models[0]
        return self.combine_images.run(models)
