"""Contrast limits: how faint a companion would have been seen beside the star."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import ContrastModel

from coronx.errors import InputError, name_of
from coronx.models.flux_products import (
    LIMITS,
    describe,
    flux_schema,
    jansky,
    map_fluxes,
    map_without,
)
from coronx.models.option_text import parse_companions
from coronx.models.reduction import Reduction
from coronx.models.schema import extend
from coronx.ops.companion_fit import CompanionFit
from coronx.ops.contrast import contrast_map, curve_of
from coronx.ops.flux_map import FluxMap
from coronx.ops.ring_noise import masked_places
from coronx.ops.small_sample import FIVE_SIGMA
from coronx.steps.coron._measuring import MEASURING, MeasuringStep

__all__ = ["ContrastStep", "known_companions"]

log = logging.getLogger(__name__)

_IMAGES = {
    "contrast_map": ("Calibrated contrast limit", "LIMITMAP"),
    "raw_map": ("Limit without corrections", "RAWMAP"),
    "throughput": ("Share that the subtraction leaves", "THROUGH"),
    "transmission": ("Share that the mask lets pass", "TRANSMIT"),
}


class ContrastStep(MeasuringStep):
    """Measure how faint a companion would have been seen, as a curve and as a map.

    The flux of a point source is fitted at every place; the noise of that map in rings about the
    star, with the threshold that few resolution elements need, is the limit. It is corrected for
    what the subtraction and the mask take.
    """

    class_alias = "coronx_contrast"
    beside = ("limits", LIMITS)

    spec = (
        """
        false_alarm = float(default=None)  # Probability of noise above the limit at one place; by default that of five sigma
        outer = float(default=None)  # Half of the map's side in arcsec; by default it holds the whole frame
        companions = string_list(default=None)  # Known companions left out of the noise, separation:PA in arcsec and degrees; by default those of the subtraction
        companion_radius = float(default=2.5,min=0.0)  # Radius left out, in FWHM
        remove_companions = boolean(default=True)  # Take their light out of the exposures first, as fitted there: their lobes reach beyond that radius
        robust = boolean(default=False)  # Noise by median absolute deviation
        filter_radius = float(default=None,min=0.0)  # Standard deviation in FWHM of the Gaussian window to the core that is the matched filter, 0: the whole PSF; by default 1.5, with ADI and ARDI 0.8
        suffix = string(default='limits')  # Suffix of the product
    """  # noqa: E501
        + MEASURING
    )

    def process(self, subtracted: Any, references: Any = None) -> ContrastModel:
        """Measure the limits.

        Parameters
        ----------
        subtracted : str, Path, CubeModel, list, ModelContainer or Reduction
            Association of ``_psfsub`` and ``_psfalign`` products, or exposures.
        references : str, Path, CubeModel or list of them, optional
            Without an association, the references aligned to each exposure.

        Returns
        -------
        ContrastModel
            The host's table of radius in pixels and sigma in Jy; the table ``limits``; maps north
            up and east left, the star in the middle.

        Raises
        ------
        InputError
            If the inputs cannot be used, or no place has a limit.
        """
        chance = FIVE_SIGMA if self.false_alarm is None else self.false_alarm
        if not 0.0 < chance < 0.5:
            raise InputError(f"false_alarm = {chance}: give a probability, above 0 and below 0.5")
        reduction = self.open_reduction(subtracted, references)
        psfs = self.psfs(reduction)
        star = self.star(reduction, psfs)
        unit, fwhm = jansky(reduction), reduction.fwhm_arcsec
        known = known_companions(self, reduction)
        options = {"outer": self.outer, "filter_radius": self.filter_radius}
        fluxes = map_fluxes(reduction, psfs, **options)
        if known and self.remove_companions:
            places = _by_height(fluxes, known, 0.5 * fwhm)
            fluxes, fits = map_without(reduction, psfs, places, fluxes, **options)
            _tell_removed(places, fits, star.jansky / unit)
        common = {"fwhm": fwhm, "star_flux": star.jansky / unit, "masked": known}
        limits = contrast_map(fluxes, **common, false_alarm=chance, robust=self.robust)
        grid = fluxes.grid
        at = np.arange(fwhm, grid.half * grid.scale, 0.5 * fwhm)
        curve = curve_of(limits, fluxes, at, **common)
        if not np.isfinite(curve.calibrated).any():
            raise InputError(
                f"{name_of(reduction.models[0])}: nothing left to tell the noise from at any "
                "separation; mask fewer companions, or a smaller radius"
            )
        result = ContrastModel()
        result.update(reduction.models[0])
        extend(result).extend_schema(
            flux_schema(_IMAGES, {"limits": ("Limits about the star", "LIMITS", LIMITS)})
        )
        describe(result, reduction, star, grid)
        result.meta.coronx.false_alarm = chance
        for name, image in zip(
            _IMAGES,
            (limits.calibrated, limits.raw, fluxes.throughput, fluxes.transmission),
            strict=True,
        ):
            setattr(result, name, image.astype(np.float32))
        table = np.zeros(at.size, result.get_dtype("limits"))
        for name in table.dtype.names:
            table[name] = at / fwhm if name == "separation_ld" else getattr(curve, name)
        table["sigma"] *= unit
        result.limits = table
        plain = np.zeros(at.size, result.get_dtype("contrast_table"))
        plain["radius"], plain["sigma"] = at / grid.scale, table["sigma"]
        result.contrast_table = plain
        _tell(table)
        return result


def known_companions(step: Any, reduction: Reduction) -> list[tuple[float, float, float]]:
    """Return (east, north, radius) in arcsec of companions that a step is to leave out."""
    told = step.companions
    found = reduction.recipe.companions if told is None else parse_companions(told)
    radius = step.companion_radius * reduction.fwhm_arcsec
    return [
        (away * np.sin(np.radians(angle)), away * np.cos(np.radians(angle)), radius)
        for away, angle in found
    ]


def _by_height(
    fluxes: FluxMap, known: Sequence[tuple[float, float, float]], near: float
) -> list[tuple[float, float]]:
    """Return companions' places, the brightest first."""
    height = []
    for east, north, _ in known:
        found = fluxes.flux[masked_places(fluxes.grid, [(east, north, near)])]
        height.append(np.max(found[np.isfinite(found)], initial=-np.inf))
    return [known[k][:2] for k in np.argsort(height)[::-1]]


def _tell_removed(
    places: Sequence[tuple[float, float]], fits: Sequence[CompanionFit | None], star_flux: float
) -> None:
    for place, fit in zip(places, fits, strict=True):
        if fit is None:
            log.info('Companion at %.2f": too faint to take out; masked alone', np.hypot(*place))
        else:
            log.info(
                'Companion at %.3f", %.2f deg: contrast %.3g, taken out', fit.separation, fit.pa,
                fit.flux / star_flux,
            )  # fmt: skip


def _tell(table: np.ndarray) -> None:
    for near in (0.5, 1.0, 2.0):
        row = table[np.abs(table["separation"] - near).argmin()]
        if abs(row["separation"] - near) < 0.2 and np.isfinite(row["calibrated"]):
            log.info(
                'Contrast %.2g at %.2f" (throughput %.2f, transmission %.2f)',
                row["calibrated"], row["separation"], row["throughput"], row["transmission"],
            )  # fmt: skip
