"""Scenes of known truth, and the offline CRDS cache that demo and tests use.

The names below load when first asked for: the optics need the extra
``coronx[simulate]``, the CRDS cache and the CCD night do not.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "SCENES": "scene",
    "Companion": "scene",
    "Disk": "scene",
    "Night": "night_plan",
    "Scene": "scene",
    "Coronagraph": "optics",
    "SimulatedAssociation": "exposures",
    "SimulatedNight": "night_run",
    "simulate": "exposures",
    "simulate_night": "night_run",
}

__all__ = [
    "SCENES",
    "Companion",
    "Coronagraph",
    "Disk",
    "Night",
    "Scene",
    "SimulatedAssociation",
    "SimulatedNight",
    "simulate",
    "simulate_night",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"coronx.simulate.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'coronx.simulate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
