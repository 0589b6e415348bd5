"""Errors of a companion's fit, from the same fit at other position angles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter
from scipy.stats import t

from coronx.ops.companion_model import CompanionModel, View, turned

__all__ = ["AnnulusErrors", "annulus_errors", "equations_at", "normal_equations"]

Array = NDArray[np.float64]

_SPACING = 0.5  # resolution elements between the places; closer ones tell nothing new
_MOST = 60  # places
_CLEAR = 1.5  # resolution elements kept from the companion and from others
_SEEN = 0.7  # of the patches' pixels that must be there
_SIGMA = 0.8413447  # one-sided probability of one sigma


@dataclass(frozen=True)
class AnnulusErrors:
    """What the fit finds where there is nothing.

    Attributes
    ----------
    covariance : ndarray (3, 3)
        Of (east, north, flux) at the companion's own place, for few samples made wider so
        that one sigma still holds 68 %.
    samples : float
        Resolution elements that it is made of.
    offsets : ndarray (m, 3)
        (east, north, flux) found at each place, turned to the companion's position angle.
    """

    covariance: Array
    samples: float
    offsets: Array


def normal_equations(
    model: CompanionModel, view: View, left: Array, slopes: Array, *, correlated: bool = True
) -> tuple[Array, Array, Array, float, int]:
    """Return the generalised least-squares equations of a linearised fit.

    Parameters
    ----------
    model, view
        The noise, and the patches.
    left : ndarray (m, h, h)
        Residual, the companion taken out at the present estimate; NaN takes no part.
    slopes : ndarray (m, h, h, 3)
        Derivatives of a companion by (east, north, flux).
    correlated : bool
        If False, pixels are weighted by their scatter alone.

    Returns
    -------
    matrix : ndarray (3, 3)
        Fisher matrix.
    vector : ndarray (3,)
        Right side.
    extra : ndarray (3, 3)
        Of the covariance in the matrix's own coordinates (matrix @ covariance @ matrix): what
        the companion's own photons add to noise.
    chi2 : float
        Of what is left.
    count : int
        Pixels used.
    """
    matrix, extra = np.zeros((3, 3)), np.zeros((3, 3))
    vector = np.zeros(3)
    chi2, count = 0.0, 0
    disc = model.disc
    for m in range(len(model)):
        use = disc & np.isfinite(left[m])
        if not use.any() or not model.usable(m):
            continue
        rows, cols = np.nonzero(use)
        rows, cols = rows + view.rows[m], cols + view.cols[m]
        both = np.concatenate([slopes[m][use], left[m][use][:, None]], axis=1)
        white = model.whiten(m, rows, cols, both, correlated=correlated)
        matrix += white[:, :3].T @ white[:, :3]
        vector += white[:, :3].T @ white[:, 3]
        chi2 += float(white[:, 3] @ white[:, 3])
        count += rows.size
        more = view.extra[m][use]
        if more.any():
            weighed = model.weigh(m, rows, cols, white[:, :3])
            extra += (weighed * more[:, None]).T @ weighed
    return matrix, vector, extra, chi2, count


def annulus_errors(
    model: CompanionModel,
    view: View,
    slopes: Array,
    place: tuple[float, float],
    flux: float,
    *,
    known: tuple[tuple[float, float], ...] = (),
) -> AnnulusErrors:
    """Fit, by the same linear estimator, the residual at other position angles.

    The companion's derivatives are turned about the star to places of the same separation on the
    residual from which the companion was taken out, and solved for there. The scatter of what is
    found holds all noise that is there: correlated from pixel to pixel, from frame to frame, and
    not Gaussian. It is of few samples close to the star, so it is widened by Student's t
    (Mawet et al. 2014, ApJ 792, 97).

    Parameters
    ----------
    model, view
        What was fitted.
    slopes : ndarray (m, h, h, 3)
        Derivatives at the solution.
    place : tuple of float
        (east, north) of the companion, arcsec.
    flux : float
        Of the companion.
    known : sequence of tuple of float
        (east, north) of other companions, kept clear of.

    Returns
    -------
    AnnulusErrors
        With NaN if fewer than three resolution elements are free.
    """
    images = model.without(place, flux)
    elements = 2.0 * np.pi * model.separation / model.fwhm
    count = int(np.clip(np.ceil(elements / _SPACING), 8, _MOST))
    splines = [[spline_filter(slope[..., k]) for k in range(3)] for slope in slopes]
    found: list[Array] = []
    for angle in 2.0 * np.pi * np.arange(1, count) / count:
        there = turned(place, angle)
        away = [np.hypot(there[0] - e, there[1] - n) for e, n in (place, *known)]
        if min(away) * model.scale < _CLEAR * model.fwhm:
            continue
        matrix, vector, seen = equations_at(model, view, splines, images, place, there, angle)
        if seen >= _SEEN:
            scale = 1.0 / np.sqrt(np.diag(matrix))
            turn = np.linalg.lstsq(matrix * np.outer(scale, scale), scale * vector)[0]
            found.append(scale * turn)
    samples = min(float(len(found)), elements * len(found) / count)
    offsets = np.array(found).reshape(-1, 3)
    if samples < 3.0:
        return AnnulusErrors(np.full((3, 3), np.nan), samples, offsets)
    widen = float(t.ppf(_SIGMA, samples)) ** 2
    return AnnulusErrors(widen * offsets.T @ offsets / len(found), samples, offsets)


def equations_at(
    model: CompanionModel,
    view: View,
    splines: list[list[Array]],
    images: list[Array],
    place: tuple[float, float],
    there: tuple[float, float],
    angle: float = 0.0,
    *,
    correlated: bool = True,
) -> tuple[Array, Array, float]:
    """Return the equations for images, derivatives moved to another place and turned there.

    Parameters
    ----------
    model, view
        What is fitted; the view about `place`.
    splines : list of list of ndarray (h, h)
        Spline coefficients of the k derivatives of each orientation.
    images : list of ndarray (ny, nx)
        Of each orientation.
    place, there : tuple of float
        (east, north), arcsec: where the derivatives were made, and where they are put.
    angle : float
        By which they are turned, radians from north to east.
    correlated : bool
        As in `normal_equations`.

    Returns
    -------
    matrix : ndarray (k, k)
    vector : ndarray (k,)
    seen : float
        Share of the patches' pixels that are there.
    """
    size = len(splines[0])
    matrix, vector = np.zeros((size, size)), np.zeros(size)
    seen = possible = 0
    disc = model.disc
    middle = disc.shape[0] // 2
    drow, dcol = (i[disc] - middle for i in np.indices(disc.shape))
    cos, sin = np.cos(angle), np.sin(angle)
    back = np.array([[cos, -sin], [sin, cos]])  # (east, north) turned by minus the angle
    for m, image in enumerate(images):
        if not model.usable(m):
            continue
        star, frame = model.stars[m], model.matrices[m]
        x, y = star + frame @ np.asarray(there)
        rows, cols = drow + round(float(y)), dcol + round(float(x))
        possible += rows.size
        inside = (rows >= 0) & (rows < image.shape[0]) & (cols >= 0) & (cols < image.shape[1])
        rows, cols = rows[inside], cols[inside]
        good = np.isfinite(image[rows, cols])
        rows, cols = rows[good], cols[good]
        if rows.size == 0:
            continue
        seen += rows.size
        turn = frame @ back @ np.linalg.inv(frame)
        home = star + frame @ np.asarray(place)
        fx, fy = turn @ np.stack([cols - x, rows - y]) + home[:, None]
        at = np.stack([fy - view.rows[m], fx - view.cols[m]])
        columns = [map_coordinates(s, at, order=3, prefilter=False) for s in splines[m]]
        both = np.stack([*columns, image[rows, cols]], axis=1)
        white = model.whiten(m, rows, cols, both, correlated=correlated)
        matrix += white[:, :-1].T @ white[:, :-1]
        vector += white[:, :-1].T @ white[:, -1]
    return matrix, vector, seen / max(possible, 1)
