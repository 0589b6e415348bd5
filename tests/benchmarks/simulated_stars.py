"""Images of the star behind the mask by `coronx.simulate`, and trials of finding it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from coronx.simulate.optics import Coronagraph

__all__ = ["FOV", "SimulatedStar", "Trial", "trials"]

FOV = 65


class SimulatedStar:
    """The star behind the mask by `coronx.simulate`, with the methods of `StarModel`."""

    def __init__(self, mode: Any, filter_name: str, opd: Any = None, fov: int = FOV) -> None:
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
        low = (self.data.shape[-1] - FOV) // 2
        cut = np.s_[None, low : low + FOV, low : low + FOV]
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
