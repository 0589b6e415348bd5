"""The simulated PSF of a source beside a mask, at any place, in about a millisecond.

A mask changes a source's image, not only its brightness. Images are simulated on a grid of places
around the mask, closer where the mask acts, each when it is first needed, and interpolated between
them by cubics after division by the mask's analytic transmission, which varies most.
"""

import numpy as np
from numpy.typing import NDArray

from coronx.ops.stamp import PsfImage, Stamp
from coronx.refdata.field_edges import field_edges
from coronx.refdata.filters import fwhm_pixels
from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.psf_model import StarModel
from coronx.refdata.transmission import footprint, is_bar, occulter

__all__ = ["PsfBesideMask"]

Array = NDArray[np.float64]

# Distances from the mask's centre, as parts of its reach; for phase masks in lambda/D; for
# places along a bar in arcsec.
_ROUND = (0.03, 0.06, 0.1, 0.15, 0.225, 0.3, 0.4, 0.55, 0.75, 1.0, 1.3)
_ACROSS = (0.02, 0.04, 0.06, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.3)
_ALONG = (1.25, 2.5, 3.75, 5.0, 6.25, 7.5, 8.75)
_PHASE = (
    0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.25, 1.55, 1.9, 2.3, 2.8, 3.4, 4.2, 5.2, 6.5, 9.0, 14.0, 20.0,
)  # fmt: skip
_SPOT = (*np.arange(0.4, 6.1, 0.4), 8.0, 11.0, 16.0)


class PsfBesideMask:
    """An `coronx.ops.stamp.OffAxisPsf` of a model of the star.

    Far from the mask the image has unit flux over an infinite plane: a stamp has what of it falls
    into its pixels.

    Parameters
    ----------
    model : StarModel
        The model.
    mask_place : tuple of float
        0-based (x, y) of the mask's centre in the frame.
    shape : tuple of int
        (ny, nx) of the frame.

    Attributes
    ----------
    kernel : ndarray
        The PSF without a mask, its Lyot stop in, on the middle pixel of an odd square.
    """

    def __init__(
        self, model: StarModel, *, mask_place: tuple[float, float], shape: tuple[int, int]
    ) -> None:
        self._mode = model.mode
        self._mask_place = mask_place
        self._shape = shape
        self._scale = np.array(model.scale)
        self._reference = np.array(model.reference)
        self._oversample = model.oversample
        # Images near the mask by the faster model, each with the difference of both added that the
        # PSF without a mask has: what is left of its error is less than a thousandth of the PSF.
        self._model = model.coarser(_thinning(model.mode))
        far = model.centred_image((0.0, 0.0), occulted=False)
        self._coarse = self._model.centred_image((0.0, 0.0), occulted=False)
        self._difference = far - self._coarse
        self._far = PsfImage(far, oversample=model.oversample)
        self.kernel = self._far.kernel
        # Pixels from the mask's centre along x and y.
        self._axes = _axes(model.mode, model.filter)
        self._nodes: dict[tuple[int, int], tuple[NDArray[np.float32], float]] = {}
        self._floor = 0.0
        if model.mode.instrument == "NIRCAM":
            # What a source of finite size leaks through the middle, where analytically nothing does
            self._floor = self._observed(0.0, 0.0)[1]
        self._edges = field_edges(model.mode, shape=shape, center=mask_place)

    def __call__(self, x: float, y: float) -> Stamp:
        """Return the stamp of a source at 0-based (x, y)."""
        dx, dy = x - self._mask_place[0], y - self._mask_place[1]
        (first_x, weights_x), (first_y, weights_y) = (
            _cubic(axis, place) for axis, place in zip(self._axes, (dx, dy), strict=True)
        )
        total = np.zeros(self._coarse.shape)
        for j, wy in enumerate(weights_y):
            for i, wx in enumerate(weights_x):
                if wx * wy != 0.0:
                    total += (wx * wy) * self._node(first_x + i, first_y + j)[0]
        stamp = PsfImage(total, oversample=self._oversample)(x, y)
        rows, columns = self._shape
        edge = self._edges[min(max(round(y), 0), rows - 1), min(max(round(x), 0), columns - 1)]
        return Stamp(stamp.values * (self._rough(dx, dy) * edge), stamp.row, stamp.col)

    def transmission(self, shape: tuple[int, int]) -> Array:
        """Return the factor by which the mask scales the kernel, to fit best, at each pixel.

        Every image of the grid is needed for it, so the first call takes some seconds.
        """
        ny, nx = shape
        x0, y0 = self._mask_place
        along, across = (
            np.stack([_row(axis, float(place)) for place in places])
            for axis, places in zip(
                self._axes, (np.arange(nx) - x0, np.arange(ny) - y0), strict=True
            )
        )
        table = np.array(
            [
                [self._node(i, j)[1] if used else 0.0 for i, used in enumerate(along.any(axis=0))]
                if row
                else [0.0] * len(self._axes[0])
                for j, row in enumerate(across.any(axis=0))
            ]
        )
        rough = 1.0
        if self._floor:
            rough = occulter(self._mode, shape=shape, center=self._mask_place) + self._floor
        edges = field_edges(self._mode, shape=shape, center=self._mask_place)
        return np.maximum(rough * (across @ table @ along.T), 0.0) * edges

    def _node(self, i: int, j: int) -> tuple[NDArray[np.float32], float]:
        """Return the image of a place of the grid and its match with the kernel, both relative."""
        if (i, j) not in self._nodes:
            x, y = self._axes[0][i], self._axes[1][j]
            image, factor = self._observed(x, y)
            rough = self._rough(x, y)
            image = (image + factor * self._difference) / rough
            self._nodes[i, j] = image.astype(np.float32), factor / rough
        return self._nodes[i, j]

    def _observed(self, x: float, y: float) -> tuple[Array, float]:
        mas = (np.array([x, y]) - self._reference) * self._scale
        image = self._model.centred_image(mas)
        return image, float(np.vdot(image, self._coarse) / np.vdot(self._coarse, self._coarse))

    def _rough(self, x: float, y: float) -> float:
        """Return the analytic transmission pixels (x, y) from the mask's centre."""
        if not self._floor:
            return 1.0
        return float(occulter(self._mode, shape=(1, 1), center=(-x, -y))[0, 0]) + self._floor


def _axes(mode: CoronagraphMode, filter_name: str) -> tuple[Array, Array]:
    unit = footprint(mode)
    if is_bar(mode):
        return _both_sides(np.divide(_ALONG, mode.scale[0])), _both_sides(
            np.multiply(_ACROSS, unit)
        )
    steps = _ROUND
    if mode.instrument == "MIRI":
        steps = _SPOT if mode.exp_type == "MIR_LYOT" else _PHASE
        unit = fwhm_pixels(mode.instrument, filter_name, min(mode.scale))
    axis = _both_sides(np.multiply(steps, unit))
    return axis, axis


def _thinning(mode: CoronagraphMode) -> int:
    # A pupil of n points repeats the star n lambda/D away, which must not be on the occulter: bars
    # are 20 arcsec long.
    if is_bar(mode):
        return 1
    return 4 if mode.instrument == "MIRI" else 2


def _both_sides(steps: Array) -> Array:
    return np.concatenate([-steps[::-1], [0.0], steps])


def _cubic(axis: Array, place: float) -> tuple[int, Array]:
    """Return the first of four neighbours on an axis, and Lagrange's weights; constant beyond."""
    place = min(max(place, float(axis[0])), float(axis[-1]))
    first = min(max(int(np.searchsorted(axis, place)) - 2, 0), axis.size - 4)
    near = axis[first : first + 4]
    weights = [
        np.prod([(place - other) / (own - other) for other in near if other != own]) for own in near
    ]
    return first, np.array(weights)


def _row(axis: Array, place: float) -> Array:
    out = np.zeros(axis.size)
    first, weights = _cubic(axis, place)
    out[first : first + 4] = weights
    return out
