"""How often an empty field shows a candidate, at stated probabilities: python -m this module."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import starmap
from pathlib import Path

import numpy as np

from coronx.ops.detection import find_candidates
from tests.benchmarks.empty_scenes import simulated_fields
from tests.ops.subtracted_frames import Field, empty_fields

STATED = (0.3, 0.03)


def _stand_in(count: int, seed: int, cache: Path, **scene) -> Iterator[Field]:
    del cache
    return empty_fields(count, rng=np.random.default_rng(seed), **scene)


def _simulated(count: int, seed: int, cache: Path, **scene) -> Iterator[Field]:
    return simulated_fields(count=count, seed=seed, cache=cache, **scene)


CASES: dict[str, Callable[..., Iterator[Field]]] = {
    "noise, one roll, FWHM 2.3 px": partial(_stand_in, fwhm=2.3, core=1.5),
    "noise, two rolls, FWHM 1.84 px": partial(_stand_in, fwhm=1.84, rolls=(0.0, 10.0), core=1.5),
    "noise, one roll, speckles changed by 3 %": partial(_stand_in, fwhm=2.3, change=0.03, core=1.5),
    **{
        f"{name}, drift {drift:g} nm, {rolls} roll{'s' * (rolls > 1)}": partial(
            _simulated, name=name, drift_nm=drift, rolls=rolls
        )
        for name, drift, rolls in (
            ("nircam-round", 2.0, 1),
            ("nircam-round", 2.0, 2),
            ("nircam-round", 10.0, 1),
            ("nircam-round", 10.0, 2),
            ("nircam-bar", 2.0, 1),
            ("miri-4qpm", 2.0, 1),
        )
    },
    **{
        f"nircam-round, drift {drift:g} nm, ARDI": partial(
            _simulated, name="nircam-round", drift_nm=drift, rolls=2, other_roll=True, core=0.8
        )
        for drift in (2.0, 10.0)
    },
}


def rates(name: str, fields: Iterator[Field]) -> str:
    """Return a row of the table: share of fields with a candidate, with its binomial error."""
    hits, count = np.zeros(len(STATED)), 0
    for field in fields:
        count += 1
        for k, probability in enumerate(STATED):
            found = find_candidates(field.flux_map, fwhm=field.fwhm, false_alarm=probability)
            if not found.candidates:
                break  # What is not found at one threshold is not at a higher one.
            hits[k] += 1
    share = hits / count
    error = np.sqrt(share * (1.0 - share) / count)
    cells = starmap("{:.3f} +- {:.3f} (stated {})".format, zip(share, error, STATED, strict=True))
    return f"{name}, {count} fields: " + ", ".join(cells)


def main() -> None:
    """Print one row for each kind of field."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose name begins so")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "coronx-scenes")
    parser.add_argument("--core", type=float, help="FWHM; 0: the whole PSF; by default the step's")
    options = parser.parse_args()
    for name, made in CASES.items():
        if name.startswith(options.only):
            core = {} if options.core is None else {"core": options.core or None}
            fields = made(options.fields, options.seed, options.cache, **core)
            print(rates(name, fields), flush=True)


if __name__ == "__main__":
    main()
