"""Measure where a star is behind a mask, from what its image is known to look like.

The image of a star behind a coronagraph changes its shape with the star's offset, and with the
telescope's wavefront: it does not merely move. The fit therefore has the derivatives of the
predicted image by the offset, predicted anew where the star is found to be, and those by modes
of the wavefront, with how large each is expected to be: what a drift of the wavefront does to the
image is then told apart from what an offset does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coronx.ops.linear_fit import LinearFit
from coronx.ops.median import fill_local_median
from coronx.ops.registration import Template

__all__ = ["Prediction", "StarFit", "fit_star", "robust_mean"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUNDS = 5
# Pixels: how far from where the prediction was made the fit is believed to be linear.
_LINEAR = 0.03
_NEAR = 0.15  # and how far an image may lie from the others to be fitted with them
_FEW = 7
_MAX_STEP = 0.7
_SURE = 0.25  # of the range searched: a larger uncertainty is no measurement
_FEWEST = 20  # good pixels for each parameter that has no expected size


@dataclass(frozen=True)
class Prediction:
    """The image expected of a star of unit flux at some offset from the mask.

    Attributes
    ----------
    image : ndarray (ny, nx)
        The image.
    slopes : ndarray (2, ny, nx)
        Its derivatives by the star's x and y, by pixel.
    modes : ndarray (k, ny, nx)
        Its change for one standard deviation of each thing that is known only roughly; k may be 0.
    """

    image: Array
    slopes: Array
    modes: Array


@dataclass(frozen=True)
class StarFit:
    """Where the star was found in each image.

    Attributes
    ----------
    offset : ndarray (n, 2)
        (x, y) in pixels from where `predict` has its zero.
    sigma : ndarray (n, 2)
        1-sigma uncertainties, those of the modes included, NaN where nothing was found.
    scale : ndarray (n,)
        Flux of the star in units of the image's.
    residual : ndarray (n,)
        Root of chi square by degree of freedom.
    good : ndarray of bool (n,)
        Whether the fit came to rest within the range searched, known to a quarter of that range.
    """

    offset: Array
    sigma: Array
    scale: Array
    residual: Array
    good: Mask


def fit_star(
    images: NDArray[np.floating],
    variance: NDArray[np.floating],
    bad: Mask,
    predict: Callable[[Array], Prediction],
    *,
    first: Array,
    weight: Array,
    limit: float,
    model_error: float = 0.15,
) -> StarFit:
    """Measure the star's offset from the mask in every image.

    A first estimate is the peak of the normalised cross-correlation, weighted, of the image and
    the one expected at no offset. From there on least squares by Gauss-Newton: flux, background,
    offset and modes are fitted together, the prediction's slopes being taken where the images'
    median offset is. The modes' expected sizes enter as observations of zero (Gaussian priors),
    which is the same as treating them as correlated noise.

    Parameters
    ----------
    images : ndarray (n, ny, nx)
        Images of one star, whose offsets are alike within a pixel.
    variance : ndarray (n, ny, nx)
        Variance; where it is not positive and finite, the pixel's is taken from the others.
    bad : ndarray of bool (n, ny, nx)
        Pixels without a meaning; those that are not finite have none either.
    predict : callable
        Makes a prediction for an offset (x, y) in pixels.
    first : ndarray (ny, nx)
        The image expected at no offset.
    weight : ndarray (ny, nx)
        Weight of each pixel in the first estimate: the mask's transmission squared.
    limit : float
        Largest offset along each axis in pixels.
    model_error : float
        1-sigma error of the prediction in each pixel, as a share of it, beside the modes. With the
        default, drifts in shapes that no mode has do least harm.

    Returns
    -------
    StarFit

    Raises
    ------
    ValueError
        If shapes differ.
    """
    if images.ndim != 3 or not images.shape == variance.shape == bad.shape:
        raise ValueError(f"images {images.shape}, variance {variance.shape}, bad {bad.shape}")
    if weight.shape != images.shape[1:]:
        raise ValueError(f"weight {weight.shape} for images {images.shape}")
    bad = bad | ~np.isfinite(images)
    known: Array = np.where(bad, 0.0, images).astype(np.float64)
    noise = _typical(variance, bad)
    found = _first(known, bad, first, weight, limit)
    offset, good = found.offset, found.good
    fit = _Fit(known, bad, noise, predict, limit, model_error)
    if not good.any():
        return found
    return fit.together(np.flatnonzero(good), np.median(offset[good], axis=0), found)


def robust_mean(places: Array, good: Mask) -> tuple[Array, Array]:
    """Return the mean of places without those that lie apart, and their scatter.

    Parameters
    ----------
    places : ndarray (n, 2)
        (x, y) in pixels.
    good : ndarray of bool (n,)
        Which are to be believed; at least one.

    Returns
    -------
    mean, scatter : ndarray (2,)
        Of those within 4 standard deviations, estimated from the median absolute deviation. The
        scatter of a single one is NaN.

    Raises
    ------
    ValueError
        If none is good.
    """
    known = places[good]
    if not len(known):
        raise ValueError("no good place to take a mean of")
    away = np.abs(known - np.median(known, axis=0))
    wide = np.maximum(4.0 * 1.4826 * np.median(away, axis=0), 1e-6)
    kept = known[(away <= wide).all(axis=1)] if len(known) > 3 else known
    if len(kept) < 2:
        return kept.mean(axis=0) if len(kept) else np.median(known, axis=0), np.full(2, np.nan)
    return kept.mean(axis=0), kept.std(axis=0, ddof=1)


def _typical(variance: NDArray[np.floating], bad: Mask) -> Array:
    """Return one variance for all images, positive everywhere where any is known."""
    known = ~bad & np.isfinite(variance) & (variance > 0.0)
    count = known.sum(axis=0)
    total = np.where(known, variance, 0.0).sum(axis=0, dtype=np.float64)
    mean = total / np.maximum(count, 1)
    default = float(np.median(mean[count > 0])) if count.any() else 1.0
    return np.where(count > 0, mean, default)


def _first(images: Array, bad: Mask, image: Array, weight: Array, limit: float) -> StarFit:
    filled = np.stack([fill_local_median(i, b, box=5) for i, b in zip(images, bad, strict=True)])
    template = Template(image, weight, max_shift=limit)
    found = template.register(filled, bad)
    enough = (~bad).sum(axis=(1, 2)) > _FEWEST * 4
    good = found.converged & (found.scale > 0.0) & enough
    empty = np.full(len(images), np.nan)
    return StarFit(-found.shift, np.full((len(images), 2), np.nan), found.scale, empty, good)


class _Fit:
    def __init__(
        self,
        images: Array,
        bad: Mask,
        noise: Array,
        predict: Callable[[Array], Prediction],
        limit: float,
        model_error: float,
    ) -> None:
        self._images, self._bad = images.reshape(len(images), -1), bad.reshape(len(bad), -1)
        self._noise = noise.ravel()
        self._predict = predict
        self._limit = limit
        self._error = model_error

    def together(self, which: NDArray[np.intp], start: Array, out: StarFit) -> StarFit:
        """Fit images from one prediction; those that lie apart, each from its own."""
        fit = replace(
            out,
            offset=out.offset.copy(),
            sigma=out.sigma.copy(),
            scale=out.scale.copy(),
            residual=out.residual.copy(),
            good=np.zeros_like(out.good),
        )
        # Where the prediction is to be made, a few of them tell.
        few = which[:: -(-len(which) // _FEW)]
        found, place = self._settle(few, start, fit)
        if not found:
            return fit
        if len(few) < len(which):
            self._solve(which, place, fit)
        offset, scale, sigma = fit.offset[which], fit.scale[which], fit.sigma[which]
        near = np.abs(offset - place).max(axis=1) < _NEAR
        inside = np.abs(offset).max(axis=1) < self._limit
        # NaN is not less than anything.
        sure = (sigma < _SURE * self._limit).all(axis=1)
        fit.good[which] = near & inside & sure & (scale > 0.0)
        if len(which) > 1:
            for n in which[~near & np.isfinite(offset).all(axis=1)]:
                fit = self._alone(int(n), fit)
        return fit

    def _settle(self, which: NDArray[np.intp], place: Array, fit: StarFit) -> tuple[bool, Array]:
        """Fit images until their median offset rests; return whether it does, and where."""
        for _ in range(_ROUNDS):
            self._solve(which, place, fit)
            middle = np.median(fit.offset[which], axis=0)
            if not np.isfinite(middle).all():
                return False, place
            middle = np.clip(middle, -self._limit, self._limit)
            change = float(np.abs(middle - place).max())
            # Where the noise decides, it goes on deciding anew.
            near_enough = max(_LINEAR, 0.2 * float(np.median(fit.sigma[which])))
            if change < near_enough:
                return True, place
            place = middle
        return False, place

    def _solve(self, which: NDArray[np.intp], place: Array, fit: StarFit) -> None:
        design = self._design(place, float(np.median(fit.scale[which])))
        for n in which:
            step, fit.sigma[n], fit.scale[n], fit.residual[n] = design.solve(
                self._images[n], self._bad[n]
            )
            fit.offset[n] = place + np.clip(step, -_MAX_STEP, _MAX_STEP)

    def _alone(self, n: int, fit: StarFit) -> StarFit:
        own = self.together(np.array([n]), fit.offset[n], fit)
        good = fit.good.copy()
        good[n] = own.good[n]
        return replace(own, good=good)

    def _design(self, place: Array, scale: float) -> LinearFit:
        expected = self._predict(place)
        image = expected.image.ravel()
        columns = np.stack(
            [
                image,
                np.full_like(image, float(np.abs(image).max())),
                *expected.slopes.reshape(2, image.size),
                *expected.modes.reshape(len(expected.modes), image.size),
            ]
        )
        noise = self._noise + (self._error * scale * image) ** 2
        return LinearFit(columns * scale, 1.0 / noise, scale)
