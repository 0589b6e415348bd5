"""Read and write the YAML files of a CCD's bad columns, rows and rectangles."""

from pathlib import Path
from typing import Any

import yaml

from coronx.errors import InputError
from coronx.models.writing import whole_file
from coronx.ops.bad_regions import BadRegions

__all__ = ["read_regions", "write_regions"]

_SECTIONS = ("bad_columns", "bad_rows", "bad_rectangles")


def read_regions(path: str | Path) -> BadRegions:
    """Read bad regions: sections ``bad_columns``, ``bad_rows``, ``bad_rectangles``.

    A section that is missing or empty holds nothing.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    InputError
        If it is missing, no YAML, or an entry is not what its section holds.
    """
    path = Path(path)
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise InputError(f"{path}: cannot be read ({err.strerror}); give another file") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        reason = " ".join(str(err).split())
        raise InputError(f"{path}: not YAML ({reason}); correct it") from err
    content = {} if content is None else content
    if not isinstance(content, dict) or (unknown := set(content) - set(_SECTIONS)):
        what = f"section {sorted(map(str, unknown))[0]!r}" if isinstance(content, dict) else content
        raise InputError(f"{path}: {what}; sections are {', '.join(_SECTIONS)}")
    columns, rows, rectangles = (_entries(content, name, path) for name in _SECTIONS)
    for name, entries in zip(_SECTIONS, (columns, rows), strict=False):
        for entry in entries:
            if not _whole(entry):
                raise InputError(f"{path}: {name} entry {entry!r}; give a whole number from 1")
    for entry in rectangles:
        if not isinstance(entry, list) or len(entry) != 4 or not all(map(_whole, entry)):
            raise InputError(
                f"{path}: bad_rectangles entry {entry!r}; give four whole numbers, "
                "[first row, last row, first column, last column]"
            )
    return BadRegions(tuple(columns), tuple(rows), tuple(tuple(r) for r in rectangles))


def _entries(content: dict[str, Any], name: str, path: Path) -> list[Any]:
    entries = content.get(name)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise InputError(f"{path}: {name} is {entries!r}; give a list")
    return entries


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def write_regions(path: str | Path, regions: BadRegions, *, comment: str = "") -> Path:
    """Write bad regions as `read_regions` reads them; the comment stands at the top.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    path = Path(path)
    content = {
        "bad_columns": list(regions.columns),
        "bad_rows": list(regions.rows),
        "bad_rectangles": [list(rectangle) for rectangle in regions.rectangles],
    }
    lines = [f"# {line}" for line in comment.splitlines()]
    lines.append("# Counted from 1, both ends within; a rectangle is [row0, row1, col0, col1].")
    text = (
        "\n".join(lines) + "\n" + yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    )
    with whole_file(path) as made:
        Path(made).write_text(text, encoding="utf-8")
    return path
