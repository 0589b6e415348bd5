"""From raw CCD frames to calibrated ones."""

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from astropy.utils.exceptions import AstropyUserWarning

from coronx.errors import InputError
from coronx.models.ground_association import GroundAssociation
from coronx.models.ground_reading import read_keywords
from coronx.pipelines._ground import RUNNING, GroundPipeline, stem_of
from coronx.steps.ground.add_metadata import AddMetadataStep
from coronx.steps.ground.apply_masters import ApplyMastersStep
from coronx.steps.ground.build_master_bias import BuildMasterBiasStep
from coronx.steps.ground.build_master_dark import BuildMasterDarkStep
from coronx.steps.ground.build_master_flat import BuildMasterFlatStep
from coronx.steps.ground.find_bad_columns import FindBadColumnsStep
from coronx.steps.ground.find_bad_pixels import FindBadPixelsStep
from coronx.steps.ground.fix_ccd_bad_pixels import FixCcdBadPixelsStep
from coronx.steps.ground.measure_read_noise import MeasureReadNoiseStep
from coronx.steps.ground.remove_cosmic_rays import RemoveCosmicRaysStep

__all__ = ["CalibrateAllPipeline"]

log = logging.getLogger(__name__)

_EACH = ("apply_masters", "remove_cosmic_rays", "fix_ccd_bad_pixels", "add_metadata")


class CalibrateAllPipeline(GroundPipeline):
    """Make masters of an association's bias, dark and flat frames, and calibrate its lights.

    What there are no frames for is left out: lights without darks are calibrated without.
    """

    class_alias = "coronx_calibrate_all"

    spec = (
        RUNNING
        + """
        suffix = string(default='calibrated')  # Suffix of the calibrated frames
    """
    )

    step_defs = {  # noqa: RUF012 (the host's interface)
        "build_master_bias": BuildMasterBiasStep,
        "measure_read_noise": MeasureReadNoiseStep,
        "build_master_dark": BuildMasterDarkStep,
        "build_master_flat": BuildMasterFlatStep,
        "find_bad_pixels": FindBadPixelsStep,
        "find_bad_columns": FindBadColumnsStep,
        "apply_masters": ApplyMastersStep,
        "remove_cosmic_rays": RemoveCosmicRaysStep,
        "fix_ccd_bad_pixels": FixCcdBadPixelsStep,
        "add_metadata": AddMetadataStep,
    }

    def process(self, association: str | Path) -> Path:
        """Run the pipeline.

        Parameters
        ----------
        association : str or Path
            Association file with members of exptype science, and bias, dark and flat as there are.

        Returns
        -------
        Path
            The association of the calibrated frames.

        Raises
        ------
        InputError
            If a frame cannot be used, or frames do not belong together.
        """
        asn = self.open_association(association)
        lights = asn.of("science")
        if not lights:
            raise InputError(f"{asn.path}: no member of exptype science; add one")
        masters = self._masters(asn)
        made = self.take_through(lights, _EACH, self.suffix, used=masters, label="calibrating")
        names = {light.name: path.name for light, path in zip(lights, made, strict=True)}
        return self.write_made(asn, names, self.suffix)

    def _masters(self, asn: GroundAssociation) -> list[Path]:
        """Make the masters, tell the steps of them, and return their files."""
        stem = stem_of(asn)
        options: dict[str, list[Path]] = {"bias": [], "dark": [], "flat": [], "bad_pixels": []}
        biases = asn.of("bias")
        darks = {} if self.build_master_dark.skip else _by(asn.of("dark"), "exposure_time")
        if None in darks:
            raise InputError(
                f"{darks[None][0]}: no exposure time; add EXPTIME to its header, in seconds"
            )
        if biases and not self.build_master_bias.skip:
            options["bias"] = [self.make("build_master_bias", biases, f"{stem}_bias")]
            if not self.measure_read_noise.skip:
                made = self.make("measure_read_noise", biases, f"{stem}_bias")
                self._use_read_noise(made)
        bias = options["bias"]
        for time, paths in darks.items():
            self.build_master_dark.bias = str(bias[0]) if bias else None
            name = f"{stem}_{time:g}s"
            options["dark"].append(self.make("build_master_dark", paths, name, bias))
        needed = _filters(asn.of("science"))
        for color, paths in _by(asn.of("flat"), "filter").items():
            if self.build_master_flat.skip:
                break
            if color and needed and color not in needed:
                log.info("%s: no light through %s; its flats are left out", asn.path.name, color)
                continue
            self.build_master_flat.bias = str(bias[0]) if bias else None
            options["flat"].append(self.make("build_master_flat", paths, f"{stem}_{color}", bias))
        options["bad_pixels"] = self._bad_pixels(stem, options)
        for kind, paths in options.items():
            given = getattr(self.apply_masters, kind)
            setattr(self.apply_masters, kind, [*given, *map(str, paths)])
            if not paths and not given:
                log.warning("%s: no frames to make a master of: %s", asn.path.name, kind)
        return [path for paths in options.values() for path in paths]

    def _use_read_noise(self, path: Path) -> None:
        if self.apply_masters.read_noise is None:
            noise = read_keywords(path).get("read_noise")
            if noise is not None:
                log.info("Read noise, as measured: %.3g electrons", noise)
                self.apply_masters.read_noise = float(noise)

    def _bad_pixels(self, stem: str, options: dict[str, list[Path]]) -> list[Path]:
        """Return maps of bad pixels and columns, of the dark of the longest exposure."""
        if not options["dark"]:
            return []
        longest = max(options["dark"], key=lambda p: read_keywords(p).get("exposure_time") or 0.0)
        found = []
        if not self.find_bad_columns.skip:
            found.append(self.make("find_bad_columns", [longest], f"{stem}_dark"))
        if not self.find_bad_pixels.skip:
            if options["flat"] and self.find_bad_pixels.flat is None:
                self.find_bad_pixels.flat = str(options["flat"][0])
            used = options["flat"][:1]
            found.append(self.make("find_bad_pixels", [longest], f"{stem}_dark", used))
        return found


def _filters(lights: Iterable[Path]) -> set[str]:
    """Return the filters of lights; none if one does not tell.

    What is wrong with a light is told when its turn comes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)
            found = set(_by(lights, "filter"))
    except InputError:
        return set()
    return found if None not in found else set()


def _by(paths: Iterable[Path], key: str) -> dict[Any, list[Path]]:
    """Group frames by what their headers say."""
    groups: dict[Any, list[Path]] = {}
    for path in paths:
        groups.setdefault(read_keywords(path).get(key), []).append(path)
    return groups
