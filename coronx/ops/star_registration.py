"""Register one image to another by their lists of stars, wherever both point."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, uniform_filter
from scipy.spatial import KDTree
from scipy.stats import binom

__all__ = ["StarRegistration", "register_stars"]

_FACTORS = 12  # rotations with scales that are tried, those with most votes
_CHANCE = 1e-6  # of so many pairs by chance, from which a registration is believed
_CLIP = 3.5  # sigma beyond which a pair is left out of the fit
_TURNS = 20  # of matching and fitting; few are needed


@dataclass(frozen=True)
class StarRegistration:
    """Where the pixels of one image are in another: ``position' = matrix @ position + offset``.

    Attributes
    ----------
    matrix : ndarray (2, 2)
        Acts on (x, y).
    offset : ndarray (2,)
        In pixels.
    pairs : ndarray of int (n, 2)
        Stars that the fit used: their places in the first list and in the second.
    rms : float
        Residual of a pair along one axis, in pixels.
    error : float
        1-sigma error of the registration along one axis where the stars are, in pixels.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    pairs: NDArray[np.intp]
    rms: float
    error: float

    def __call__(
        self, x: NDArray[np.floating], y: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where positions of the first image are in the second."""
        moved = self.matrix @ np.stack([np.ravel(x), np.ravel(y)]) + self.offset[:, None]
        return moved[0].reshape(np.shape(x)), moved[1].reshape(np.shape(y))


def register_stars(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    flux: NDArray[np.floating],
    to_x: NDArray[np.floating],
    to_y: NDArray[np.floating],
    to_flux: NDArray[np.floating],
    *,
    model: str = "auto",
    bright: int = 50,
    tolerance: float = 3.0,
    scale_change: float = 0.1,
) -> StarRegistration:
    """Find which stars of two images are the same, and fit how the one lies on the other.

    Nothing is known of the pointing or the rotation. Mirrored images do not match.

    Parameters
    ----------
    x, y, flux : ndarray (n,)
        Stars of the image; positions in pixels, from any origin. Fluxes only tell which are the
        bright ones. Stars that are not finite are left out.
    to_x, to_y, to_flux : ndarray (m,)
        Stars of the image it is registered to.
    model : {"auto", "shift", "similarity", "affine"}
        A shift alone; with rotation and scale; or any linear transformation. "auto" is a shift
        unless rotation and scale fit better, by the Bayesian information criterion: few stars
        tell a rotation badly, which moves the corners.
    bright : int
        Number of brightest stars among which the arrangement is looked for; all enter the fit.
    tolerance : float
        Distance within which stars can be the same, in pixels.
    scale_change : float
        By what fraction the pixel scale may differ.

    Returns
    -------
    StarRegistration

    Raises
    ------
    ValueError
        If the model is none of these, there are fewer than four stars, or no arrangement of the
        stars agrees by more than chance.

    Notes
    -----
    Each pair of bright stars of the one image laid on each pair of the other is a vote for a
    rotation and a scale. Unlike triangles of neighbours, which are fewer to compare, most pairs
    are long, and tell the rotation well even where faint stars are off by a pixel. For the
    rotations with most votes the offsets of all stars vote in turn. What makes most bright stars
    meet is taken, if so many would not by chance. Stars that are each other's nearest are then
    fitted, with a clip, and looked for anew until nothing changes.
    """
    if model not in ("auto", "shift", "similarity", "affine"):
        raise ValueError(f"model {model!r}; auto, shift, similarity or affine")
    here, there = _stars(x, y, flux), _stars(to_x, to_y, to_flux)
    if min(len(here.order), len(there.order)) < 4:
        raise ValueError(
            f"{len(here.order)} and {len(there.order)} stars; at least 4 are needed in both"
        )
    start = _best_hypothesis(
        here.at[here.order[:bright]], there.at[there.order[:bright]], tolerance, scale_change
    )
    if model != "auto":
        return _fit(here, there, start, model, tolerance)
    turned = _fit(here, there, start, "similarity", tolerance)
    shifted = _fit(here, there, (1.0 + 0j, _shift(here, there, turned)), "shift", tolerance)
    count = len(turned.pairs)
    worse = 2 * count * np.log(max(shifted.rms, 1e-3) ** 2 / max(turned.rms, 1e-3) ** 2)
    simple = len(shifted.pairs) >= 0.9 * count and worse < 2 * np.log(2 * count)
    return shifted if simple else turned


def _shift(here: "_Stars", there: "_Stars", found: StarRegistration) -> complex:
    """Return the mean shift of the stars that a registration paired."""
    return complex(np.mean(there.at[found.pairs[:, 1]] - here.at[found.pairs[:, 0]]))


@dataclass(frozen=True)
class _Stars:
    at: NDArray[np.complex128]  # x + iy
    order: NDArray[np.intp]  # good ones, from bright to faint


def _stars(x: NDArray[np.floating], y: NDArray[np.floating], flux: NDArray[np.floating]) -> _Stars:
    at = np.asarray(x, np.float64) + 1j * np.asarray(y, np.float64)
    good = np.nonzero(np.isfinite(at) & np.isfinite(flux))[0]
    order = good[np.argsort(-np.asarray(flux, np.float64)[good], kind="stable")]
    # Of two detections at one place, the brighter: a triangle needs three places.
    _, first = np.unique(at[order], return_index=True)
    return _Stars(at, order[np.sort(first)])


def _plane(at: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.column_stack([at.real, at.imag])


def _best_hypothesis(
    here: NDArray[np.complex128],
    there: NDArray[np.complex128],
    tolerance: float,
    scale_change: float,
) -> tuple[complex, complex]:
    """Return factor and offset, z' = factor z + offset, under which most stars meet."""
    best = (1.0 + 0j, 0j, 0)
    extent = np.ptp(there.real) * np.ptp(there.imag)
    chance = min(1.0, len(there) * np.pi * tolerance**2 / max(extent, 1.0))
    pairs = len(here) * len(there)
    # Most frames are only shifted, or turned by half a turn past the meridian: among so few
    # arrangements, fewer stars convince. Any other is chosen among all pairs of pairs.
    stages = (
        (lambda: [1.0 + 0j, -1.0 + 0j], 2 * pairs),
        (lambda: _likely_factors(here, there, tolerance, scale_change), pairs**2),
    )
    most = 0
    for factors, tries in stages:
        for factor in factors():
            found = _refined(here, there, factor, tolerance)
            if found is None or abs(abs(found[0]) - 1) > scale_change:
                continue
            most = max(most, found[2])
            # Two stars meet by the choice of factor and offset.
            false = tries * float(binom.sf(found[2] - 3, len(here) - 2, chance))
            if found[2] >= 4 and false < _CHANCE and found[2] > best[2]:
                best = found
            if best[2] > 0.8 * min(len(here), len(there)):
                break  # no other will have more
        if best[2]:
            return best[:2]
    raise ValueError(
        f"no arrangement in which the {len(here)} and {len(there)} brightest stars agree by "
        f"more than chance (at best {most} do)"
    )


def _refined(
    here: NDArray[np.complex128],
    there: NDArray[np.complex128],
    factor: complex,
    tolerance: float,
) -> tuple[complex, complex, int] | None:
    """Return the factor, made exact, the offset that most stars agree on, and how many do."""
    tree = KDTree(_plane(there))
    # Offsets of all pairs of stars: those of the same stars are together.
    offsets = (there[None, :] - factor * here[:, None]).ravel()
    cloud = KDTree(_plane(offsets))
    votes = cloud.query_ball_point(_plane(offsets), 2 * tolerance, return_length=True)
    offset = complex(offsets[int(np.argmax(votes))])
    # The factor comes of a bin: what is matched loosely makes it exact.
    for reach in (3 * tolerance, tolerance, tolerance):
        distance, nearest = tree.query(_plane(factor * here + offset))
        met = np.asarray(distance) < reach
        a, b = here[met], there[np.asarray(nearest)[met]]
        if len(a) < 2 or np.ptp(a.real) + np.ptp(a.imag) == 0:
            return None
        da, db = a - a.mean(), b - b.mean()
        factor = complex(np.vdot(da, db) / np.vdot(da, da))
        offset = complex(b.mean() - factor * a.mean())
    nearest = np.asarray(tree.query(_plane(factor * here + offset))[1])
    distance = np.abs(there[nearest] - factor * here - offset)
    return factor, offset, len(np.unique(nearest[distance < tolerance]))


def _likely_factors(
    here: NDArray[np.complex128],
    there: NDArray[np.complex128],
    tolerance: float,
    scale_change: float,
) -> list[complex]:
    """Return rotations with scales that many pairs of stars have in common, most votes first."""
    i, j = np.triu_indices(len(here), 1)
    k, m = np.triu_indices(len(there), 1)
    a, b = here[i] - here[j], there[k] - there[m]
    a, b = a[np.abs(a) > 4 * tolerance], b[np.abs(b) > 4 * tolerance]
    if not (a.size and b.size):
        return []
    ratio: NDArray[np.complex128] = np.log(np.concatenate([b, -b])[:, None] / a[None, :]).ravel()
    limit = np.log1p(scale_change) + 1e-9
    ratio = ratio[np.abs(ratio.real) < limit]
    # Bins as wide as the places of two stars leave the direction of a usual pair open.
    width = min(max(tolerance / float(np.median(np.abs(a))), 1e-3), 0.1)
    size = (max(1, int(2 * limit / width)), max(8, int(2 * np.pi / width)))
    votes, scales, angles = np.histogram2d(
        ratio.real, ratio.imag, bins=size, range=[[-limit, limit], [-np.pi, np.pi]]
    )
    edges: Any = ("constant", "wrap")
    votes = np.asarray(uniform_filter(votes, 3, mode=edges))
    summits = (votes == maximum_filter(votes, 3, mode=edges)) & (votes > 0)
    rows, columns = np.nonzero(summits)
    first = np.argsort(-votes[rows, columns], kind="stable")[:_FACTORS]
    log_scale = 0.5 * (scales[:-1] + scales[1:])[rows[first]]
    angle = 0.5 * (angles[:-1] + angles[1:])[columns[first]]
    return [complex(v) for v in np.exp(log_scale + 1j * angle)]


def _fit(
    here: _Stars, there: _Stars, start: tuple[complex, complex], model: str, tolerance: float
) -> StarRegistration:
    """Match all stars, fit, and again."""
    mine, theirs = here.order, there.order
    a, b = _plane(here.at[mine]), _plane(there.at[theirs])
    factor, offset = start
    matrix = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    shift = np.array([offset.real, offset.imag])
    tree, used, rms = KDTree(b), np.zeros((0, 2), np.intp), 0.0
    for _ in range(_TURNS):
        moved = a @ matrix.T + shift
        distance, nearest = (np.asarray(v) for v in tree.query(moved))
        back = np.asarray(KDTree(moved).query(b)[1])
        same = (back[nearest] == np.arange(len(a))) & (distance < tolerance)
        if rms:
            same &= distance < max(_CLIP * np.sqrt(2) * rms, 1e-6)
        pairs = np.column_stack([np.nonzero(same)[0], nearest[same]])
        if np.array_equal(pairs, used):
            break
        if len(pairs) < 2:
            break
        matrix, shift = _least_squares(a[pairs[:, 0]], b[pairs[:, 1]], model)
        used = pairs
        residual = a[pairs[:, 0]] @ matrix.T + shift - b[pairs[:, 1]]
        rms = float(1.4826 * np.median(np.abs(residual)))
    freedom = {"shift": 2, "similarity": 4, "affine": 6}[model]
    residual = a[used[:, 0]] @ matrix.T + shift - b[used[:, 1]]
    rms = float(np.sqrt(np.sum(residual**2) / max(residual.size - freedom, 1)))
    pairs = np.column_stack([mine[used[:, 0]], theirs[used[:, 1]]])
    return StarRegistration(matrix, shift, pairs, rms, rms / max(len(used), 1) ** 0.5)


def _least_squares(
    a: NDArray[np.float64], b: NDArray[np.float64], model: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    da, db = a - mean_a, b - mean_b
    matrix = np.eye(2)
    if model == "affine":
        matrix = np.linalg.lstsq(da, db, rcond=None)[0].T
    elif model == "similarity":
        cosine = np.sum(da * db)
        sine = np.sum(da[:, 0] * db[:, 1] - da[:, 1] * db[:, 0])
        matrix = np.array([[cosine, -sine], [sine, cosine]]) / np.sum(da**2)
    return matrix, mean_b - matrix @ mean_a
