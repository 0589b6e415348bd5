"""What a fit of the star's place is told to expect: its model's images around a trial place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.ops.centering import Prediction
from coronx.refdata.psf_file import StarImage
from coronx.refdata.psf_model import StarModel
from coronx.refdata.segment_modes import segment_modes

__all__ = ["ExpectedStar"]

# Pixels: modes are taken at the nearest multiple. They change little over half of it, and take most
# of the time.
_MODE_STEP = 0.2


class ExpectedStar:
    """Predictions for `coronx.ops.centering.fit_star`, kept so that none is made twice.

    Parameters
    ----------
    model : StarModel or StarImage
        The star behind the mask.
    drift_nm : float
        Expected rms of the difference between the telescope's wavefront and the model's, spread
        evenly over the low-order shapes of the eighteen segments; 0 leaves the wavefront as it is,
        as does a `StarImage`.
    center : tuple of float
        Pixels (x, y) by which the mask's centre is off the middle of the pixel at the array's
        centre.
    """

    def __init__(
        self,
        model: StarModel | StarImage,
        *,
        drift_nm: float = 10.0,
        center: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._model: Any = model.moved(center)
        self._scale = np.array(model.scale)
        self._drift = drift_nm if hasattr(model, "mode_images") else 0.0
        self._known: dict[tuple[float, float], Prediction] = {}
        self._changes: dict[tuple[float, float], NDArray[np.float64]] = {}
        self._shapes: NDArray[np.float64] | None = None

    def __call__(self, offset: NDArray[np.float64]) -> Prediction:
        """Return the prediction for a star at an offset (x, y) in pixels from the reference."""
        x, y = (float(o) for o in offset)
        if (x, y) not in self._known:
            mas = offset * self._scale
            image = self.image(offset)
            slopes = self._model.offset_images(mas) * self._scale[:, None, None]
            self._known[x, y] = Prediction(image, slopes, self._modes(offset, image.shape))
        return self._known[x, y]

    def image(self, offset: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the image alone."""
        return self._model.image(offset * self._scale)

    def _modes(self, offset: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        if self._drift <= 0.0:
            return np.zeros((0, *shape))
        x, y = (float(np.rint(o / _MODE_STEP) * _MODE_STEP) for o in offset)
        if (x, y) not in self._changes:
            if self._shapes is None:
                model = self._model
                self._shapes = segment_modes(model.pupil_x, model.pupil_y, model.pupil_amplitude)
            changes = self._model.mode_images(np.array([x, y]) * self._scale, self._shapes)
            self._changes[x, y] = changes * (self._drift / np.sqrt(len(self._shapes)))
        return self._changes[x, y]
