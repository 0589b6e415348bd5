"""Posterior of a companion's place and flux (optional extra coronx[sample])."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebpts1
from numpy.typing import NDArray

from coronx.ops.companion_fit import CompanionFit
from coronx.ops.companion_linear import inverse, psf_slopes
from coronx.ops.companion_model import CompanionModel, Part
from coronx.ops.stamp import OffAxisPsf

__all__ = ["CompanionSamples", "sample_companion"]

Array = NDArray[np.float64]
Likelihood = Callable[[Array], Array]

_BOX = 5.0  # sigma to either side of the fit: flat priors end there
_FARTHEST = 2.5  # pixels: where the patches, pinned to the fit, no longer hold the source


@dataclass(frozen=True)
class CompanionSamples:
    """A posterior.

    Attributes
    ----------
    samples : ndarray (n, 3)
        Of (east, north) in arcsec and flux, equally weighted.
    separation, pa : ndarray (n,)
        The same as arcsec and degrees from north to east.
    median, lower, upper : ndarray (3,)
        50th, 16th and 84th percentile.
    covariance : ndarray (3, 3)
    sampler : str
        "emcee" or "dynesty".
    acceptance : float
        Share of accepted moves (emcee), NaN for dynesty.
    autocorrelation : float
        Longest integrated autocorrelation time of a parameter, steps; NaN for dynesty.
    log_evidence, log_evidence_sigma : float
        Natural logarithm of the evidence over that of no companion (dynesty), NaN for emcee.
    """

    samples: Array
    separation: Array
    pa: Array
    median: Array
    lower: Array
    upper: Array
    covariance: Array
    sampler: str
    acceptance: float
    autocorrelation: float
    log_evidence: float
    log_evidence_sigma: float


def sample_companion(
    parts: Sequence[Part],
    psf: OffAxisPsf | Sequence[OffAxisPsf],
    fit: CompanionFit,
    *,
    fwhm: float,
    half: int | None = None,
    known: Sequence[tuple[float, float]] = (),
    kernel: str = "empirical",
    sampler: str = "emcee",
    walkers: int = 32,
    steps: int = 2000,
    live: int = 400,
    rng: np.random.Generator | int | None = None,
    progress: bool = False,
) -> CompanionSamples:
    """Sample the posterior of a companion that was fitted.

    The likelihood is Gaussian with the speckles' covariance, widened by the fit's `inflation`,
    which stands for noise that it does not know (frames that are not independent). The
    residual without the companion is formed exactly at Chebyshev nodes of a box of 5 sigma about
    the fit and interpolated between them, so that a step costs a quadratic form. Priors are flat
    in the box. emcee: Foreman-Mackey et al. 2013, PASP 125, 306; dynesty: Speagle 2020,
    MNRAS 493, 3132.

    Parameters
    ----------
    parts, psf, fwhm, half, known, kernel
        As they were given to `fit_companion`.
    fit : CompanionFit
        Its result.
    sampler : {"emcee", "dynesty"}
        Which package samples.
    walkers, steps : int
        Of emcee; the first quarter of the steps is left out.
    live : int
        Live points of dynesty.
    rng : numpy.random.Generator or int, optional
        Source of randomness.
    progress : bool
        Show a progress bar.

    Returns
    -------
    CompanionSamples

    Raises
    ------
    ValueError
        If the sampler is unknown or not installed, or the fit has no errors to start from.
    """
    if sampler not in ("emcee", "dynesty"):
        raise ValueError(f"sampler {sampler!r}: give emcee or dynesty")
    package = _package(sampler)
    sigma = fit.sigma
    if not (np.isfinite(sigma).all() and (sigma > 0.0).all()):
        raise ValueError(f"the fit has no errors to start from ({sigma}); fit the companion again")
    rng = np.random.default_rng(rng)
    half = max(round(1.5 * fwhm), 3) if half is None else half
    model = CompanionModel(
        parts, psf, (fit.east, fit.north), fwhm=fwhm, half=half, known=known, kernel=kernel
    )
    center = np.array([fit.east, fit.north, fit.flux])
    box = _BOX * sigma
    box[:2] = np.minimum(box[:2], min(_FARTHEST, fwhm) / model.scale)
    likelihood = _likelihood(model, center, box, 1.0 / max(fit.inflation, 1e-6) ** 2)
    draw = _emcee if sampler == "emcee" else _dynesty
    options = {"walkers": walkers, "steps": steps, "live": live, "progress": progress}
    samples, figures = draw(package, likelihood, center, box, sigma, rng, options)
    lower, median, upper = np.percentile(samples, [15.865, 50.0, 84.135], axis=0)
    return CompanionSamples(
        samples,
        np.hypot(samples[:, 0], samples[:, 1]),
        np.degrees(np.arctan2(samples[:, 0], samples[:, 1])) % 360.0,
        median,
        lower,
        upper,
        np.asarray(np.cov(samples.T), dtype=np.float64),
        sampler,
        *figures,
    )


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as err:
        raise ValueError(f"{name} is not installed; pip install 'coronx[sample]'") from err


def _likelihood(model: CompanionModel, center: Array, box: Array, factor: float) -> Likelihood:
    """Return the logarithm of the likelihood of points (n, 3), over that of no companion."""
    linear = all(part.linear for part in model.parts)
    count = 4 if (box[:2] * model.scale).max() <= 0.5 * model.fwhm else 5
    nodes = np.asarray(chebpts1(count), dtype=np.float64)
    fluxes = np.array([-1.0, 1.0]) if linear else np.asarray(chebpts1(3), dtype=np.float64)
    east, north, flux = np.meshgrid(nodes, nodes, fluxes, indexing="ij")
    at = center + box * np.stack([east.ravel(), north.ravel(), flux.ravel()], axis=1)
    view = model.view((float(center[0]), float(center[1])))
    unit: dict[tuple[float, float], Array] = {}
    left: list[Array] = []
    for e, n, f in at:
        place = float(e), float(n)
        if not linear:
            left.append(view.values + model.response(view, place, -float(f)))
            continue
        if place not in unit:
            unit[place] = model.response(view, place, 1.0)
        left.append(view.values - f * unit[place])
    columns = np.stack([*left, view.values], axis=-1)
    # As in the fit: where modes change, what is left counts as the PSF's own derivatives see it.
    filters = psf_slopes(model, view, center[:2], float(center[2]), 0.0)
    gram = np.zeros((columns.shape[-1],) * 2)
    seen, square = np.zeros((3, columns.shape[-1])), np.zeros((3, 3))
    for m in range(len(model)):
        use = model.disc & np.isfinite(view.values[m])
        if use.any() and model.usable(m):
            rows, cols = np.nonzero(use)
            both = np.concatenate([filters[m][use], columns[m][use]], axis=1)
            white = model.whiten(m, rows + view.rows[m], cols + view.cols[m], both)
            square += white[:, :3].T @ white[:, :3]
            seen += white[:, :3].T @ white[:, 3:]
            gram += white[:, 3:].T @ white[:, 3:]
    if not linear:
        gram = seen.T @ inverse(square) @ seen
    nothing = gram[-1, -1]
    gram = gram[:-1, :-1]
    by_place, by_flux = _barycentric(nodes), _barycentric(fluxes)

    def likelihood(points: Array) -> Array:
        scaled = (np.atleast_2d(points) - center) / box
        weights = np.einsum(
            "ni,nj,nk->nijk",
            by_place(scaled[:, 0]), by_place(scaled[:, 1]), by_flux(scaled[:, 2]),
        ).reshape(len(scaled), -1)  # fmt: skip
        chi2 = np.einsum("ni,ij,nj->n", weights, gram, weights, optimize=True)
        inside = (np.abs(scaled) <= 1.0).all(axis=1)
        return np.where(inside, 0.5 * factor * (nothing - chi2), -np.inf)

    return likelihood


def _barycentric(nodes: Array) -> Callable[[Array], Array]:
    """Return a function that gives Lagrange's weights of the nodes at points, (n, nodes)."""
    others = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(others, 1.0)
    scale = 1.0 / others.prod(axis=1)

    def weights(points: Array) -> Array:
        gaps = points[:, None] - nodes[None, :]
        out = np.empty(gaps.shape)
        for k in range(nodes.size):
            out[:, k] = scale[k] * np.delete(gaps, k, axis=1).prod(axis=1)
        return out

    return weights


def _emcee(
    package: Any,
    likelihood: Likelihood,
    center: Array,
    box: Array,
    sigma: Array,
    rng: np.random.Generator,
    options: dict[str, Any],
) -> tuple[Array, tuple[float, float, float, float]]:
    walkers, steps = options["walkers"], options["steps"]
    spread = np.minimum(sigma, 0.2 * box)
    start = center + spread * rng.uniform(-1.0, 1.0, (walkers, 3))
    sampler = package.EnsembleSampler(walkers, 3, likelihood, vectorize=True)
    # Its randomness is NumPy's older kind.
    state = np.random.RandomState(int(rng.integers(2**31))).get_state()
    first = package.State(start, random_state=state)
    sampler.run_mcmc(first, steps, progress=options["progress"])
    times = sampler.get_autocorr_time(discard=steps // 4, tol=0)
    samples = np.asarray(sampler.get_chain(discard=steps // 4, flat=True), dtype=np.float64)
    acceptance = float(np.mean(sampler.acceptance_fraction))
    return samples, (acceptance, float(np.max(times)), np.nan, np.nan)


def _dynesty(
    package: Any,
    likelihood: Likelihood,
    center: Array,
    box: Array,
    sigma: Array,
    rng: np.random.Generator,
    options: dict[str, Any],
) -> tuple[Array, tuple[float, float, float, float]]:
    del sigma

    def logarithm(point: Array) -> float:
        return float(likelihood(point)[0])

    def prior(cube: Array) -> Array:
        return center + box * (2.0 * cube - 1.0)

    sampler = package.NestedSampler(
        logarithm,
        prior,
        3,
        nlive=options["live"],
        rstate=rng,
    )
    sampler.run_nested(print_progress=options["progress"])
    found = sampler.results
    samples = np.asarray(found.samples_equal(rstate=rng), dtype=np.float64)
    return samples, (np.nan, np.nan, float(found.logz[-1]), float(found.logzerr[-1]))
