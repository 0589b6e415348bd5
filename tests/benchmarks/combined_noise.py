"""Scatter of the combined image over its ERR, in simulated rolls.

``python -m tests.benchmarks.combined_noise [--seeds 1 2 3] [--strategies rdi adi ardi]``: a minute
for each. Noise is drawn anew by ERR and added to all exposures of a scene, twice; the difference
of the two combined images has no speckles in it.
"""

import argparse
import logging
import os
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel

import coronx
from coronx.simulate import SCENES, simulate

__all__ = ["main"]

_RINGS = (1.0, 2.0, 3.0, 8.0)  # arcsec


def noisier(source: Path, target: Path, seed: int) -> None:
    """Copy a scene, noise added to its exposures."""
    rng = np.random.default_rng(seed)
    target.mkdir()
    for path in sorted(source.iterdir()):
        if not path.name.endswith("_calints.fits"):
            (target / path.name).write_bytes(path.read_bytes())
            continue
        with CubeModel(str(path)) as model:
            drawn = rng.normal(size=model.shape) * np.nan_to_num(model.err)
            model.data = (model.data + drawn).astype(np.float32)
            model.save(str(target / path.name))


def combined(asn: Path, strategy: str, annuli: list[float]) -> Any:
    """Return the combined image of a scene."""
    return coronx.Coron3Pipeline.call(
        str(asn),
        save_results=False,
        steps={
            "klip": {"strategy": strategy, "annuli": annuli},
            "outlier_detection": {"skip": True},
            "hlsp": {"skip": True},
        },
    )


def scatter_over_err(one: Any, other: Any) -> list[float]:
    """Return the rms of the images' difference over its error, in rings about the star."""
    rows, cols = np.indices(one.shape)
    record = one.meta.coronx
    separation = np.hypot(cols - record.star_x + 1, rows - record.star_y + 1)
    separation *= np.sqrt(one.meta.photometry.pixelarea_arcsecsq)
    ratio = (one.data - other.data) / np.hypot(one.err, other.err)
    found = []
    for inner, outer in pairwise(_RINGS):
        at = (separation > inner) & (separation < outer) & np.isfinite(ratio)
        # A bad pixel that was not flagged spreads, and is not ERR's.
        found.append(float(np.sqrt(np.mean(np.clip(ratio[at], -5.0, 5.0) ** 2))))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.combined_noise")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--strategies", nargs="+", default=["rdi", "adi", "ardi"])
    parser.add_argument("--annuli", type=float, nargs="*", default=[])
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        if "CRDS_PATH" not in os.environ:
            from coronx.simulate.crds_cache import build_crds_cache

            os.environ["CRDS_PATH"] = str(build_crds_cache(Path(name) / "crds"))
        print("seed, references, scatter over ERR in rings between", *_RINGS, "arcsec")
        for seed in options.seeds:
            scene = replace(SCENES["nircam-round"], companions=(), seed=seed, wavelengths=1)
            folder = Path(name) / str(seed)
            asn = Path(simulate(folder, scene).asn).name
            draws = [folder.with_name(f"{seed}-{n}") for n in (1, 2)]
            for n, draw in enumerate(draws):
                noisier(folder, draw, 100 * seed + n)
            for strategy in options.strategies:
                images = [combined(draw / asn, strategy, options.annuli) for draw in draws]
                shown = "  ".join(f"{ratio:.3f}" for ratio in scatter_over_err(*images))
                print(seed, strategy, shown, flush=True)


if __name__ == "__main__":
    main()
