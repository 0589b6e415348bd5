"""Scenes of known truth, and the offline CRDS cache that demo and tests use.

The names below load when first asked for: the optics need the extra
``coronx[simulate]``, the CRDS cache does not.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "SCENES": "scene",
    "Companion": "scene",
    "Disk": "scene",
    "Scene": "scene",
    "Coronagraph": "optics",
    "SimulatedAssociation": "exposures",
    "simulate": "exposures",
}

__all__ = [
    "SCENES",
    "Companion",
    "Coronagraph",
    "Disk",
    "Scene",
    "SimulatedAssociation",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"coronx.simulate.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'coronx.simulate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
