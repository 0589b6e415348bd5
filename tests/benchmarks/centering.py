"""How accurately the star behind the mask is found: ``python -m tests.benchmarks.centering``.

The data's wavefront differs from the model's by a random drift; everything else of the optics is
the same. By default the optics are those of `coronx.simulate`, and nothing else is needed;
``--stpsf FOLDER`` takes stpsf's, with its data in FOLDER ("stand-in" makes one).
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coronx.ops.centering import fit_star
from coronx.ops.registration import Template
from coronx.ops.symmetry import symmetry_center
from coronx.refdata.filters import fwhm_pixels
from coronx.refdata.modes import MODES
from coronx.refdata.psf_model import star_model
from coronx.refdata.star_prediction import ExpectedStar
from coronx.refdata.transmission import transmission
from coronx.simulate.drift import random_drift
from coronx.simulate.optics import Coronagraph
from coronx.simulate.stpsf_data import OPD, build_stpsf_data
from coronx.simulate.wavefront import drift_opd, static_opd
from tests.benchmarks.mirror_modes import mirror_modes

__all__ = ["SimulatedStar", "Trial", "main", "trials"]

CASES = (
    ("nircam-335r", "F335M"),
    ("nircam-335r", "F444W"),
    ("nircam-430r", "F444W"),
    ("nircam-210r", "F210M"),
)
LEVELS = ((5, 1000), (10, 1000), (20, 1000), (5, 100))  # drift in nm, peak S/N
GOALS = {5: 1.5, 10: 3.0, 20: 6.0}
_FOV = 65
_REACH = 60.0  # mas: the star is anywhere within
_LIMIT = 150.0  # mas: how far off the star is searched
_NEAR = 100.0  # the same, for symmetry: the step's default
_STATIC = 65.0  # nm rms of the wavefront that data and model share


class SimulatedStar:
    """The star behind the mask by `coronx.simulate`, with the methods of `StarModel`."""

    def __init__(self, mode: Any, filter_name: str, opd: Any = None, fov: int = _FOV) -> None:
        center = (fov // 2, fov // 2)
        self._optics = Coronagraph(mode, filter_name, shape=(fov, fov), center=center)
        self.mode, self.fov = mode, fov
        self.scale = (1e3 * mode.scale[0], 1e3 * mode.scale[1])
        pupil = self.pupil = self._optics.pupil
        self.pupil_x, self.pupil_y = np.meshgrid(pupil.u, pupil.v)
        self.pupil_amplitude = pupil.amplitude
        self.opd = np.zeros(pupil.amplitude.shape) if opd is None else opd

    def moved(self, pixels: tuple[float, float]) -> "SimulatedStar":
        assert not any(pixels)
        return self

    def image(self, offset: Any, opd_nm: Any = 0.0) -> np.ndarray:
        place = np.array(self._optics.center) + np.asarray(offset) / self.scale
        return self._optics.image(place, self.opd + 1e-9 * opd_nm)

    def offset_images(self, offset: Any) -> np.ndarray:
        steps = np.eye(2)
        return np.stack([(self.image(offset + s) - self.image(offset - s)) / 2 for s in steps])

    def mode_images(self, offset: Any, modes: np.ndarray) -> np.ndarray:
        here = self.image(offset)
        return np.stack([(self.image(offset, 2.0 * mode) - here) / 2.0 for mode in modes])


@dataclass(frozen=True)
class Trial:
    """One image: true offset in mas, data, variance and bad pixels."""

    offset: np.ndarray
    data: np.ndarray
    variance: np.ndarray
    bad: np.ndarray

    def narrow(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        low = (self.data.shape[-1] - _FOV) // 2
        cut = np.s_[None, low : low + _FOV, low : low + _FOV]
        return self.data[cut], self.variance[cut], self.bad[cut]


def trials(
    image: Callable[[Any, Any], np.ndarray],
    drift: Callable[[Any], np.ndarray],
    offsets: np.ndarray,
    peak: float,
    rng: np.random.Generator,
) -> Iterator[Trial]:
    """Yield images with photon noise, a sky of 1 % of the peak, and 1 % of bad pixels."""
    for offset in offsets:
        light = image(offset, drift(rng))
        unit = peak**2 / light.max()
        electrons = light * unit
        sky = 0.01 * peak**2
        data = rng.poisson(electrons + sky) - sky
        bad = rng.uniform(size=data.shape) < 0.01
        data[bad] = np.where(rng.uniform(size=bad.sum()) < 0.5, np.nan, 20 * peak**2)
        yield Trial(offset, data, electrons + sky, bad)


def _correlated(weight: np.ndarray, star: Any) -> Callable[[Trial], np.ndarray]:
    """Cross-correlation with the model, made anew where the star is found, three times."""

    def find(trial: Trial) -> np.ndarray:
        data, _, bad = trial.narrow()
        offset = np.zeros(2)
        for _ in range(3):
            template = Template(star.image(offset), weight, max_shift=4.0)
            filled = np.where(bad, 0.0, data)
            offset = offset - template.register(filled, bad).shift[0] * star.scale
        return offset

    return find


def _fitted(weight: np.ndarray, star: Any, predict: Any) -> Callable[[Trial], np.ndarray]:
    first = star.image(np.zeros(2))

    def find(trial: Trial) -> np.ndarray:
        limit = _LIMIT / min(star.scale)
        found = fit_star(*trial.narrow(), predict, first=first, weight=weight, limit=limit)
        return found.offset[0] * star.scale

    return find


class _Symmetric:
    """The centre of the halo's symmetry."""

    def __init__(self, weight: np.ndarray, star: Any) -> None:
        self._weight, self._scale = weight, np.array(star.scale)
        self._middle = ((weight.shape[1] - 1) / 2, (weight.shape[0] - 1) / 2)

    def __call__(self, trial: Trial, whole: bool = False) -> Any:
        limit = _NEAR / min(self._scale)
        found = symmetry_center(
            trial.data[None], trial.bad[None],
            weight=self._weight, guess=self._middle, limit=limit,
        )  # fmt: skip
        return found if whole else self.to_mas(found.place[0])

    def to_mas(self, place: np.ndarray) -> np.ndarray:
        return (place - self._middle) * self._scale


class _Global(ExpectedStar):
    """Predictions with ten modes of the whole mirror instead of the segments'."""

    def _modes(self, offset: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        star = self._model
        if self._shapes is None:
            self._shapes = mirror_modes(star.pupil_x, star.pupil_y, star.pupil_amplitude)
        return super()._modes(offset, shape)


def _estimators(star: Any, bare: Any, mode: Any, name: str, wide: int) -> dict[str, Any]:
    def through(fov: int) -> np.ndarray:
        return transmission(mode, shape=(fov, fov), center=(fov // 2, fov // 2))

    square = through(_FOV) ** 2
    width = fwhm_pixels(None, name, float(np.mean(mode.scale)), diameter_m=6.5)
    y, x = np.indices((wide, wide)) - wide // 2
    halo = through(wide) * (np.hypot(x, y) < 20 * width)
    return {
        "correlation, no weight": _correlated(np.ones_like(square), star),
        "correlation": _correlated(square, star),
        "offset alone": _fitted(square, star, ExpectedStar(star, drift_nm=0.0)),
        "and 10 modes": _fitted(square, star, _Global(star, drift_nm=10.0)),
        "and 108 modes": _fitted(square, star, ExpectedStar(star, drift_nm=10.0)),
        "no wavefront": _correlated(square, bare),
        "symmetry": _Symmetric(halo, star),
    }


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
    star = star_model(mode, name, fov_pixels=_FOV, data_path=folder, opd=opd)
    bare = star_model(mode, name, fov_pixels=_FOV, data_path=folder, opd="none")
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
    known = _estimators(star, bare, mode, name, wide)
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
    find = _estimators(star, star, mode, name, wide)["symmetry"]
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
