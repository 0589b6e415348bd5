"""The registry's rows, by family of steps."""

import coronx
from coronx.registry import REGISTRY

CORON_STEPS = [entry for entry in REGISTRY if entry.module.startswith("coronx.steps.coron.")]
# Those that make an exposure of an exposure.
CORON_CHANGES = [entry for entry in CORON_STEPS if entry.status]

GROUND_STEPS = [entry for entry in REGISTRY if entry.is_ground]


def class_of(entry):
    return getattr(coronx, entry.cls)
