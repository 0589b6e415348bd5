"""Imported by the process that others are copied from: what each would import and read itself."""

from coronx.models.ground_image import GroundImageModel
from coronx.pipelines import calibrate_all, navigate_all

__all__ = ["calibrate_all", "navigate_all"]

# The first image loads the schema, and what other packages add to asdf.
GroundImageModel((2, 2)).validate()
