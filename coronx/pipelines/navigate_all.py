"""From calibrated CCD frames to good ones, with their stars and their place in the sky."""

import json
import logging
from pathlib import Path

from coronx.errors import InputError
from coronx.models.association import load_table
from coronx.models.ground_association import read_ground_association
from coronx.models.writing import whole_file
from coronx.pipelines._frames import digest_of
from coronx.pipelines._ground import RUNNING, GroundPipeline
from coronx.steps.ground.filter_quality import FilterQualityStep
from coronx.steps.ground.find_stars import FindStarsStep
from coronx.steps.ground.measure_background import MeasureBackgroundStep
from coronx.steps.ground.measure_quality import MeasureQualityStep
from coronx.steps.ground.solve_astrometry import SolveAstrometryStep

__all__ = ["NavigateAllPipeline"]

log = logging.getLogger(__name__)

_DIGEST = "coronx_digest"  # key of an association of frames that passed
_EACH = ("measure_background", "find_stars", "solve_astrometry", "measure_quality")


class NavigateAllPipeline(GroundPipeline):
    """Find the stars of an association's frames, solve their astrometry, and reject bad frames."""

    class_alias = "coronx_navigate_all"

    spec = (
        RUNNING
        + """
        astrometry = option("if_possible", "required", default="if_possible")  # Go on without where no program to solve it is installed; frames are then aligned by their stars
        suffix = string(default='navigated')  # Suffix of the frames with stars, place and figures
    """  # noqa: E501
    )

    step_defs = {  # noqa: RUF012 (the host's interface)
        "measure_background": MeasureBackgroundStep,
        "find_stars": FindStarsStep,
        "solve_astrometry": SolveAstrometryStep,
        "measure_quality": MeasureQualityStep,
        "filter_quality": FilterQualityStep,
    }

    def process(self, association: str | Path) -> Path:
        """Run the pipeline.

        Parameters
        ----------
        association : str or Path
            Association file of calibrated frames, of exptype science.

        Returns
        -------
        Path
            The association of the frames that pass.

        Raises
        ------
        InputError
            If a frame cannot be used or solved, or none passes.
        """
        self._settle_astrometry()
        asn = self.open_association(association)
        frames = asn.of("science")
        if not frames:
            raise InputError(f"{asn.path}: no member of exptype science; add one")
        made = self.take_through(frames, _EACH, self.suffix, label="navigating")
        names = {frame.name: path.name for frame, path in zip(frames, made, strict=True)}
        found = self.write_made(asn, names, self.suffix)
        if self.filter_quality.skip or self.measure_quality.skip:
            return found
        stem = found.name.removesuffix(f"_{self.suffix}_asn.json")
        path = self.folder / f"{stem}_{self.filter_quality.suffix}_asn.json"
        self.filter_quality.save_results = True
        digest = digest_of(made, self.filter_quality.get_pars())
        if self.resume and _is_judged(path, digest):
            log.info("%s: made before of the same frames in the same way; left as it is", path)
            return path
        self.filter_quality.run(str(found))
        # Frames written again would be new ones to what is made of them.
        with whole_file(path) as new:
            new.write_text(json.dumps({**load_table(path), _DIGEST: digest}, indent=2))
        return path

    def _settle_astrometry(self) -> None:
        if self.solve_astrometry.skip or self.astrometry == "required":
            return
        try:
            self.solve_astrometry.check_options()
        except InputError as err:
            log.warning("Astrometry is not solved: %s", err)
            self.solve_astrometry.skip = True


def _is_judged(path: Path, digest: str) -> bool:
    """Return whether an association is there of the same frames, judged in the same way."""
    try:
        return read_ground_association(path).table.get(_DIGEST) == digest
    except InputError:
        return False
