"""The ways to find the star behind the mask that are compared."""

from collections.abc import Callable
from typing import Any

import numpy as np

from coronx.ops.centering import fit_star
from coronx.ops.registration import Template
from coronx.ops.symmetry import symmetry_center
from coronx.refdata.filters import fwhm_pixels
from coronx.refdata.star_prediction import ExpectedStar
from coronx.refdata.transmission import transmission
from tests.benchmarks.mirror_modes import mirror_modes
from tests.benchmarks.simulated_stars import FOV, Trial

__all__ = ["estimators"]

_LIMIT = 150.0  # mas: how far off the star is searched
_NEAR = 100.0  # the same, for symmetry: the step's default


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


def estimators(star: Any, bare: Any, mode: Any, name: str, wide: int) -> dict[str, Any]:
    def through(fov: int) -> np.ndarray:
        return transmission(mode, shape=(fov, fov), center=(fov // 2, fov // 2))

    square = through(FOV) ** 2
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
