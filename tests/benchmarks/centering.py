"""How accurately the star behind the mask is found: ``python -m tests.benchmarks.centering``.

The data's wavefront differs from the model's by a random drift; everything else of the optics is
the same. By default the optics are those of `coronx.simulate`, and nothing else is needed;
``--stpsf FOLDER`` takes stpsf's, with its data in FOLDER ("stand-in" makes one).
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from coronx.refdata.modes import MODES
from coronx.refdata.psf_model import star_model
from coronx.simulate.drift import random_drift
from coronx.simulate.stpsf_data import OPD, build_stpsf_data
from coronx.simulate.wavefront import drift_opd, static_opd
from tests.benchmarks.centering_methods import estimators
from tests.benchmarks.simulated_stars import FOV, SimulatedStar, trials

__all__ = ["main"]

CASES = (
    ("nircam-335r", "F335M"),
    ("nircam-335r", "F444W"),
    ("nircam-430r", "F444W"),
    ("nircam-210r", "F210M"),
)
LEVELS = ((5, 1000), (10, 1000), (20, 1000), (5, 100))  # drift in nm, peak S/N
GOALS = {5: 1.5, 10: 3.0, 20: 6.0}
_REACH = 60.0  # mas: the star is anywhere within
_STATIC = 65.0  # nm rms of the wavefront that data and model share


def _simulated(mode: Any, name: str, wide: int) -> tuple[Any, Any, Any, dict[str, Any]]:
    bare = SimulatedStar(mode, name)
    opd = static_opd(bare.pupil, _STATIC, rng=np.random.default_rng(1))
    large = SimulatedStar(mode, name, opd, wide)
    # Another grid: the drift is drawn on it, and the static wavefront again.
    large.opd = static_opd(large.pupil, _STATIC, rng=np.random.default_rng(1))
    drifts = {
        "segments": lambda nm, rng: 1e9 * drift_opd(large.pupil, nm, rng=rng),
        "ripple": lambda nm, rng: 1e9 * static_opd(large.pupil, nm, rng=rng),
    }
    return SimulatedStar(mode, name, opd), bare, large, drifts


def _stpsf(mode: Any, name: str, wide: int, folder: Path) -> tuple[Any, Any, Any, dict[str, Any]]:
    # The stand-in's wavefront, or else the example that comes with genuine data.
    opd = OPD if (folder / OPD).is_file() else None
    star = star_model(mode, name, fov_pixels=FOV, data_path=folder, opd=opd)
    bare = star_model(mode, name, fov_pixels=FOV, data_path=folder, opd="none")
    large = star_model(mode, name, fov_pixels=wide, data_path=folder, opd=opd)
    drifts = {"segments": lambda nm, rng: random_drift(large, nm, rng=rng)}
    return star, bare, large, drifts


def table(case: tuple[str, str], count: int, folder: Path | None) -> list[tuple[str, ...]]:
    """Return the rows of one mask and filter."""
    mode, name = MODES[case[0]], case[1]
    wide = 121
    star, bare, large, drifts = (
        _simulated(mode, name, wide) if folder is None else _stpsf(mode, name, wide, folder)
    )
    known = estimators(star, bare, mode, name, wide)
    rng = np.random.default_rng(7)
    radius, angle = _REACH * np.sqrt(rng.uniform(size=count)), rng.uniform(0, 2 * np.pi, count)
    offsets = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    rows = []
    for kind, draw in drifts.items():
        for level, peak in LEVELS if kind == "segments" else LEVELS[:3]:
            images = list(
                trials(
                    lambda o, w: large.image(o, opd_nm=w), lambda r, nm=level, d=draw: d(nm, r),
                    offsets, peak, np.random.default_rng(100 + level),
                )
            )  # fmt: skip
            errors = {
                label: np.array([find(trial) - trial.offset for trial in images])
                for label, find in known.items()
                if label != "symmetry"
            }
            figures = (f"{np.sqrt(np.mean(e**2)):.2f}" for e in errors.values())
            goal = GOALS[level] if peak == 1000 else 2.0
            rows.append((f"{mode.coronmsk} {name}", kind, str(level), str(peak), *figures,
                         f"{goal:g}"))  # fmt: skip
            print(*rows[-1], sep=" | ", flush=True)
    return rows


HEAD = (
    "mask, filter", "drift", "nm", "S/N", "correlation, no weight", "correlation",
    "offset alone", "and 10 modes", "and 108 modes", "no wavefront", "goal",
)  # fmt: skip
_SYMMETRY = (
    ("nircam-210r", "F182M"), ("nircam-210r", "F210M"), ("nircam-swb", "F210M"),
    ("nircam-335r", "F250M"), ("nircam-335r", "F335M"), ("nircam-335r", "F356W"),
    ("nircam-335r", "F410M"), ("nircam-335r", "F444W"), ("nircam-430r", "F444W"),
    ("nircam-lwb", "F335M"), ("nircam-lwb", "F444W"), ("miri-1065", "F1065C"),
    ("miri-1140", "F1140C"), ("miri-1550", "F1550C"), ("miri-lyot", "F2300C"),
)  # fmt: skip
SYMMETRY_HEAD = ("mask, filter", "found", "rms x", "rms y", "sigma", "found at S/N 30", "rms")


def symmetry_row(case: tuple[str, str], count: int) -> tuple[str, ...]:
    """Return what symmetry alone gives, each time with another static wavefront of 65 nm."""
    mode, name = MODES[case[0]], case[1]
    wide = 121
    star = SimulatedStar(mode, name, fov=wide)
    find = estimators(star, star, mode, name, wide)["symmetry"]
    rng = np.random.default_rng(9)
    offsets = rng.uniform(-40.0, 40.0, (count, 2))
    figures = []
    for peak in (1000, 30):
        images = trials(
            lambda o, w: star.image(o, opd_nm=w),
            lambda r: 1e9 * static_opd(star.pupil, _STATIC, rng=r),
            offsets, peak, np.random.default_rng(11),
        )  # fmt: skip
        found = [(find(trial, True), trial.offset) for trial in images]
        good = [(f, o) for f, o in found if f.good[0]]
        error = np.array([find.to_mas(f.place[0]) - o for f, o in good])
        rms = np.sqrt(np.mean(error**2, axis=0))
        sigma = np.median([f.sigma[0] for f, _ in good], axis=0) * star.scale
        if peak == 1000:
            figures += [f"{len(good)}/{count}", *(f"{r:.1f}" for r in rms), f"{sigma.mean():.1f}"]
        else:
            figures += [f"{len(good)}/{count}", f"{np.sqrt(np.mean(rms**2)):.1f}"]
    row = (f"{mode.coronmsk} {name}", *figures)
    print(*row, sep=" | ", flush=True)
    return row


_INTRO = """# How well the star is found

Made by `python -m tests.benchmarks.centering --out docs/recentering_accuracy.md`, in some twenty
minutes on one core; it needs no data. rms errors along each axis, in mas, over {count} wavefronts a
row, the star anywhere within 60 mas of the mask's centre; photon noise to the peak S/N told, 1 % of
bad pixels. The columns, and what to make of them: [recenter_frames](steps/recenter_frames.md).

"""
_NOTE = (
    "Optics: {optics}. Data and model share a wavefront of 65 nm rms; the data's has drifted from "
    "it by what is told: 'segments', random poses and bends of the segments and a bend of the "
    "whole mirror; 'ripple', a fifth of whose power (in rms 45 %) is in finer waves, which no mode "
    "has."
)
_SYMMETRY_NOTE = (
    "Each time another wavefront of 65 nm rms, the star up to 40 mas off along each axis. Found: "
    "how many are told to be good; rms and sigma (the median of what is told) are of these."
)


def main() -> None:
    """Print the tables, and write them."""
    from tests.benchmarks.timing import markdown

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.centering")
    parser.add_argument("--count", type=int, default=20, help="wavefronts of each row")
    parser.add_argument("--case", choices=range(len(CASES)), type=int, action="append")
    parser.add_argument("--stpsf", help='stpsf\'s data folder, or "stand-in"')
    parser.add_argument("--only", choices=("drift", "symmetry"), help="one of the two tables")
    parser.add_argument("--out", type=Path, help="write the page to this file")
    options = parser.parse_args()
    start = time.monotonic()
    text = _INTRO.format(count=options.count)
    with tempfile.TemporaryDirectory(prefix="coronx-stpsf-") as scratch:
        folder = Path(options.stpsf) if options.stpsf else None
        if options.stpsf == "stand-in":
            folder = build_stpsf_data(Path(scratch))
        cases = [CASES[n] for n in options.case] if options.case else CASES
        if options.only != "symmetry":
            rows = [row for case in cases for row in table(case, options.count, folder)]
            note = _NOTE.format(optics=f"stpsf's, {options.stpsf}" if folder else "coronx.simulate")
            text += markdown("Drifts of the wavefront", note, HEAD, rows)
    if options.only != "drift":
        rows = [symmetry_row(case, options.count) for case in _SYMMETRY]
        text += "\n" + markdown("Symmetry alone", _SYMMETRY_NOTE, SYMMETRY_HEAD, rows)
    if options.out:
        options.out.write_text(text)
    print(text, f"\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
