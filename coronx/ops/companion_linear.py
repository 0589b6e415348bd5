"""A companion's fit as a linear problem: derivatives, and the equations that they make."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from coronx.ops.companion_model import CompanionModel, View

__all__ = ["equations_at", "linearised", "normal_equations"]

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
        unit = model.response(view, _pair(place), 1.0)
        by = [(model.response(view, _pair(place + move), 1.0) - unit) / step for move in moves]
        slopes = np.stack([bright * by[0], bright * by[1], unit], axis=-1)
        return view.values - flux * unit, slopes
    out = model.response(view, _pair(place), -flux)
    base = out if bright == flux else model.response(view, _pair(place), -bright)
    by = [(base - model.response(view, _pair(place + move), -bright)) / step for move in moves]
    more = max(0.03 * abs(flux), 0.3 * faint)
    by_flux = (out - model.response(view, _pair(place), -flux - more)) / more
    return view.values + out, np.stack([*by, by_flux], axis=-1)


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


def _pair(place: Array) -> tuple[float, float]:
    return float(place[0]), float(place[1])
