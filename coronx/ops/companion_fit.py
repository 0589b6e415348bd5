"""Flux and place of a companion, by negative injection."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronx.ops.companion_errors import annulus_errors
from coronx.ops.companion_linear import (
    inverse,
    linearised,
    normal_equations,
    pair,
    psf_slopes,
)
from coronx.ops.companion_model import CompanionModel, Part
from coronx.ops.companion_start import find_start
from coronx.ops.stamp import OffAxisPsf

__all__ = ["CompanionFit", "fit_companion"]

Array = NDArray[np.float64]

_OLD = 0.1  # pixels, and share of the flux, from where derivatives were made
_PINNED = 0.75  # pixels from a patch's middle
_DONE = 0.01  # sigma: steps below this end the iteration
_PLAIN = 2  # steps made without the correlation of the speckles
_STRAY = 0.3  # resolution elements from where the noise was measured
_REACH = 1.5  # resolution elements from the guess, beyond which a fit has lost its source
_ALIKE = 0.1  # of a step's square that may lie across the last move
_LONGEST = 0.5  # resolution elements: longest step


@dataclass(frozen=True)
class CompanionFit:
    """A companion's place and flux.

    Attributes
    ----------
    east, north : float
        Offset from the star, arcsec.
    flux : float
        In units of the PSF's total.
    covariance : ndarray (3, 3)
        Of (east, north, flux).
    separation, pa : float
        Arcsec, and degrees from north to east.
    separation_sigma, pa_sigma : float
        Their errors.
    chi2 : float
        Of what is left, with the covariance of the speckles.
    dof : int
        Pixels less three.
    converged : bool
        The last step was far below the errors, and the source was not lost.
    lost : bool
        The fit ran farther than 1.5 FWHM from the guess: what it found is not what was looked for.
    snr : float
        Flux over its error. Below 3 the place means little, whatever its error.
    iterations : int
        Steps made.
    errors : str
        How `covariance` was made: "annulus" or "covariance".
    inflation : float
        Errors over those of least squares with the speckles' covariance alone (geometric mean).
    samples : float
        Resolution elements that "annulus" is made of; NaN if not made.
    """

    east: float
    north: float
    flux: float
    covariance: Array
    separation: float
    pa: float
    separation_sigma: float
    pa_sigma: float
    chi2: float
    dof: int
    converged: bool
    lost: bool
    snr: float
    iterations: int
    errors: str
    inflation: float
    samples: float

    @property
    def sigma(self) -> Array:
        """Errors of (east, north, flux)."""
        return np.sqrt(np.diag(self.covariance))


def fit_companion(
    parts: Sequence[Part],
    psf: OffAxisPsf | Sequence[OffAxisPsf],
    *,
    guess: Sequence[float],
    fwhm: float,
    half: int | None = None,
    known: Sequence[tuple[float, float]] = (),
    errors: str = "annulus",
    kernel: str = "empirical",
    iterations: int = 12,
) -> CompanionFit:
    """Fit a companion's place and flux by taking it out of the frames.

    Gauss-Newton on negative injection (Lagrange et al. 2010, Science 329, 57; Wertz et al. 2017,
    A&A 598, A83): at each estimate the companion is taken out of the frames exactly as the
    subtraction would have treated it, and what is left is solved for the step by generalised
    least squares, with its derivatives by finite differences. Frames of one orientation are
    averaged first.

    Where modes change with the companion (ADI, ARDI), the derivatives of what is left hold
    speckles, and weighing speckles by themselves would make a bias; what is left is then weighed
    by the PSF's own derivatives: instruments, in the sense of statistics.

    Parameters
    ----------
    parts : sequence of Part
        The subtractions of the star's exposures.
    psf : OffAxisPsf or sequence of them
        Of unit total flux; one for all exposures, or one for each.
    guess : sequence of float
        (east, north) in arcsec to within about a resolution element, and the flux if known.
    fwhm : float
        Resolution element, pixels.
    half : int, optional
        Radius in pixels of the disc fitted; by default 1.5 `fwhm`, at least 3.
    known : sequence of tuple of float
        (east, north) of other companions, left out of patches and noise.
    errors : {"annulus", "covariance"}
        By the same fit at other position angles, or by least squares alone, which takes frames
        for independent. Where the ring has no three free resolution elements, the latter.
    kernel : {"empirical", "matern", "gaussian"}
        Correlation of the speckles; see `speckle_covariance`.
    iterations : int
        Largest number of steps.

    Returns
    -------
    CompanionFit

    Raises
    ------
    ValueError
        If an option is unknown, there is no part, or no usable pixel about the guess.
    """
    if errors not in ("annulus", "covariance"):
        raise ValueError(f"errors {errors!r}: give annulus or covariance")
    if not parts or len(guess) not in (2, 3) or not np.isfinite(guess).all():
        raise ValueError("give a subtraction, and a guess of (east, north) or (east, north, flux)")
    start = np.asarray(guess[:2], dtype=np.float64)
    half = max(round(1.5 * fwhm), 3) if half is None else half
    others = tuple((float(e), float(n)) for e, n in known)

    def model_at(place: Array) -> CompanionModel:
        return CompanionModel(
            parts, psf, pair(place), fwhm=fwhm, half=half, known=others, kernel=kernel
        )

    model, about = model_at(start), start
    element = fwhm / model.scale
    view, pinned = model.view(pair(start)), start
    place, flux, faint = find_start(model, view, start, element)
    flux = float(guess[2]) if len(guess) == 3 else flux
    converged = lost = close = False
    made: tuple[Array, float] | None = None
    left = slopes = np.empty(0)
    filters = None
    gain = np.eye(3)
    linear = all(part.linear for part in parts)
    last, move, pace = np.zeros(3), np.zeros(3), 1.0
    count = 0
    while True:
        if np.hypot(*(place - pinned)) * model.scale > _PINNED:
            view, pinned, made = model.view(pair(place)), place.copy(), None
        if made is None or pace < 1.0 or _far(made, place, flux, faint, model.scale):
            left, slopes = linearised(model, view, place, flux, faint)
            filters = None if linear else psf_slopes(model, view, place, flux, faint)
            made = (place.copy(), flux)
        else:  # derivatives change little by a small step; what is left is exact all the same
            left = view.values + model.response(view, pair(place), -flux)
        matrix, vector, extra, gain, chi2, pixels = normal_equations(
            model, view, left, slopes, filters=filters, correlated=close
        )
        covariance = inverse(matrix)
        step = covariance @ vector
        converged = bool((np.abs(step) < _DONE * np.sqrt(np.diag(covariance))).all())
        if (converged and close) or count >= iterations:
            break
        count += 1
        # Speckles' covariance sharpens the derivatives: from afar, plain weights lead home.
        close = close or count >= _PLAIN or converged
        # A place that light hardly tells is held: the pull is lost where the step is small.
        step = inverse(matrix + np.diag([4.0 / element**2] * 2 + [0.0])) @ vector
        pace, last = _pace(step, last, move, matrix, pace), step
        step = pace * step
        length = float(np.hypot(*step[:2]))
        step[:2] *= min(1.0, _LONGEST * element / max(length, 1e-300))
        moved = place + step[:2] - start
        out = float(np.hypot(*moved)) / (_REACH * element)
        if out > 1.0:
            if lost:
                break
            moved, lost = moved / out, True
        else:
            lost = False
        move = np.append(start + moved - place, step[2])
        place, flux = start + moved, flux + float(step[2])
        if close and np.hypot(*(place - about)) > _STRAY * element:
            # The noise must be that of the companion's own ring, with none of its light.
            model, about = model_at(place), place.copy()
            view, pinned, made = model.view(pair(place)), about, None
    own = covariance @ extra @ covariance
    done, samples = "covariance", np.nan
    total = covariance
    if errors == "annulus":
        found = annulus_errors(
            model, view, slopes if filters is None else filters, gain, pair(place), flux,
            known=others,
        )  # fmt: skip
        samples = found.samples
        if np.isfinite(found.covariance).all():
            done, total = "annulus", found.covariance
    return _result(
        place, flux, total + own, covariance, chi2, pixels - 3, converged and not lost, lost,
        count, done, samples,
    )  # fmt: skip


def _far(made: tuple[Array, float], place: Array, flux: float, faint: float, scale: float) -> bool:
    """Return whether derivatives made elsewhere, or for another flux, are not good enough."""
    moved = float(np.hypot(*(place - made[0]))) * scale
    return moved > _OLD or abs(flux - made[1]) > max(_OLD * abs(made[1]), 0.5 * faint)


def _pace(step: Array, last: Array, move: Array, matrix: Array, before: float) -> float:
    """Return by how much a step is to be longer or shorter, by what the last move came to.

    A secant along the last move: of the `last` step a `move` was made, and this `step` is left.
    A step in another direction is made no longer, and as short as the one `before` if that was.
    Where modes change with the companion steps may shrink slowly, each a share of the last
    (Aitken's case). Where speckles bend the peak, which its derivatives do not tell, they
    overshoot, each turning the last one round, and would run away.
    """
    size = float(move @ matrix @ move)
    if size == 0.0:
        return 1.0
    now = float(step @ matrix @ move) / size
    rest = step - now * move
    if float(rest @ matrix @ rest) > _ALIKE * float(step @ matrix @ step):
        return min(before, 1.0)
    fall = float(last @ matrix @ move) / size - now  # of a step, by a move of one
    return 1.0 / fall if 0.1 < fall < 0.7 or fall > 1.3 else 1.0


def _result(
    place: Array,
    flux: float,
    total: Array,
    least: Array,
    chi2: float,
    dof: int,
    converged: bool,
    lost: bool,
    count: int,
    errors: str,
    samples: float,
) -> CompanionFit:
    east, north = pair(place)
    separation = float(np.hypot(east, north))
    outward = np.array([east, north]) / max(separation, 1e-300)
    across = np.array([north, -east]) / max(separation, 1e-300)
    spread = total[:2, :2]
    ratio = np.linalg.det(total) / np.linalg.det(least)
    return CompanionFit(
        east,
        north,
        flux,
        total,
        separation,
        float(np.degrees(np.arctan2(east, north)) % 360.0),
        float(np.sqrt(outward @ spread @ outward)),
        float(np.degrees(np.sqrt(across @ spread @ across) / max(separation, 1e-300))),
        chi2,
        dof,
        converged,
        lost,
        float(flux / np.sqrt(total[2, 2])),
        count,
        errors,
        float(max(ratio, 0.0) ** (1.0 / 6.0)),
        samples,
    )
