"""Split a cube of integrations into images that the host's resample step takes."""

from collections.abc import Iterator

from stdatamodels.jwst.datamodels import CubeModel, ImageModel

from coronx.models.arrays import array_of, arrays_of

__all__ = ["split_integrations"]


def split_integrations(cube: CubeModel) -> Iterator[ImageModel]:
    """Yield each integration of a cube as an image, with the cube's metadata and WCS."""
    present = arrays_of(cube)
    area = array_of(cube, "area")
    if area is not None:
        present["area"] = area
    for n in range(cube.shape[0]):
        # Nothing is new in it: checking every value again takes longer than subtracting the star.
        image = ImageModel(validate_on_assignment=False)
        for name, values in present.items():
            setattr(image, name, values[n].copy() if values.ndim == 3 else values)
        image.update(cube)
        image.meta.wcs = cube.meta.wcs
        yield image
