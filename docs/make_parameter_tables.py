"""Write the parameter tables of the steps' pages: ``python docs/make_parameter_tables.py``.

They are made from the specs; a test checks that the pages are up to date. With names of steps, only
those of theirs are written.
"""

import re
import sys
from pathlib import Path

import coronx
from coronx.registry import REGISTRY, Entry

START, END = "<!-- parameters -->", "<!-- end of parameters -->"


def page_of(entry: Entry) -> Path:
    """Return the documentation page of a step or pipeline."""
    folder = "pipelines" if entry.is_pipeline else "steps"
    return Path(__file__).parent / folder / f"{entry.name}.md"


def table_of(entry: Entry) -> str:
    """Return the Markdown table of a step's own parameters."""
    rows = ["| parameter | type and default | meaning |", "|---|---|---|"]
    for line in getattr(coronx, entry.cls).spec.strip().splitlines():
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(.+?)\s*#\s*(.+)", line)
        if match:
            name, kind, comment = match.groups()
            rows.append(f"| `{name}` | `{kind}` | {comment} |")
    return "\n".join(rows)


def with_table(entry: Entry, text: str) -> str:
    """Return a page's text with its table renewed."""
    before, rest = text.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n\n{table_of(entry)}\n\n{END}{after}"


if __name__ == "__main__":
    for each in REGISTRY:
        if each.name in sys.argv[1:] or not sys.argv[1:]:
            page = page_of(each)
            page.write_text(with_table(each, page.read_text()))
