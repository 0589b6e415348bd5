"""Schemas of the data models that jwst lacks, as asdf finds them."""

from importlib.resources import files

from asdf.resource import DirectoryResourceMapping

__all__ = ["GROUND_COLOR", "GROUND_IMAGE", "get_resource_mappings"]

_PREFIX = "asdf://coronx/schemas/"
GROUND_IMAGE = f"{_PREFIX}ground_image-1.0.0"
GROUND_COLOR = f"{_PREFIX}ground_color-1.0.0"


def get_resource_mappings() -> list[DirectoryResourceMapping]:
    """Return the folder of schemas, as the entry point of asdf asks."""
    return [DirectoryResourceMapping(files(__name__), _PREFIX)]
