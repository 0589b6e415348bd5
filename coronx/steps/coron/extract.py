"""Fit the flux and place of companions."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import JwstDataModel

from coronx.errors import InputError, name_of
from coronx.models.companions import COMPANIONS, candidate_places, schema
from coronx.models.reduction import Reduction
from coronx.models.schema import extend
from coronx.ops.companion_fit import CompanionFit, fit_companion
from coronx.ops.companion_sampling import CompanionSamples, sample_companion
from coronx.steps.coron._measuring import MEASURING, PLACING, MeasuringStep

__all__ = ["ExtractStep"]

log = logging.getLogger(__name__)

_SAVED = 5000  # samples of each companion, at most


class ExtractStep(MeasuringStep):
    """Measure companions: place, flux and contrast, by taking them out of the exposures.

    A companion is taken out as the subtraction would have treated it, and what is left fitted by
    generalised least squares; errors hold the noise of speckles.
    """

    class_alias = "coronx_extract"
    beside = ("companions", COMPANIONS)

    spec = (
        """
        guess = float_list(min=2,max=3,default=None)  # East and north of a companion in arcsec, and its flux in Jy if known
        candidates = string(default=None)  # Or what coronx_detect wrote: each candidate is fitted
        fit_radius = float(default=1.5,min=0.5)  # Radius of the disc fitted, in FWHM
        errors = option("annulus", "covariance", default="annulus")  # From the same fit at other position angles, or from least squares alone
        kernel = option("empirical", "matern", "gaussian", default="empirical")  # Correlation of the speckles
        sampler = option("none", "emcee", "dynesty", default="none")  # Sample the posterior, too
        emcee_steps = integer(default=2000,min=100)  # Steps of emcee
        live_points = integer(default=400,min=50)  # Live points of dynesty
        seed = integer(default=1)  # Of the samplers' randomness
        suffix = string(default='extract')  # Suffix of the product
    """  # noqa: E501
        + PLACING
        + MEASURING
    )

    def process(
        self, subtracted: Any, references: Any = None, candidates: Any = None
    ) -> JwstDataModel:
        """Fit companions.

        Parameters
        ----------
        subtracted : str, Path, CubeModel, list, ModelContainer or Reduction
            Association of ``_psfsub`` and ``_psfalign`` products, or exposures.
        references : str, Path, CubeModel or list of them, optional
            Without an association, the references aligned to each exposure.
        candidates : structured array, optional
            Table of candidates, in place of the option's file.

        Returns
        -------
        JwstDataModel
            With the table ``companions``, and ``companion_samples`` if there was a sampler.

        Raises
        ------
        InputError
            If the inputs cannot be used, or there is neither guess nor candidates.
        """
        reduction = self.open_reduction(subtracted, references)
        places, flux = self._places(reduction, candidates)
        psfs = self.psfs(reduction)
        star = self.star(reduction, psfs) if self.knows_star() else None
        fwhm = reduction.fwhm_arcsec / reduction.scale_arcsec
        common = {
            "fwhm": fwhm,
            "half": max(round(self.fit_radius * fwhm), 2),
            "kernel": self.kernel,
        }
        result = JwstDataModel()
        result.update(reduction.models[0])
        extend(result).extend_schema(schema())
        table = np.zeros(len(places), result.get_dtype("companions"))
        star_error = self.star_error(reduction)
        drawn = []
        for n, place in enumerate(places):
            common["known"] = [other for other in places if other is not place]
            try:
                fit = fit_companion(
                    reduction.parts, psfs, guess=(*place, *flux), errors=self.errors, **common
                )
                samples = None if fit.lost else self._samples(reduction, psfs, fit, common)
            except ValueError as err:
                if self.guess is not None or "no usable" not in str(err):
                    raise InputError(f"{name_of(reduction.models[0])}: {err}") from err
                log.warning("Companion %d: %s; its row is empty", n + 1, err)
                _empty(table[n], n + 1, place)
                continue
            if fit.lost:
                log.warning(
                    "Companion %d: lost, the fit ran farther than 1.5 FWHM from the guess at "
                    '%.3f" east, %.3f" north; its row is empty', n + 1, *place,
                )  # fmt: skip
                _empty(table[n], n + 1, place)
                table[n]["lost"] = True
                continue
            _fill(table[n], n + 1, fit, samples, reduction, star)
            _widen(table[n], star_error)
            _tell(table[n])
            if samples is not None:
                every = max(len(samples.samples) // _SAVED, 1)
                drawn.append((n + 1, samples.samples[::every]))
        result.companions = table
        if drawn:
            result.companion_samples = _sample_table(result, drawn, _jansky(reduction))
        return result

    def _places(
        self, reduction: Reduction, table: Any
    ) -> tuple[list[tuple[float, float]], tuple[float, ...]]:
        """Return the places to begin at, and the flux if it is given."""
        if self.guess is not None:
            east, north, *flux = self.guess
            return [(east, north)], tuple(f / _jansky(reduction) for f in flux)
        table = self.candidates if table is None else table
        if table is None:
            raise InputError(
                f"{name_of(reduction.models[0])}: no companion to fit; give guess (east, north in "
                "arcsec), or candidates, the table of coronx_detect"
            )
        if isinstance(table, str | Path):
            table = str(self.input_path(table))
        return candidate_places(table), ()

    def _samples(
        self, reduction: Reduction, psfs: Any, fit: CompanionFit, common: dict[str, Any]
    ) -> CompanionSamples | None:
        if self.sampler == "none":
            return None
        return sample_companion(
            reduction.parts, psfs, fit, sampler=self.sampler, steps=self.emcee_steps,
            live=self.live_points, rng=self.seed, **common,
        )  # fmt: skip


def _jansky(reduction: Reduction) -> float:
    """Return the Jy of a flux of one MJy/sr in one pixel."""
    return 1e6 * reduction.pixel_area_sr


def _empty(row: Any, number: int, place: tuple[float, float]) -> None:
    for name in row.dtype.names:
        if row.dtype[name].kind == "f":
            row[name] = np.nan
    row["number"], row["east"], row["north"] = number, *place


def _fill(
    row: Any,
    number: int,
    fit: CompanionFit,
    samples: CompanionSamples | None,
    reduction: Reduction,
    star: Any,
) -> None:
    unit = _jansky(reduction)
    share, doubt = np.nan, 0.0
    if star is not None:
        share, doubt = unit / star.jansky, np.nan_to_num(star.relative_sigma)
    sigma = fit.sigma
    row["number"] = number
    for name in ("east", "north", "separation", "pa", "snr", "chi2", "dof", "inflation"):
        row[name] = getattr(fit, name)
    row["east_sigma"], row["north_sigma"] = sigma[:2]
    row["separation_sigma"], row["pa_sigma"] = fit.separation_sigma, fit.pa_sigma
    row["flux"], row["flux_sigma"] = fit.flux * unit, sigma[2] * unit
    row["contrast"] = fit.flux * share
    row["contrast_sigma"] = share * np.hypot(sigma[2], fit.flux * doubt)
    row["covariance_east_north"] = fit.covariance[0, 1]
    row["covariance_east_flux"] = fit.covariance[0, 2] * unit
    row["covariance_north_flux"] = fit.covariance[1, 2] * unit
    row["ring_samples"], row["iterations"] = fit.samples, fit.iterations
    row["converged"] = fit.converged
    ends = {name: np.full(2, np.nan) for name in ("east", "north", "flux", "separation", "pa")}
    row["log_evidence"] = np.nan
    if samples is not None:
        row["log_evidence"] = samples.log_evidence
        for k, name in enumerate(("east", "north", "flux")):
            ends[name] = np.array([samples.lower[k], samples.upper[k]])
        ends["separation"] = np.percentile(samples.separation, [15.865, 84.135])
        # Angles about the fit's, lest they wrap at north.
        turn = (samples.pa - fit.pa + 180.0) % 360.0 - 180.0
        ends["pa"] = fit.pa + np.percentile(turn, [15.865, 84.135])
    ends["contrast"] = ends["flux"] * share
    ends["flux"] = ends["flux"] * unit
    for name, (low, high) in ends.items():
        row[f"{name}_low"], row[f"{name}_high"] = low, high


def _widen(row: Any, star_error: float) -> None:
    """Add the error of the star's place, in arcsec along an axis, to the errors of place."""
    turn = np.degrees(np.arctan2(star_error, row["separation"]))
    row["star_sigma"] = 1e3 * star_error
    for name in ("east", "north", "separation", "pa"):
        more = turn if name == "pa" else star_error
        middle = row[name]
        row[f"{name}_sigma"] = np.hypot(row[f"{name}_sigma"], more)
        row[f"{name}_low"] = middle - np.hypot(middle - row[f"{name}_low"], more)
        row[f"{name}_high"] = middle + np.hypot(row[f"{name}_high"] - middle, more)


def _tell(row: Any) -> None:
    log.info(
        'Companion %d: %.4f +- %.4f" at %.2f +- %.2f deg, %.3g +- %.2g Jy, S/N %.1f',
        row["number"], row["separation"], row["separation_sigma"], row["pa"], row["pa_sigma"],
        row["flux"], row["flux_sigma"], row["snr"],
    )  # fmt: skip
    if not row["converged"]:
        log.warning(
            "Companion %d: the fit did not converge; its place is not to be trusted",
            row["number"],
        )  # fmt: skip
    elif row["snr"] < 3.0:
        log.warning("Companion %d: S/N %.1f; the place means little", row["number"], row["snr"])


def _sample_table(
    model: JwstDataModel, drawn: list[tuple[int, np.ndarray]], unit: float
) -> np.ndarray:
    table = np.zeros(sum(len(s) for _, s in drawn), model.get_dtype("companion_samples"))
    table["number"] = np.concatenate([np.full(len(s), n) for n, s in drawn])
    every = np.concatenate([s for _, s in drawn])
    table["east"], table["north"], table["flux"] = every[:, 0], every[:, 1], every[:, 2] * unit
    return table
