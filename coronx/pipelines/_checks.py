"""What a pipeline refuses, before it begins and before it subtracts."""

from collections.abc import Sequence
from typing import Any

from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.members import Members, check_alike, check_good
from coronx.models.pointing import check_wcs
from coronx.models.writing import check_folder
from coronx.pipelines._chain import CHAIN
from coronx.steps.coron._base import CoronStep, bit_mask

__all__ = ["check", "check_left"]


def check(pipeline: Any, members: Members) -> None:
    """Refuse what cannot be processed before anything is written.

    Raises
    ------
    InputError
        If a folder, an option or an exposure cannot be used.
    """
    if pipeline.save_results:
        steps = [pipeline, *(getattr(pipeline, name) for name in pipeline.step_defs)]
        for folder in dict.fromkeys(
            step.output_dir or pipeline.output_dir or "." for step in steps
        ):
            check_folder(folder)
    for name in (*CHAIN, "klip"):
        step = getattr(pipeline, name)
        if isinstance(step, CoronStep) and not step.skip:
            step.check_options()
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
    if not (pipeline.klip.skip or pipeline.align_refs.skip):
        bit_mask(pipeline.align_refs.bad_bits)
        pipeline.align_refs.psfmask(science[0])
    if pipeline.stack_refs.skip and not pipeline.klip.skip:
        raise InputError(
            "stack_refs is skipped, which leaves klip without references; skip klip too"
        )


def check_left(
    science: Sequence[CubeModel],
    psf: Sequence[CubeModel],
    members: Members,
    *,
    needed: Sequence[str],
) -> None:
    """Refuse what the chain of steps left, if nothing can be subtracted from it.

    Raises
    ------
    InputError
        If there is no exposure of a type needed, or one has no good pixel.
    """
    for kind, models in (("science", science), ("psf", psf)):
        if not models and kind in needed:
            raise InputError(
                f"{members.table}: remove_frames leaves no {kind} exposure; leave one in"
            )
    for model in (*science, *psf):
        check_good(model)
