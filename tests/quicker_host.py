"""What the host does again and again is done once, in tests and in their runs of strun."""

from functools import cache
from types import SimpleNamespace

import asdf
import stpipe.step

from tests.kept_schemas import keep_schemas

__all__ = ["make_host_quicker"]


def make_host_quicker() -> None:
    """Spare the host's repetitions, from now on."""
    # asdf parses a schema anew for each value that is checked: a fifth of what the tests take.
    load_schema = cache(asdf.schema._make_schema_loader())
    asdf.schema._make_schema_loader = lambda: load_schema
    # stpipe searches all objects for garbage before each step: a sixth of what the tests take.
    # Python does so itself when there is some.
    stpipe.step.gc = SimpleNamespace(collect=lambda: 0)
    keep_schemas()
