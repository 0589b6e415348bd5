"""Figures and verdicts of a set of frames, as a table beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coronx.models.tables import Column, described
from coronx.models.writing import whole_file
from coronx.ops.quality_criteria import Reason

__all__ = ["FORMATS", "in_words", "write_quality"]

FORMATS = {"ecsv": "ascii.ecsv", "csv": "ascii.csv"}
"""Formats of the table by the ends of their names."""

_WORDS = {
    "fwhm": "FWHM {value:.2f} pixels, more than {limit:.2f}",
    "transparency": "transparency {value:.2f}, less than {limit:.2f}",
    "axis_ratio": "axis ratio {value:.2f}, less than {limit:.2f}",
    "background": "background {value:.1f}, more than {limit:.1f}",
    "stars": "{value:.0f} stars, fewer than {limit:.1f}",
    "saturated_share": "saturated share {value:.2g}, more than {limit:.2g}",
    "bad_share": "bad share {value:.2g}, more than {limit:.2g}",
    "airmass": "airmass {value:.2f}, more than {limit:.2f}",
}


def in_words(reasons: Sequence[Reason]) -> str:
    """Return reasons in words, the gravest first; empty for none."""
    return "; ".join(_WORDS[r.figure].format(value=r.value, limit=r.limit) for r in reasons)


def write_quality(
    path: Path,
    table: np.ndarray,
    columns: Sequence[Column],
    *,
    reasons: Sequence[str] | None = None,
) -> Path:
    """Write figures of frames, and why they are rejected, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its end, one of `FORMATS`, says the format. An older one is replaced.
    table : ndarray
        Rows of tables ``quality``.
    columns : sequence of Column
        Its columns.
    reasons : sequence of str, optional
        Of each frame, empty for one that passes.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    made = described(table, columns)
    if reasons is not None:
        made["passed"] = [not reason for reason in reasons]
        made["reason"] = [str(reason) for reason in reasons]
        made["reason"].info.description = "Why it is rejected, the gravest first"
    with whole_file(path) as place:
        made.write(place, format=FORMATS[path.suffix.lstrip(".")])
    return path
