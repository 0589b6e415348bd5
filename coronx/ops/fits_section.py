"""Read sections as FITS headers write them."""

from ccdproc.utils.slices import slice_from_string

__all__ = ["section_slices"]


def section_slices(text: str, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns that a FITS section names.

    Parameters
    ----------
    text : str
        ``[x1:x2,y1:y2]``, 1-based, both ends within, x (the columns) first; ``*`` for all.
    shape : tuple of int
        Rows and columns of the image.

    Returns
    -------
    tuple of slice
        Rows and columns, 0-based, with both ends given.

    Raises
    ------
    ValueError
        If it cannot be read, runs backwards, has steps, or is not within the image.

    Notes
    -----
    Sections are those of IRAF's TRIMSEC and BIASSEC. ccdproc reads them; it cuts one that is too
    large without a word, though the header is of another image then.
    """
    try:
        slices = slice_from_string(text.strip(), fits_convention=True)
    except (ValueError, TypeError) as err:
        raise ValueError(f"section {text!r} cannot be read: {err}") from err
    if len(slices) != 2 or ":" not in text.replace("*", ":"):
        raise ValueError(f"section {text!r} is not of the form [x1:x2,y1:y2]")
    rows, columns = (_whole(s, n, text) for s, n in zip(slices, shape, strict=True))
    return rows, columns


def _whole(part: slice, length: int, text: str) -> slice:
    if part.step not in (None, 1):
        raise ValueError(f"section {text!r} runs backwards or in steps")
    start = 0 if part.start is None else int(part.start)
    stop = length if part.stop is None else int(part.stop)
    if not 0 <= start < stop <= length:
        raise ValueError(
            f"section {text!r} reaches from {start + 1} to {stop} where the image has 1 to {length}"
        )
    return slice(start, stop)
