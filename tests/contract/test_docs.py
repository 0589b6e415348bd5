import runpy
from pathlib import Path

import pytest

from coronx.registry import REGISTRY

DOCS = Path(__file__).parents[2] / "docs"
TABLES = runpy.run_path(str(DOCS / "make_parameter_tables.py"))


@pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.alias)
def test_parameter_table_is_that_of_the_spec(entry):
    text = TABLES["page_of"](entry).read_text()
    assert TABLES["with_table"](entry, text) == text
    assert "| `suffix` |" in text
