"""Find a CCD's bad columns and rows."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError, name_of
from coronx.models.bad_region_file import write_regions
from coronx.models.ground_agreement import check_alike
from coronx.models.ground_flags import FLAGS, good_pixels
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_overscan import without_overscan
from coronx.ops.bad_columns import BadColumn, find_bad_columns
from coronx.ops.bad_pixel_transients import masked_median
from coronx.ops.bad_regions import BadRegions, region_mask
from coronx.steps.ground._base import GroundStep

__all__ = ["FindBadColumnsStep"]

log = logging.getLogger(__name__)


class FindBadColumnsStep(GroundStep):
    """Find columns and rows, and parts of them, that are unlike those beside them.

    They are flagged, and written to a YAML file, which ``coronx_find_bad_pixels`` reads.
    """

    class_alias = "coronx_find_bad_columns"

    spec = """
        sigma = float(default=5.0,min=1.0)  # Distance from the neighbours from which a column is bad, in their scatter
        window = integer(default=11,min=5)  # Columns that one is compared with, itself among them
        rows = boolean(default=True)  # Look for bad rows, too
        user_file = string(default=None)  # Name of the YAML file; none: that of the product, if it is saved
        suffix = string(default='badcols')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel:
        """Find bad columns.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            A master, or an image; or several images of different pointing, of which the median
            is taken, each less its own median.

        Returns
        -------
        GroundImageModel
            The first image, trimmed, with flags where columns are bad.

        Raises
        ------
        InputError
            If images have not the same shape, or less columns than the window.
        """
        frames = self.open_frames(init)
        models = [without_overscan(model) for model in frames]
        self.set_primary_input(frames[0])  # a list has no name to call the product by
        check_alike(models)
        image = _median([_level(model) for model in models])
        try:
            columns = find_bad_columns(image, sigma=self.sigma, window=self.window)
            masked = np.where(region_mask(_regions(columns, []), image.shape), np.nan, image)
            rows = find_bad_columns(masked.T, sigma=self.sigma, window=self.window)
        except ValueError as err:
            raise InputError(f"{name_of(models[0])}: {err}; give another window") from err
        rows = rows if self.rows else []
        regions = _regions(columns, rows)
        result = models[0]
        bad = region_mask(regions, image.shape)
        flag = np.uint32(FLAGS["BAD_COLUMN"] | FLAGS["DO_NOT_USE"])
        result.dq = result.dq | np.where(bad, flag, np.uint32(0))
        self.mark(result, "COMPLETE")
        for what, found in (("column", columns), ("row", rows)):
            for one in found:
                log.info(
                    "%s: %s %d, %d to %d: %+.3g, score %.1f", name_of(result), what,
                    one.column + 1, one.first + 1, one.last + 1, one.offset, one.score,
                )  # fmt: skip
        if (path := self._file()) is not None:
            comment = f"Bad columns and rows of {name_of(result)}, {result.shape[1]} x "
            write_regions(path, regions, comment=f"{comment}{result.shape[0]} pixels.")
            log.info("Saved bad columns in %s", path)
        return result

    def _file(self) -> Path | None:
        if self.user_file is not None:
            path = Path(self.user_file)
            if path.parent != Path():  # the host would leave out the folder
                return path
            return Path(self.make_output_path(basepath=self.user_file, ext="yaml", suffix=False))
        if self.save_results:
            return Path(self.make_output_path(ext="yaml", suffix=self.suffix))
        return None


def _level(model: GroundImageModel) -> NDArray[np.float64]:
    """Return an image less its median, NaN where it is not good."""
    image = np.where(good_pixels(model), model.data, np.nan).astype(np.float64)
    return image - (np.nanmedian(image) if np.isfinite(image).any() else 0.0)


def _median(images: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    if len(images) == 1:
        return images[0]
    stack = np.stack(images)
    return masked_median(stack, np.isfinite(stack))


def _regions(columns: list[BadColumn], rows: list[BadColumn]) -> BadRegions:
    """Return what was found as regions, counted from 1."""
    parts = [(c.first + 1, c.last + 1, c.column + 1, c.column + 1) for c in columns if not c.whole]
    parts += [(r.column + 1, r.column + 1, r.first + 1, r.last + 1) for r in rows if not r.whole]
    return BadRegions(
        tuple(sorted({c.column + 1 for c in columns if c.whole})),
        tuple(sorted({r.column + 1 for r in rows if r.whole})),
        tuple(parts),
    )
