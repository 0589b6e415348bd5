"""A companion's fit as a linear problem: derivatives, and the equations that they make."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from coronx.ops.companion_model import CompanionModel, View
from coronx.ops.stamp import Stamp

__all__ = ["equations_at", "inverse", "linearised", "normal_equations", "psf_slopes"]

Array = NDArray[np.float64]

_STEP = 0.03  # pixels, of the differences that give derivatives by place
_FAINT = 0.5  # sigma: the derivatives by place of a fainter source are those of this flux


def linearised(
    model: CompanionModel, view: View, place: Array, flux: float, faint: float
) -> tuple[Array, Array]:
    """Take a companion out of a view, and return what is left and its derivatives.

    Parameters
    ----------
    model, view
        Where.
    place : ndarray (2,)
        (east, north), arcsec.
    flux : float
        Of the companion.
    faint : float
        Error of a flux, roughly: gives the difference that the derivative by flux is made of.

    Returns
    -------
    left : ndarray (m, h, h)
        Residual without the companion.
    slopes : ndarray (m, h, h, 3)
        Of a companion by east, north (per arcsec) and flux.
    """
    step = _STEP / model.scale
    moves = np.array([[step, 0.0], [0.0, step]])
    bright = flux if abs(flux) > _FAINT * faint else float(np.copysign(_FAINT * faint, flux))
    if all(part.linear for part in model.parts):
        unit = model.response(view, pair(place), 1.0)
        by = [(model.response(view, pair(place + move), 1.0) - unit) / step for move in moves]
        slopes = np.stack([bright * by[0], bright * by[1], unit], axis=-1)
        return view.values - flux * unit, slopes
    out = model.response(view, pair(place), -flux)
    base = out if bright == flux else model.response(view, pair(place), -bright)
    by = [(base - model.response(view, pair(place + move), -bright)) / step for move in moves]
    more = max(0.03 * abs(flux), 0.3 * faint)
    by_flux = (out - model.response(view, pair(place), -flux - more)) / more
    return view.values + out, np.stack([*by, by_flux], axis=-1)


def normal_equations(
    model: CompanionModel,
    view: View,
    left: Array,
    slopes: Array,
    *,
    filters: Array | None = None,
    correlated: bool = True,
) -> tuple[Array, Array, Array, Array, float, int]:
    """Return the generalised least-squares equations of a linearised fit.

    With filters W of their own, in place of the derivatives J, what is solved is
    W^T C^-1 J step = W^T C^-1 left; it is returned multiplied by (W^T C^-1 J)^T (W^T C^-1 W)^-1, so
    that the inverse of the matrix is the covariance of the step all the same.

    Parameters
    ----------
    model, view
        The noise, and the patches.
    left : ndarray (m, h, h)
        Residual, the companion taken out at the present estimate; NaN takes no part.
    slopes : ndarray (m, h, h, 3)
        Derivatives of a companion by (east, north, flux).
    filters : ndarray (m, h, h, 3), optional
        By which the residual is weighed; the derivatives by default.
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
    gain : ndarray (3, 3)
        The step that a residual of filters @ x makes is gain @ x.
    chi2 : float
        Of what is left.
    count : int
        Pixels used.
    """
    weights = slopes if filters is None else filters
    square, cross, extra = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    vector = np.zeros(3)
    chi2, count = 0.0, 0
    disc = model.disc
    for m in range(len(model)):
        use = disc & np.isfinite(left[m])
        if not use.any() or not model.usable(m):
            continue
        rows, cols = np.nonzero(use)
        rows, cols = rows + view.rows[m], cols + view.cols[m]
        columns = (weights[m][use], slopes[m][use], left[m][use][:, None])
        white = model.whiten(m, rows, cols, np.concatenate(columns, axis=1), correlated=correlated)
        filtered = white[:, :3]
        square += filtered.T @ filtered
        cross += filtered.T @ white[:, 3:6]
        vector += filtered.T @ white[:, 6]
        chi2 += float(white[:, 6] @ white[:, 6])
        count += rows.size
        more = view.extra[m][use]
        if more.any():
            weighed = model.weigh(m, rows, cols, filtered)
            extra += (weighed * more[:, None]).T @ weighed
    if filters is None:
        return square, vector, extra, np.eye(3), chi2, count
    turn = cross.T @ inverse(square)
    gain = inverse(turn @ cross) @ turn @ square
    return turn @ cross, turn @ vector, turn @ extra @ turn.T, gain, chi2, count


def psf_slopes(model: CompanionModel, view: View, place: Array, flux: float, faint: float) -> Array:
    """Return the derivatives of a companion before any subtraction, (m, h, h, 3).

    The derivatives of what a subtraction leaves of it hold, where modes change with the
    companion, speckles too, and weighing speckles by themselves makes a bias. These hold none.
    """
    step = _STEP / model.scale
    bright = flux if abs(flux) > _FAINT * faint else float(np.copysign(_FAINT * faint, flux))
    moves = np.array([[0.0, 0.0], [step, 0.0], [0.0, step]])
    out = np.zeros((*view.values.shape, 3))
    for m in range(len(model)):
        psf = model.psfs[model.part_of[m]]
        images: list[Array] = []
        for x, y in model.stars[m] + (place + moves) @ model.matrices[m].T:
            image = np.zeros(out.shape[1:3])
            stamp = psf(float(x), float(y))
            row, col = stamp.row - int(view.rows[m]), stamp.col - int(view.cols[m])
            Stamp(stamp.values, row, col).add_to(image)
            images.append(image)
        unit, by_east, by_north = images
        out[m, ..., 0] = bright * (by_east - unit) / step
        out[m, ..., 1] = bright * (by_north - unit) / step
        out[m, ..., 2] = unit
    return out


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


def pair(place: Array) -> tuple[float, float]:
    """Return a place (east, north) as two numbers."""
    return float(place[0]), float(place[1])


def inverse(matrix: Array) -> Array:
    """Return the inverse of a symmetric matrix of quantities of any units."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    return np.linalg.pinv(matrix * np.outer(scale, scale), rcond=1e-12) * np.outer(scale, scale)
