"""The flux of a point source at every place about a star, from all its subtracted exposures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from coronx.ops.core_filter import core_filter
from coronx.ops.filtered_frames import CoreCorrelation, Correlation
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.map_correlation import MapCorrelation, map_correlation

__all__ = ["FluxMap", "PointSource", "SubtractedFrames", "Throughput", "flux_map", "like_matrices"]

Array = NDArray[np.float64]
Throughput = Array | Callable[[Array], Array]

_ALIKE = 0.01  # pixels at the grid's edge that frames summed before the transform may differ by
_SPLINE = 5  # a cubic one errs by 1 % of the peak for PSFs of two pixels


class SubtractedFrames(Protocol):
    """One exposure's residuals, star-aligned."""

    @property
    def residual(self) -> Array:
        """Values, (n, ny, nx), NaN where bad."""
        ...

    @property
    def err(self) -> Array:
        """Errors of one sigma, (n, ny, nx)."""
        ...

    @property
    def star(self) -> tuple[float, float]:
        """Star's 0-based (x, y)."""
        ...

    @property
    def matrices(self) -> Array:
        """From (east, north) in arcsec to (x, y) in pixels, (n, 2, 2)."""
        ...

    @property
    def linear(self) -> bool:
        """Whether light of the star's surroundings is in no reference."""
        ...

    def kept(self, kernel: Array, weights: Array | None = None) -> Array:
        """Return the share of a PSF's flux that a filter finds at every pixel, (ny, nx).

        The filter is the PSF if there are no `weights`.
        """
        ...


class PointSource(Protocol):
    """What a point source looks like in an exposure."""

    @property
    def kernel(self) -> Array:
        """Its image where the mask takes nothing, unit flux, on the middle of an odd square."""
        ...

    def transmission(self, shape: tuple[int, int]) -> Array:
        """Return the share of its light that the mask lets pass at every pixel, (ny, nx)."""
        ...


Part = TypeVar("Part", bound=SubtractedFrames)


@dataclass(frozen=True)
class FluxMap:
    """Flux of a point source at every place of a grid about the star.

    Attributes
    ----------
    grid : FluxGrid
        Where the values are.
    flux : ndarray (n, n)
        In the unit that the PSF's flux of 1 has in the frames; corrected for what the
        subtraction took and for the mask. NaN where too little was observed.
    sigma : ndarray (n, n)
        Error of one sigma from the frames' ERR, as if pixels were independent; what speckles
        add is measured in rings (`ring_noise`).
    raw, raw_sigma : ndarray (n, n)
        The same estimate, and error, without both corrections.
    throughput : ndarray (n, n)
        Share of a source's flux that the subtraction left.
    transmission : ndarray (n, n)
        Share that the mask let pass.
    coverage : ndarray (n, n)
        Share of the PSF that fell on good pixels, mean of all frames; finite everywhere.
    correlation : MapCorrelation
        Of the map's noise, from the first exposure's PSF and all frames' matrices.
    """

    grid: FluxGrid
    flux: Array
    sigma: Array
    raw: Array
    raw_sigma: Array
    throughput: Array
    transmission: Array
    coverage: Array
    correlation: MapCorrelation


@dataclass
class _Sums:
    """What is summed over frames on the sky, each (n, n)."""

    signal: Array  # sum of T <f, r> / v
    raw: Array  # sum of <f, r> / v
    seen: Array  # sum of <f, p> / v
    passed: Array  # sum of T <f, p> / v
    power: Array  # sum of T^2 <f, p> / v
    left: Array  # the same times what the subtraction leaves
    raw_noise: Array  # sum of <f, f> / v
    noise: Array  # sum of T^2 <f, f> / v
    covered: Array  # sum of <p, p> over good pixels
    best: float  # what that could have been

    @classmethod
    def zeros(cls, shape: tuple[int, int]) -> "_Sums":
        """Return sums of nothing."""
        return cls(*(np.zeros(shape) for _ in range(9)), best=0.0)


def flux_map(
    parts: Sequence[Part],
    psf_of: Callable[[Part], PointSource],
    *,
    grid: FluxGrid,
    throughput: Throughput | None = None,
    core: float | None = None,
    least_coverage: float = 0.3,
) -> FluxMap:
    """Fit a point source at every place of a grid to all frames of a star.

    The estimate is sum T <f, r> / v over sum T^2 k <f, p> / v, with p the PSF, f the filter, r the
    residual, T the mask's transmission, k what the subtraction leaves, and v the mean variance
    under the PSF, summed over good pixels and all frames: the matched filter of Ruffio et al.
    (2017, ApJ 842, 14) with one weight for each frame and place. Inner products are Fourier
    correlations; they are brought to the sky by splines.

    The filter is the PSF itself, the best in noise that is white, or (`core`) its core above a
    level: of a fit of PSF and level within a Gaussian window, the PSF's part. Speckles and what
    ADI leaves of them are smoother than noise, and the wings of a companion are not left.

    Parameters
    ----------
    parts : sequence of SubtractedFrames
        Exposures.
    psf_of : callable
        Returns the PSF of an exposure.
    grid : FluxGrid
        Where to measure.
    throughput : ndarray (n, n) or callable, optional
        What the subtraction leaves on the grid, or a function of separation in arcsec, for
        exposures that are not linear; linear ones say it themselves.
    core : float, optional
        Standard deviation of the window in pixels; a `throughput` that is given must have been
        measured by the same filter.
    least_coverage : float
        Places with less of the PSF on good pixels are NaN.

    Returns
    -------
    FluxMap

    Raises
    ------
    ValueError
        If there is no exposure, a PSF is larger than the frame or not odd and square, or an
        exposure is not linear and no throughput is given.
    """
    if not parts:
        raise ValueError("a flux map needs an exposure")
    given = None
    if throughput is not None:
        given = throughput(grid.separation) if callable(throughput) else np.asarray(throughput)
        given = np.broadcast_to(given, grid.shape)
    sums = _Sums.zeros(grid.shape)
    for part in parts:
        if not part.linear and given is None:
            raise ValueError("an exposure subtracted by its own star needs a throughput")
        _add(sums, part, psf_of(part), grid, None if part.linear else given, core)
    first = np.asarray(psf_of(parts[0]).kernel, np.float64)
    coverage = sums.covered / sums.best
    seen = (coverage >= least_coverage) & (sums.left > 0.0)

    def over(upper: Array, lower: Array) -> Array:
        return np.divide(upper, lower, out=np.full(grid.shape, np.nan), where=seen)

    return FluxMap(
        grid,
        flux=over(sums.signal, sums.left),
        sigma=over(np.sqrt(np.maximum(sums.noise, 0.0)), sums.left),
        raw=over(sums.raw, sums.seen),
        raw_sigma=over(np.sqrt(np.maximum(sums.raw_noise, 0.0)), sums.seen),
        throughput=over(sums.left, sums.power),
        transmission=over(sums.passed, sums.seen),
        coverage=coverage,
        correlation=map_correlation(
            first,
            np.concatenate([part.matrices for part in parts]),
            weights=None if core is None else core_filter(first, core),
        ),
    )


def like_matrices(matrices: Array, reach: float) -> list[NDArray[np.intp]]:
    """Return the frames, in groups, whose matrices put every place out to `reach` arcsec alike."""
    left = np.arange(len(matrices))
    groups: list[NDArray[np.intp]] = []
    while left.size:
        apart = np.abs(matrices[left] - matrices[left[0]]).sum(axis=2).max(axis=1) * reach
        groups.append(left[apart < _ALIKE])
        left = left[apart >= _ALIKE]
    return groups


def _add(
    sums: _Sums,
    part: SubtractedFrames,
    psf: PointSource,
    grid: FluxGrid,
    given: Array | None,
    core: float | None,
) -> None:
    """Add one exposure."""
    kernel = np.asarray(psf.kernel, np.float64)
    shape = part.residual.shape[1:]
    side = kernel.shape[0]
    if kernel.shape != (side, side) or side % 2 == 0 or side > min(shape):
        raise ValueError(
            f"a PSF of {kernel.shape} pixels is not an odd square within the frame of {shape}"
        )
    correlate = Correlation(kernel, shape) if core is None else CoreCorrelation(kernel, shape, core)
    power = float((kernel**2).sum())
    passes = np.clip(np.nan_to_num(psf.transmission(shape)), 0.0, None)
    weights = None if core is None else core_filter(kernel, core)
    kept = np.nan_to_num(part.kept(kernel, weights)) if given is None else passes
    offsets = np.stack([grid.east, grid.north])
    for group in like_matrices(part.matrices, grid.half * grid.scale):
        signal, weight, covered, variance = correlate.frames(part.residual[group], part.err[group])
        per_variance = np.divide(1.0, variance, out=np.zeros(shape), where=variance > 0.0)
        x, y = np.tensordot(part.matrices[group[0]], offsets, 1)
        at = np.stack([y + part.star[1], x + part.star[0]])
        sharp = _at(signal * per_variance, at, _SPLINE)
        seen = _at(weight * per_variance, at, 1)
        share = _at(passes, at, 1)
        left = _at(kept, at, 1) if given is None else given
        sums.signal += share * sharp
        sums.raw += sharp
        sums.seen += seen
        sums.passed += share * seen
        sums.power += share**2 * seen
        sums.left += share**2 * seen * left
        sums.raw_noise += seen * correlate.noise
        sums.noise += share**2 * seen * correlate.noise
        sums.covered += _at(covered, at, 1)
        sums.best += power * len(group)


def _at(image: Array, at: Array, order: int) -> Array:
    """Return an image's values at places (y, x), zero beyond it."""
    return np.asarray(map_coordinates(image, at, order=order, mode="constant"))
