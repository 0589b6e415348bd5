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
from coronx.refdata.wavefront_modes import drift_modes
from coronx.simulate.drift import random_drift
from coronx.simulate.optics import Coronagraph
from coronx.simulate.stpsf_data import build_stpsf_data
from coronx.simulate.wavefront import drift_opd, static_opd

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
_LIMIT = 150.0
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


def _symmetric(weight: np.ndarray, star: Any) -> Callable[[Trial], np.ndarray]:
    def find(trial: Trial) -> np.ndarray:
        middle = ((weight.shape[1] - 1) / 2, (weight.shape[0] - 1) / 2)
        found = symmetry_center(
            trial.data[None], trial.bad[None], weight=weight, guess=middle,
            limit=_LIMIT / min(star.scale),
        )  # fmt: skip
        return (found.place[0] - middle) * star.scale

    return find


class _Global(ExpectedStar):
    """Predictions with ten modes of the whole mirror instead of the segments'."""

    def _modes(self, offset: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        star = self._model
        if self._shapes is None:
            self._shapes = drift_modes(star.pupil_x, star.pupil_y, star.pupil_amplitude)
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
        "symmetry": _symmetric(halo, star),
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
    options = {"data_path": folder}
    star = star_model(mode, name, fov_pixels=_FOV, **options)
    bare = star_model(mode, name, fov_pixels=_FOV, opd="none", **options)
    large = star_model(mode, name, fov_pixels=wide, **options)
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
            }
            figures = (f"{np.sqrt(np.mean(e**2)):.2f}" for e in errors.values())
            goal = GOALS[level] if peak == 1000 else 2.0
            rows.append((f"{mode.coronmsk} {name}", kind, str(level), str(peak), *figures,
                         f"{goal:g}"))  # fmt: skip
            print(*rows[-1], sep=" | ", flush=True)
    return rows


HEAD = (
    "mask, filter", "drift", "nm", "S/N", "correlation, no weight", "correlation",
    "offset alone", "and 10 modes", "and 108 modes", "no wavefront", "symmetry", "goal",
)  # fmt: skip


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.centering")
    parser.add_argument("--count", type=int, default=20, help="wavefronts of each row")
    parser.add_argument("--case", choices=range(len(CASES)), type=int, action="append")
    parser.add_argument("--stpsf", help='stpsf\'s data folder, or "stand-in"')
    parser.add_argument("--out", type=Path, help="write the table to this file")
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="coronx-stpsf-") as scratch:
        folder = Path(options.stpsf) if options.stpsf else None
        if options.stpsf == "stand-in":
            folder = build_stpsf_data(Path(scratch))
        cases = [CASES[n] for n in options.case] if options.case else CASES
        rows = [row for case in cases for row in table(case, options.count, folder)]
    from tests.benchmarks.timing import markdown

    note = f"rms error by axis in mas over {options.count} wavefronts."
    text = markdown("Accuracy", note, HEAD, rows)
    if options.out:
        options.out.write_text(text)
    print(text, f"\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
