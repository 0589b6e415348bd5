"""How often an empty field shows a candidate, at stated probabilities: python -m this module."""

import argparse
from itertools import starmap

import numpy as np

from coronx.ops.detection import find_candidates
from tests.ops.subtracted_frames import empty_fields

STATED = (0.3, 0.03)
CASES = (
    ("one roll, FWHM 2.3 px", {"fwhm": 2.3, "core": 1.0}),
    ("two rolls, FWHM 1.84 px", {"fwhm": 1.84, "rolls": (0.0, 10.0), "core": 1.0}),
    (
        "one roll, FWHM 2.3 px, speckles changed by 3 %",
        {"fwhm": 2.3, "change": 0.03, "core": 1.0},
    ),
)


def rates(name, scene, *, fields, seed):
    """Return a row of the table: share of fields with a candidate, with its binomial error."""
    hits = np.zeros(len(STATED))
    for field in empty_fields(fields, rng=np.random.default_rng(seed), **scene):
        for k, probability in enumerate(STATED):
            found = find_candidates(
                field.flux_map,
                fwhm=field.fwhm,
                false_alarm=probability,
            )
            hits[k] += bool(found.candidates)
    share = hits / fields
    error = np.sqrt(share * (1.0 - share) / fields)
    cells = starmap("{:.3f} +- {:.3f} (stated {})".format, zip(share, error, STATED, strict=True))
    return f"{name}, {fields} fields: " + ", ".join(cells)


def main():
    """Print one row for each kind of field."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name, scene in CASES:
        print(rates(name, scene, fields=options.fields, seed=options.seed), flush=True)


if __name__ == "__main__":
    main()
