"""What a companion is fitted to: patches of residuals about its place, and what noise is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from coronx.ops.frame_groups import group_frames, group_means
from coronx.ops.speckle_covariance import SpeckleCovariance, speckle_covariance
from coronx.ops.stamp import OffAxisPsf

__all__ = ["CompanionModel", "Part", "PatchArrays", "View"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Whole = NDArray[np.int_]

_MARGIN = 2  # pixels around a patch, so that templates can be moved and turned


class PatchArrays(Protocol):
    """Pieces of a stack: values and errors (n, h, h), and the places of their first pixels."""

    @property
    def values(self) -> Array: ...  # noqa: D102
    @property
    def err(self) -> Array: ...  # noqa: D102
    @property
    def rows(self) -> Whole: ...  # noqa: D102
    @property
    def cols(self) -> Whole: ...  # noqa: D102


class Part(Protocol):
    """One subtraction: its residual, and what would become of light added to its frames.

    `residual` and `err` are (n, ny, nx), NaN where bad; `matrices` (n, 2, 2) turn (east, north)
    in arcsec from `star` (x, y) into pixels. `response` is the change of the residual
    if a source is added, or taken out by a negative flux.
    """

    @property
    def residual(self) -> NDArray[np.floating]: ...  # noqa: D102
    @property
    def err(self) -> NDArray[np.floating]: ...  # noqa: D102
    @property
    def star(self) -> tuple[float, float]: ...  # noqa: D102
    @property
    def matrices(self) -> Array: ...  # noqa: D102
    @property
    def linear(self) -> bool: ...  # noqa: D102
    def patches(self, east: float, north: float, *, half: int) -> PatchArrays: ...  # noqa: D102
    def response(  # noqa: D102
        self, psf: OffAxisPsf, east: float, north: float, flux: float = 1.0, *, half: int
    ) -> PatchArrays: ...


@dataclass(frozen=True)
class View:
    """Patches about one place, frames of one orientation averaged.

    Attributes
    ----------
    values, extra : ndarray (m, h, h)
        Averaged residual, and variance above what is usual at this separation; NaN and 0 where
        nothing is known. A margin about the patch is there too.
    rows, cols : ndarray of int (m,)
        Places of the first pixels.
    masks : list of ndarray of bool (n, h, h)
        Of each part: what was averaged.
    """

    values: Array
    extra: Array
    rows: Whole
    cols: Whole
    masks: list[Mask]


class CompanionModel:
    """Residuals of all parts about a companion, their noise, and a companion's response there.

    Parameters
    ----------
    parts : sequence of Part
        The subtractions, an exposure each.
    psf : OffAxisPsf or sequence of them
        Of unit total flux, as `Part.response` takes it; one for all parts, or one for each.
    place : tuple of float
        (east, north) in arcsec, to within a resolution element.
    fwhm : float
        Resolution element, pixels.
    half : int
        Patches are discs of this radius in pixels.
    known : sequence of tuple of float
        (east, north) of other companions: left out of noise and patches.
    kernel : str
        Of the speckles; see `speckle_covariance`.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        psf: OffAxisPsf | Sequence[OffAxisPsf],
        place: tuple[float, float],
        *,
        fwhm: float,
        half: int,
        known: Sequence[tuple[float, float]] = (),
        kernel: str = "empirical",
    ) -> None:
        self.parts, self.fwhm, self.half = parts, fwhm, half
        self.psfs = list(psf) if isinstance(psf, Sequence) else [psf] * len(parts)
        if len(self.psfs) != len(parts):
            raise ValueError(
                f"{len(self.psfs)} PSFs for {len(parts)} subtractions; give one of each"
            )
        self._groups = [group_frames(part.matrices, float(np.hypot(*place))) for part in parts]
        firsts = [np.unique(group, return_index=True)[1] for group in self._groups]
        self.matrices = np.concatenate([p.matrices[f] for p, f in zip(parts, firsts, strict=True)])
        self.stars = np.concatenate(
            [np.tile(p.star, (f.size, 1)) for p, f in zip(parts, firsts, strict=True)]
        )
        self.part_of = np.repeat(np.arange(len(parts)), [f.size for f in firsts])
        self.index = np.concatenate([np.arange(f.size) for f in firsts])
        self.scale = float(np.sqrt(np.abs(np.linalg.det(self.matrices))).mean())
        self.separation = float(np.hypot(*place)) * self.scale
        self._images: list[Array] = []
        self._usual: list[Array] = []
        self.noise: list[SpeckleCovariance] = []
        for k, part in enumerate(parts):
            image = group_means(part.residual, np.isfinite(part.residual), self._groups[k])[0]
            off = self._near(image.shape, k, [place, *known], 1.5 * fwhm)
            self.noise.append(
                speckle_covariance(
                    image, part.star, self.separation, half=half, masked=off, kernel=kernel
                )
            )
            others = self._near(image.shape, k, known, fwhm)
            image[others] = np.nan
            self._images.append(image)
            self._usual.append(self._ring_variance(part, self._groups[k], off))
        self._roots: dict[tuple[int, bytes, bytes], Array] = {}

    def __len__(self) -> int:
        """Return the number of patches: orientations of all parts."""
        return self.part_of.size

    def view(self, place: tuple[float, float]) -> View:
        """Return the residual about a place."""
        wide = self.half + _MARGIN
        out: list[tuple[Array, Array, Whole, Whole, Mask]] = []
        for k, part in enumerate(self.parts):
            got, group = part.patches(*place, half=wide), self._groups[k]
            mask = np.isfinite(got.values)
            values, _ = group_means(got.values, mask, group)
            first = np.unique(group, return_index=True)[1]
            variance, count = group_means(np.square(got.err), mask, group)
            extra = variance / np.maximum(count, 1) - self._usual[k][:, None, None]
            extra = np.where(np.isfinite(extra), extra, 0.0).clip(0.0)
            rows, cols = got.rows[first], got.cols[first]
            for value, row, col, image in zip(values, rows, cols, self._images[k], strict=True):
                value[np.isnan(_cut(image, row, col, value.shape[0]))] = np.nan
            out.append((values, extra, rows, cols, mask))
        values, extra = np.concatenate([o[0] for o in out]), np.concatenate([o[1] for o in out])
        rows, cols = np.concatenate([o[2] for o in out]), np.concatenate([o[3] for o in out])
        return View(values, extra, rows, cols, [o[4] for o in out])

    def response(self, view: View, place: tuple[float, float], flux: float) -> Array:
        """Return the change of a view's residual if a source is added at a place, (m, h, h).

        The place lies within a pixel or so of the view's.
        """
        wide = self.half + _MARGIN
        size = 2 * wide + 1
        out: list[Array] = []
        start = 0
        for k, part in enumerate(self.parts):
            got = part.response(self.psfs[k], *place, flux, half=wide + 1)
            group = self._groups[k]
            count = int(group.max()) + 1
            rows, cols = view.rows[start : start + count], view.cols[start : start + count]
            moved = np.zeros((len(group), size, size))
            for n, g in enumerate(group):
                piece = _cut(got.values[n], rows[g] - got.rows[n], cols[g] - got.cols[n], size)
                moved[n] = np.nan_to_num(piece)
            out.append(np.nan_to_num(group_means(moved, view.masks[k], group)[0]))
            start += count
        return np.concatenate(out)

    @property
    def disc(self) -> Mask:
        """Pixels of a patch, margin and all, that take part: a disc of radius `half`."""
        wide = self.half + _MARGIN
        rows, cols = np.indices((2 * wide + 1, 2 * wide + 1)) - wide
        return np.hypot(rows, cols) <= self.half + 0.5

    def whiten(
        self, m: int, rows: Whole, cols: Whole, values: Array, *, correlated: bool = True
    ) -> Array:
        """Return values (n, k) at pixels of orientation m, made white and of unit variance.

        If not `correlated`, they are only divided by the pixels' scatter.
        """
        root, sigma = self._noise_at(m, rows, cols)
        if not correlated:
            return values / sigma[:, None]
        return solve_triangular(root, values / sigma[:, None], lower=True, check_finite=False)

    def weigh(self, m: int, rows: Whole, cols: Whole, white: Array) -> Array:
        """Return the inverse covariance times values, which are given as made white (n, k)."""
        root, sigma = self._noise_at(m, rows, cols)
        back = solve_triangular(root.T, white, lower=False, check_finite=False)
        return back / sigma[:, None]

    def _noise_at(self, m: int, rows: Whole, cols: Whole) -> tuple[Array, Array]:
        """Return the root of the correlation matrix of pixels, and their scatter."""
        noise = self.noise[self.part_of[m]]
        x, y = self.stars[m]
        sigma = noise.sigma(self.index[m], np.hypot(cols - x, rows - y))
        key = (int(self.part_of[m]), (rows - rows[0]).tobytes(), (cols - cols[0]).tobytes())
        root = self._roots.get(key)
        if root is None:
            root = self._roots[key] = np.linalg.cholesky(noise.correlations(rows, cols))
        return root, sigma

    def usable(self, m: int) -> bool:
        """Return whether the noise of orientation m is known."""
        scatter = self.noise[self.part_of[m]].scatter[self.index[m]]
        return bool(np.isfinite(scatter) and scatter > 0.0)

    def images(self) -> list[Array]:
        """Return the averaged residual of every orientation, (ny, nx), other companions NaN."""
        return [self._images[k][i] for k, i in zip(self.part_of, self.index, strict=True)]

    def without(self, place: tuple[float, float], flux: float) -> list[Array]:
        """Return the averaged residual of every orientation, a companion taken out of it."""
        images: list[Array] = []
        for k, part in enumerate(self.parts):
            group = self._groups[k]
            half = self.half + _MARGIN if part.linear else 3 * self.half
            got = part.response(self.psfs[k], *place, -flux, half=half)
            change = group_means(np.nan_to_num(got.values), np.isfinite(got.values), group)[0]
            first = np.unique(group, return_index=True)[1]
            for g, n in enumerate(first):
                image = self._images[k][g].copy()
                size = image.shape
                row, col = int(got.rows[n]), int(got.cols[n])
                rows = slice(max(row, 0), max(min(row + 2 * half + 1, size[0]), 0))
                cols = slice(max(col, 0), max(min(col + 2 * half + 1, size[1]), 0))
                image[rows, cols] += np.nan_to_num(change[g])[
                    rows.start - row : rows.stop - row, cols.start - col : cols.stop - col
                ]
                images.append(image)
        return images

    def _near(
        self,
        shape: tuple[int, ...],
        part: int,
        places: Sequence[tuple[float, float]],
        radius: float,
    ) -> Mask:
        out = np.zeros(shape, bool)
        y, x = np.indices(shape[1:])
        of = self.part_of == part
        for image, matrix, star in zip(out, self.matrices[of], self.stars[of], strict=True):
            for place in places:
                at = star + matrix @ np.asarray(place)
                image |= np.hypot(x - at[0], y - at[1]) <= radius
        return out

    def _ring_variance(self, part: Part, group: Whole, off: Mask) -> Array:
        """Return the usual variance by ERR of each averaged image at this separation."""
        variance, count = group_means(np.square(part.err), np.isfinite(part.residual), group)
        variance = variance / np.maximum(count, 1)
        y, x = np.indices(variance.shape[1:])
        r = np.hypot(x - part.star[0], y - part.star[1])
        ring = np.abs(r - self.separation) <= self.half
        out = np.full(len(variance), np.inf)
        for n, image in enumerate(variance):
            take = image[ring & ~off[n] & np.isfinite(image)]
            if take.size:
                out[n] = np.median(take)
        return out


def _cut(image: Array, row: int, col: int, size: int) -> Array:
    """Return a square of an image that may hang over its edge, NaN there."""
    out = np.full((size, size), np.nan)
    top, left = max(-row, 0), max(-col, 0)
    piece = image[max(row, 0) : max(row + size, 0), max(col, 0) : max(col + size, 0)]
    out[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
    return out
