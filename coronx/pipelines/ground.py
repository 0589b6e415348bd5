"""From raw CCD frames to pictures in colour."""

import logging
from pathlib import Path

from coronx.errors import InputError
from coronx.models.ground_association import GroundProduct, read_ground_association
from coronx.models.ground_reading import read_keywords
from coronx.pipelines._frames import digest_of, is_made
from coronx.pipelines._ground import RUNNING, GroundPipeline
from coronx.pipelines.calibrate_all import CalibrateAllPipeline
from coronx.pipelines.navigate_all import NavigateAllPipeline
from coronx.pipelines.resample_all import ResampleAllPipeline
from coronx.steps.ground.compose_rgb import ComposeRgbStep
from coronx.steps.ground.subtract_continuum import SubtractContinuumStep

__all__ = ["GroundImagingPipeline"]

log = logging.getLogger(__name__)


class GroundImagingPipeline(GroundPipeline):
    """Calibrate, navigate and resample an association's frames; end in pictures.

    A picture is made of each target that has the filters of the palette; of one that has not,
    the combined images are all.
    """

    class_alias = "coronx_ground"

    spec = (
        RUNNING
        + """
        continuum = force_list(default=list())  # Pairs line:continuum of filters, as Ha:R: the line's image is also given without continuum
        suffix = string(default='picture')  # Suffix of the pictures
    """  # noqa: E501
    )

    step_defs = {  # noqa: RUF012 (the host's interface)
        "calibrate_all": CalibrateAllPipeline,
        "navigate_all": NavigateAllPipeline,
        "resample_all": ResampleAllPipeline,
        "subtract_continuum": SubtractContinuumStep,
        "compose_rgb": ComposeRgbStep,
    }

    def process(self, association: str | Path) -> Path:
        """Run the pipeline.

        Parameters
        ----------
        association : str or Path
            Association file, as coronx_make_ground_asn writes it of a folder of raw frames.

        Returns
        -------
        Path
            The association of the combined images, with a product for each target.

        Raises
        ------
        InputError
            If frames cannot be used or do not belong together.
        """
        pairs = self._pairs()
        self.compose_rgb.check_options()
        path = association
        for name in ("calibrate_all", "navigate_all", "resample_all"):
            step = getattr(self, name)
            if step.skip:
                continue
            step.resume = self.resume
            if step is not self.resample_all:
                step.workers = self.workers
            path = step.run(path)
        self.folder = self.own_folder()
        for product in read_ground_association(path).products:
            self._lines(product, pairs)
            self._picture(product)
        return Path(path)

    def _pairs(self) -> list[tuple[str, str]]:
        pairs = [tuple(part.strip() for part in str(text).split(":")) for text in self.continuum]
        for pair, text in zip(pairs, self.continuum, strict=True):
            if len(pair) != 2 or not all(pair):
                raise InputError(f"continuum = {text}: not a pair of filters; give, say, Ha:R")
        return pairs  # type: ignore[return-value]

    def _lines(self, product: GroundProduct, pairs: list[tuple[str, str]]) -> None:
        """Subtract the continuum of the lines that a target was taken in."""
        if self.subtract_continuum.skip:
            return
        by_filter = _filters(product)
        for line, continuum in pairs:
            missing = [name for name in (line, continuum) if name not in by_filter]
            if missing:
                log.warning("%s: no image with the filter %s", product.name, missing[0])
                continue
            narrow, broad = by_filter[line], by_filter[continuum]
            step = self.subtract_continuum
            step.continuum = str(broad)
            path = self.product_path(narrow, step.suffix)
            digest = digest_of([narrow, broad], step.get_pars())
            if self.resume and is_made(path, digest):
                continue
            result = step.run(str(narrow))
            result.meta.digest = digest
            step.save_model(result, step.suffix, output_file=path.name, force=True)

    def _picture(self, product: GroundProduct) -> None:
        if self.compose_rgb.skip:
            return
        paths = [path for path, _ in product.members]
        try:
            result = self.compose_rgb.run([str(path) for path in paths])
        except InputError as err:
            log.warning("%s: no picture: %s", product.name, err)
            return
        name = f"{product.name}.fits"
        result.meta.filename = name
        self.compose_rgb.output_use_model = False
        self.compose_rgb.save_model(result, self.suffix, output_file=name, force=True)


def _filters(product: GroundProduct) -> dict[str, Path]:
    return {str(read_keywords(path).get("filter")): path for path, _ in product.members}
