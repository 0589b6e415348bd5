"""Predict a pixel from its neighbours in a scene no sharper than the PSF.

Kriging: the scene is taken as point sources everywhere under a Gaussian PSF, so that its
autocovariance is known, and the weights are those of the best linear unbiased prediction
(Wackernagel 2003, Multivariate Geostatistics, chapter 11). For every pattern of usable
neighbours the largest error that a source can cause is computed from the same PSF.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOISES", "OFFSETS", "Predictor", "contrast", "predictor"]

OFFSETS = np.array([(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) != (0, 0)])
"""(dy, dx) of the 24 neighbours that a prediction uses, shape (24, 2)."""

NOISES = (1.0, 0.1, 0.01, 0.001)
"""Variances of the noise over that of the scene for which weights are made: the first are
quiet, the last follow a bright scene closely."""

_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian, in sigma
# Cores of diffraction-limited images are narrower than their FWHM lambda/D suggests.
_SHARP = 0.9
_SHARP_ENVELOPE = 0.95
_REACHES = (0.25, 0.35, 0.45, 0.6, 0.8)  # of an envelope's weights, in FWHM
_LONG = 2.0  # length of a speckle in a broad band, over its width
_HIDDEN = 1e9  # variance of a neighbour that is left out
_FEWEST = 4  # neighbours
_BITS = 1 << np.arange(len(OFFSETS))
_PLACES = OFFSETS.astype(np.float64)


@cache
def predictor(fwhm: float) -> "Predictor":
    """Return the predictor for a PSF's FWHM in pixels, with what it has learned before."""
    return Predictor(fwhm)


class Predictor:
    """Weights of neighbours for any pattern of usable ones, computed when first needed.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum of the PSF in pixels.
    """

    def __init__(self, fwhm: float) -> None:
        self.fwhm = fwhm
        self._rows: dict[int, int] = {}
        self._made: list[NDArray[np.float64]] = []

    def rows(self, usable: NDArray[np.bool_]) -> NDArray[np.int_]:
        """Return the row of each pattern of usable neighbours, (n, 24), in the tables."""
        codes, inverse = np.unique(usable @ _BITS, return_inverse=True)
        known = self._rows
        new = [code for code in codes.tolist() if code not in known]
        if new:
            for code in new:
                known[code] = len(known)
            made = self._learn((np.array(new)[:, None] & _BITS) > 0)
            if self._made:
                made = [np.concatenate(pair) for pair in zip(self._made, made, strict=True)]
            self._made = made
        return np.array([known[code] for code in codes.tolist()], dtype=np.int_)[inverse]

    def weights(
        self, rows: NDArray[np.int_], noise: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights and guards of patterns.

        Parameters
        ----------
        rows : ndarray of int (n,)
            From `rows`.
        noise : float
            One of `NOISES`.

        Returns
        -------
        weights : ndarray (n, 24)
            They add up to one; zero for neighbours left out, NaN where fewer than four are in.
        guard : ndarray (n,)
            Largest error for a source of the PSF's width, as a multiple of the `contrast` of
            the neighbours.
        """
        at = 2 * NOISES.index(noise)
        return self._made[at][rows], self._made[at + 1][rows]

    def envelope(self, rows: NDArray[np.int_]) -> NDArray[np.float64]:
        """Return non-negative weights whose sum over the neighbours no point source exceeds.

        By linearity no sum of sources does: a pixel that exceeds it, each counted from the
        background, is not of this scene.
        """
        return self._made[-1][rows]

    def _learn(self, usable: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        made: list[NDArray[np.float64]] = []
        around, middle = self._sources(_SHARP)
        spread = np.maximum(contrast(around, usable[:, None, :]), 1e-3)
        for noise in NOISES:
            weights = self._kriging(usable, noise)
            made += [weights, (np.abs(middle - weights @ around.T) / spread).max(axis=1)]
        around, middle = self._sources(_SHARP_ENVELOPE)
        envelope = np.zeros(usable.shape)
        least = np.full(len(usable), np.inf)
        for reach in _REACHES:
            weights = np.exp(-0.5 * (_PLACES**2).sum(axis=1) / (reach * self.fwhm) ** 2) * usable
            height = np.maximum(weights @ around.T, 1e-9)
            weights *= (middle / height).max(axis=1)[:, None]
            noise = (weights**2).sum(axis=1)
            envelope[noise < least] = weights[noise < least]
            least = np.minimum(noise, least)
        few = usable.sum(axis=1) < _FEWEST
        for table in (*made[::2], envelope):
            table[few] = np.nan
        return [*made, envelope]

    def _kriging(self, usable: NDArray[np.bool_], noise: float) -> NDArray[np.float64]:
        width = 2.0 * (_SHARP * self.fwhm / _FWHM) ** 2
        apart = ((_PLACES[:, None] - _PLACES) ** 2).sum(axis=-1)
        own = np.eye(len(OFFSETS))
        matrix = np.exp(-0.5 * apart / width) + noise * own
        target = np.exp(-0.5 * (_PLACES**2).sum(axis=1) / width)
        solved = np.linalg.solve(
            matrix + _HIDDEN * own * ~usable[:, None, :],
            np.broadcast_to(np.stack([target, np.ones_like(target)], axis=1), (len(usable), 24, 2)),
        )
        free, even = solved[..., 0] * usable, solved[..., 1] * usable
        rest = (1.0 - free.sum(axis=1)) / np.maximum(even.sum(axis=1), 1e-30)
        return free + rest[:, None] * even

    def _sources(self, sharp: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sources at all phases, points and speckles longer in x or y.

        Their light in the neighbours, (m, 24), and in the middle, (m,).
        """
        axis = np.arange(-1.5, 1.6, 0.5)
        places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        lengths = np.array([(1.0, 1.0), (_LONG, 1.0), (1.0, _LONG)])
        places, lengths = np.tile(places, (3, 1)), np.repeat(lengths, len(places), axis=0)
        widths = (sharp * self.fwhm / _FWHM * lengths) ** 2
        around = ((_PLACES - places[:, None]) ** 2 / widths[:, None]).sum(axis=-1)
        return np.exp(-0.5 * around), np.exp(-0.5 * (places**2 / widths).sum(axis=1))


def contrast(values: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the rms deviation of neighbours from their mean, the most deviant left out.

    Parameters
    ----------
    values : ndarray (..., 24)
        Neighbours, finite.
    usable : ndarray of bool (..., 24)
        Which of them count.
    """
    count = usable.sum(axis=-1)
    mean = (values * usable).sum(axis=-1) / np.maximum(count, 1)
    square = (values - mean[..., None]) ** 2 * usable
    rest = square.sum(axis=-1) - square.max(axis=-1)
    return np.sqrt(rest / np.maximum(count - 1, 1))
