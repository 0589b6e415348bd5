"""Products of frames with the filter that looks for a source, at every pixel."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coronx.ops.core_filter import core_filter, core_window

__all__ = ["CoreCorrelation", "Correlation"]

Array = NDArray[np.float64]


class Correlation:
    """Correlations of frames with a PSF and with its square."""

    noise = 1.0  # <f, f> over <f, p>

    def __init__(self, kernel: Array, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.half = kernel.shape[0] // 2
        self.padded = [scipy.fft.next_fast_len(n + kernel.shape[0] - 1, real=True) for n in shape]
        self.kernel, self.square = (self._conjugate(k) for k in (kernel, kernel**2))

    def frames(self, residual: Array, err: Array) -> tuple[Array, Array, Array, Array]:
        """Return sums over frames of <f, r>, <f, p>, <p, p>, and the mean variance under the PSF.

        Over good pixels.
        """
        good = np.isfinite(residual) & np.isfinite(err)
        total = residual.sum(axis=0, where=good)
        count = good.sum(axis=0).astype(np.float64)
        spread = np.square(err).sum(axis=0, where=good)
        covered = np.maximum(self._with(self.square, count), 0.0)
        under = self._with(self.square, spread)
        # What is left of rounding where no good pixel is would pass for a weight.
        covered[covered < 1e-9 * covered.max(initial=0.0)] = 0.0
        variance = np.divide(under, covered, out=np.zeros(self.shape), where=covered > 0.0)
        signal, weight = self._filtered(total, count, covered)
        return signal, weight, covered, variance

    def _filtered(self, total: Array, count: Array, covered: Array) -> tuple[Array, Array]:
        """Return <f, r> and <f, p>."""
        del count
        return self._with(self.kernel, total), covered

    def _conjugate(self, image: Array) -> NDArray[np.complex128]:
        return np.conj(self._forward(image))

    def _forward(self, image: Array) -> NDArray[np.complex128]:
        return np.asarray(scipy.fft.rfft2(image, s=self.padded))

    def _with(self, spectrum: NDArray[np.complex128], image: Array) -> Array:
        full = np.asarray(scipy.fft.irfft2(self._forward(image) * spectrum, s=self.padded))
        # The kernel's middle, not its corner, is the place.
        ny, nx = self.shape
        return np.roll(full, (self.half, self.half), (0, 1))[:ny, :nx]


class CoreCorrelation(Correlation):
    """The same, the filter being the PSF's core above a level."""

    def __init__(self, kernel: Array, shape: tuple[int, int], core: float) -> None:
        super().__init__(kernel, shape)
        middle = np.arange(kernel.shape[0]) - float(self.half)
        window = core_window(middle, middle[:, None], core)
        own = core_filter(kernel, core)
        self.noise = float((own**2).sum() / (own * kernel).sum())
        self.window, self.first, self.second = (
            self._conjugate(window * kernel**power) for power in range(3)
        )

    def _filtered(self, total: Array, count: Array, covered: Array) -> tuple[Array, Array]:
        seen = self._with(self.window, count)
        light = self._with(self.first, count)
        # A level is told only where there is more of the window than one pixel.
        level = np.divide(light, seen, out=np.zeros(self.shape), where=seen > 1.0)
        weight = np.maximum(self._with(self.second, count) - level * light, 0.0)
        weight[covered == 0.0] = 0.0
        signal = self._with(self.first, total) - level * self._with(self.window, total)
        return np.where(weight > 0.0, signal, 0.0), weight
