"""coronx: plug-in steps for stpipe/jwst that subtract the star and measure what is left.

Every step and pipeline is importable from here, and loaded when first asked for.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

from coronx.registry import REGISTRY

__version__ = version("coronx")
__all__ = ["__version__", *(entry.cls for entry in REGISTRY)]


def __getattr__(name: str) -> Any:
    for entry in REGISTRY:
        if entry.cls == name:
            return getattr(import_module(entry.module), name)
    raise AttributeError(f"module 'coronx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
