"""Predict a pixel from its neighbours in a scene no sharper than the PSF.

Kriging: the scene is taken as point sources everywhere under a Gaussian PSF, so that its
autocovariance is known, and the weights are those of the best linear unbiased prediction
(Wackernagel 2003, Multivariate Geostatistics, chapter 11).
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
_SHARP = 0.9  # cores of diffraction-limited images are narrower than lambda/D
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

    def weights(self, rows: NDArray[np.int_], noise: float) -> NDArray[np.float64]:
        """Return the weights of patterns, (n, 24).

        They add up to one; zero for neighbours left out, NaN where fewer than four are in.

        Parameters
        ----------
        rows : ndarray of int (n,)
            From `rows`.
        noise : float
            One of `NOISES`.
        """
        return self._made[NOISES.index(noise)][rows]

    def _learn(self, usable: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        made = [self._kriging(usable, noise) for noise in NOISES]
        for table in made:
            table[usable.sum(axis=1) < _FEWEST] = np.nan
        return made

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
