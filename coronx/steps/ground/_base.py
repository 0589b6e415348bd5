"""What the steps for CCD images share: opening inputs, one or many, and saying what was done."""

import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stpipe import Step

from coronx.errors import InputError, name_of
from coronx.models.ground_association import (
    GroundFrames,
    open_ground_members,
    read_ground_association,
)
from coronx.models.ground_image import ROLES, GroundImageModel
from coronx.models.ground_reading import open_frame
from coronx.steps._manners import Manners

__all__ = ["GroundGuest", "GroundStep"]

log = logging.getLogger(__name__)


class GroundGuest(Manners, Step):
    """What steps and pipelines for CCD images add to stpipe's: no CRDS is asked for anything."""

    spec = """
    output_ext = string(default='.fits')  # Type of the output files
    """

    member_kinds = ROLES

    @staticmethod
    def get_stpipe_loggers() -> tuple[str, ...]:
        """Return the loggers whose messages are shown."""
        return ("coronx", "stdatamodels", "stpipe", "py.warnings")

    @classmethod
    def get_config_from_reference(cls, dataset: Any, **settings: Any) -> Any:
        """Return nothing: parameters are the user's, no service holds any."""
        del dataset, settings
        return cls._empty_config()

    @classmethod
    def _get_crds_parameters(cls, dataset: Any) -> tuple[dict[str, Any], str]:
        del dataset
        return {}, "none"

    @classmethod
    def _datamodels_open(cls, init: Any, **settings: Any) -> Any:
        del settings
        return open_frame(init) if isinstance(init, str | Path) else init

    def remove_suffix(self, name: str) -> tuple[str, str]:
        """Strip a known suffix; a product of an association is not called one itself."""
        return super().remove_suffix(name.removesuffix("_asn"))

    def finalize_result(self, result: Any, reference_files_used: list[tuple[str, str]]) -> None:
        """Record what made the result: coronx's version and the parameters."""
        del reference_files_used
        if isinstance(result, GroundImageModel):
            result.meta.coronx_version = version("coronx")
            self.record_parameters(result)


class GroundStep(GroundGuest):
    """Base of the steps for CCD images. No step changes its inputs; each result is a new model."""

    once = False
    """Whether an image that went through the step is left as it is when it comes again."""

    def check_options(self) -> None:
        """Raise an `InputError` for options that make no sense, whatever the images.

        Asked before the first image is opened, by a pipeline before it begins, so that nothing
        stops half-way.
        """

    def open_frame(self, init: Any) -> GroundImageModel:
        """Return an image from a path or a model."""
        if isinstance(init, str | Path):
            return open_frame(self.input_path(init))
        if not isinstance(init, GroundImageModel):
            raise InputError(
                f"{init!r}: not a CCD image but a {type(init).__name__}; give a GroundImageModel "
                "or the path of a FITS file"
            )
        return init

    def open_frames(self, init: Any) -> GroundFrames:
        """Return images from a path, an association's path, a model, or several of either.

        Raises
        ------
        InputError
            If there is none, or one cannot be used.
        """
        if isinstance(init, str | Path) and (path := self.input_path(init)).suffix == ".json":
            return open_ground_members(read_ground_association(path))
        if isinstance(init, GroundFrames):
            return init
        given = init if isinstance(init, list | tuple) else [init]
        if not given:
            raise InputError(f"{init!r}: no image in it; give at least one")
        return GroundFrames([self.open_frame(item) for item in given])

    def each(
        self, init: Any, change: Callable[[GroundImageModel], GroundImageModel]
    ) -> GroundImageModel | GroundFrames:
        """Apply a change to an image, or to every image of an association or a list.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images.
        change : callable
            Makes a new image of one; it does not touch what it is given.

        Returns
        -------
        GroundImageModel or GroundFrames
            The new image, or images, in their order.

        Raises
        ------
        InputError
            If there is nothing, or one cannot be used.
        """
        return self.together(init, lambda models: [change(model) for model in models])

    def together(
        self, init: Any, change: Callable[[list[GroundImageModel]], list[GroundImageModel]]
    ) -> GroundImageModel | GroundFrames:
        """Apply a change to all images at once.

        As `each`, but `change` gets all science images that did not go through the step before, and
        returns one for each. Bias, dark and flat members of an association are left out.
        """
        self.check_options()
        frames = self.open_frames(init)
        single = len(frames) == 1 and not isinstance(init, list | tuple | GroundFrames)
        models = list(frames) if single else self._wanted(frames, init)
        done = [self.once and self.is_done(model) for model in models]
        for model, was in zip(models, done, strict=True):
            if was:
                log.info("%s: %s was done before; left as it is", name_of(model), self.class_alias)
        todo = [model for model, was in zip(models, done, strict=True) if not was]
        made = iter(change(todo) if todo else [])
        results = [
            model.copy() if was else self._marked(next(made))
            for model, was in zip(models, done, strict=True)
        ]
        if single:
            return results[0]
        return GroundFrames(
            results, asn_table=frames.asn_table, asn_table_name=frames.asn_table_name
        )

    def _wanted(self, frames: GroundFrames, init: Any) -> list[GroundImageModel]:
        models = frames.of("science") or list(frames)
        if not models:
            raise InputError(f"{init!r}: no image in it; give at least one")
        return models

    def mark(self, model: GroundImageModel, status: str) -> None:
        """Record that an image went through this step (COMPLETE) or did not (SKIPPED).

        What is not marked is marked COMPLETE by `each` and `together`.
        """
        setattr(model.meta.ground_steps, self._own_name(), status)

    def _status(self, model: GroundImageModel) -> str | None:
        return getattr(model.meta.ground_steps, self._own_name(), None)

    def copy_of(self, model: GroundImageModel) -> GroundImageModel:
        """Return a copy with all that the image has, ready to be given new arrays."""
        result = model.copy()
        setattr(result.meta.ground_steps, self._own_name(), None)
        return result
