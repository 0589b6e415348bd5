"""Measuring what is left beside the star, after the rolls of one subtraction are combined."""

import logging
from typing import Any

from configobj import ConfigObj

from coronx.errors import InputError
from coronx.models.reduction import Reduction
from coronx.pipelines._combined import Combined
from coronx.steps.coron._measuring import MEASURING, MeasuringStep
from coronx.steps.coron.contrast import ContrastStep
from coronx.steps.coron.detect import DetectStep
from coronx.steps.coron.extract import ExtractStep

__all__ = ["MEASURES", "measure", "set_up"]

log = logging.getLogger(__name__)

# In this order: what was detected is no noise, and is fitted.
MEASURES: dict[str, type[MeasuringStep]] = {
    "detect": DetectStep,
    "contrast": ContrastStep,
    "extract": ExtractStep,
}
_OPTIONS = tuple(ConfigObj(MEASURING.splitlines(), _inspec=True, interpolation=False))


def set_up(pipeline: Any) -> None:
    """Tell the measuring steps what the pipeline is told, and skip those that cannot work.

    Raises
    ------
    InputError
        If a file that is named is not there.
    """
    steps = [getattr(pipeline, name) for name in MEASURES]
    plain = MeasuringStep()
    for step in steps:
        for option in _OPTIONS:
            # A step's own setting counts more than the pipeline's.
            if getattr(step, option) == getattr(plain, option):
                setattr(step, option, getattr(pipeline, option))
    for option in ("psf_file", "unocculted", "acquisition"):
        name = getattr(pipeline, option)
        if name and not pipeline.input_path(name).is_file():
            raise InputError(f"{option} = {name}: no such file; put it there, or give another name")
    told = [step for step in steps if not step.skip]
    if told and not told[0].knows_psf():
        log.warning(
            "No PSF of a companion: no contrast, no detections. Give psf_file, unocculted or "
            "data_path (or STPSF_PATH)"
        )
        for step in told:
            step.skip = True
    elif not pipeline.contrast.skip and not pipeline.contrast.knows_star():
        log.warning(
            "The star's flux is not known: no contrast. Give star_jy, or star_mag with star_band "
            "and spectral_type, or an exposure of the star (unocculted, acquisition)"
        )
        pipeline.contrast.skip = True


def measure(pipeline: Any, combined: Combined) -> None:
    """Measure contrast, detections and companions, and save them beside the combined image."""
    steps = {name: getattr(pipeline, name) for name in MEASURES}
    if all(step.skip for step in steps.values()):
        return
    reduction = Reduction.of(combined.subtracted, combined.aligned)
    detected: Any = None
    known = list(reduction.recipe.companions)
    told = steps["contrast"].companions
    for name, step in steps.items():
        if step.skip:
            continue
        if name == "contrast" and told is None:
            found = [
                (row["separation"], row["pa"]) for row in ([] if detected is None else detected)
            ]
            step.companions = [f"{away:.3f}:{angle:.2f}" for away, angle in [*known, *found]]
        if name == "extract" and step.guess is None and step.candidates is None:
            if detected is None or not len(detected):
                log.info("No candidate, and so no companion to fit")
                continue
            product = step.run(reduction, None, detected)
        else:
            product = step.run(reduction)
        # With another number of modes others are detected.
        steps["contrast"].companions = told
        if name == "detect":
            detected = product.candidates
        if pipeline.save_results:
            step.save_model(product, output_file=combined.product, force=True)
