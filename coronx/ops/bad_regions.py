"""Columns, rows and rectangles of bad pixels, counted from 1 as FITS does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BadRegions", "region_mask"]


@dataclass(frozen=True)
class BadRegions:
    """Bad parts of a CCD; the first column and row have the number 1.

    Attributes
    ----------
    columns, rows : tuple of int
        Columns and rows that are bad as a whole.
    rectangles : tuple of (row0, row1, col0, col1)
        Rectangles, both ends within.
    """

    columns: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    rectangles: tuple[tuple[int, int, int, int], ...] = ()


def region_mask(regions: BadRegions, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Return the pixels that regions cover.

    Parameters
    ----------
    regions : BadRegions
        The regions.
    shape : sequence of int
        Rows and columns of the image.

    Returns
    -------
    ndarray of bool (ny, nx)

    Raises
    ------
    ValueError
        If a region is not within the image; the message names it.
    """
    ny, nx = int(shape[0]), int(shape[1])
    mask = np.zeros((ny, nx), dtype=bool)
    for column in regions.columns:
        _check("bad_columns", column, "column", column, column, nx)
        mask[:, column - 1] = True
    for row in regions.rows:
        _check("bad_rows", row, "row", row, row, ny)
        mask[row - 1] = True
    for rectangle in regions.rectangles:
        row0, row1, col0, col1 = rectangle
        _check("bad_rectangles", list(rectangle), "row", row0, row1, ny)
        _check("bad_rectangles", list(rectangle), "column", col0, col1, nx)
        mask[row0 - 1 : row1, col0 - 1 : col1] = True
    return mask


def _check(section: str, entry: object, what: str, first: int, last: int, most: int) -> None:
    if first > last:
        raise ValueError(f"{section} entry {entry}: its last {what} is before its first")
    if first < 1 or last > most:
        raise ValueError(f"{section} entry {entry}: the image has {what}s 1 to {most}")
