"""A scene that is quickly simulated, and its truth."""

from dataclasses import replace

from coronx.simulate.scene import SCENES

MIRI = replace(SCENES["miri-4qpm"], integrations=3, references=3, wavelengths=2)


def truth_of(result, path):
    return next(e for e in result.truth["exposures"] if e["file"] == path.name)
