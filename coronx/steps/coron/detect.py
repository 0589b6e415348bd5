"""Find companions beside the star."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.units import arcsec
from stdatamodels.jwst.datamodels import ImageModel

from coronx.errors import InputError
from coronx.models.flux_products import (
    CANDIDATES,
    describe,
    flux_schema,
    jansky,
    map_fluxes,
    map_without,
)
from coronx.models.pointing import find_star, sky_of
from coronx.models.reduction import Reduction
from coronx.models.schema import extend
from coronx.ops.detection import Candidate, Detections, find_candidates
from coronx.ops.flux_map import FluxMap
from coronx.ops.lobes import clear_lobes
from coronx.ops.stim import Stim, stim
from coronx.steps.coron._measuring import MEASURING, PLACING, MeasuringStep
from coronx.steps.coron.contrast import known_companions

__all__ = ["DetectStep"]

log = logging.getLogger(__name__)

_IMAGES = {
    "snr": ("Student's t of the flux", "SNR"),
    "sigmas": ("The same in sigmas of a Gaussian", "SIGMAS"),
    "throughput": ("Share that the subtraction leaves", "THROUGH"),
    "transmission": ("Share that the mask lets pass", "TRANSMIT"),
    "stim": ("Mean over standard deviation of the frames", "STIM"),
    "stim_inverse": ("The same of frames turned the other way", "STIMINV"),
}


class DetectStep(MeasuringStep):
    """Find companions in the matched-filter map of all exposures of a star.

    A candidate is a peak that noise makes anywhere in the field with less than the stated
    probability.
    """

    class_alias = "coronx_detect"
    beside = ("candidates", CANDIDATES)

    spec = (
        """
        false_alarm = float(default=0.01)  # Probability that noise alone makes a candidate anywhere in the field
        inner = float(default=None)  # Separation in arcsec from which to search; one FWHM by default
        outer = float(default=None)  # Half of the map's side in arcsec, and the largest separation; by default the whole frame
        companions = string_list(default=None)  # Known companions left out of the noise, separation:PA in arcsec and degrees; by default those of the subtraction
        companion_radius = float(default=2.5,min=0.0)  # Radius left out, in FWHM
        remove_companions = boolean(default=True)  # Take the lobes of bright candidates out of the map, as fitted in the exposures, before it is searched
        robust = boolean(default=False)  # Noise by median absolute deviation
        filter_radius = float(default=None,min=0.0)  # Standard deviation in FWHM of the Gaussian window to the core that is the matched filter, 0: the whole PSF; by default 1.5, with ADI and ARDI 0.8
        suffix = string(default='detect')  # Suffix of the product
    """  # noqa: E501
        + PLACING
        + MEASURING
    )

    def process(self, subtracted: Any, references: Any = None) -> ImageModel:
        """Search for companions.

        Parameters
        ----------
        subtracted : str, Path, CubeModel, list, ModelContainer or Reduction
            Association of ``_psfsub`` and ``_psfalign`` products, or exposures.
        references : str, Path, CubeModel or list of them, optional
            Without an association, the references aligned to each exposure.

        Returns
        -------
        ImageModel
            Flux of a point source in Jy at every place and its noise, north up and east left,
            the star in the middle; maps of significance, STIM maps, and the table ``candidates``.

        Raises
        ------
        InputError
            If the inputs cannot be used.
        """
        if not 0.0 < self.false_alarm < 1.0:
            raise InputError(
                f"false_alarm = {self.false_alarm}: give a probability, between 0 and 1"
            )
        reduction = self.open_reduction(subtracted, references)
        psfs = self.psfs(reduction)
        star = self.star(reduction, psfs) if self.knows_star() else None
        options = {"outer": self.outer, "filter_radius": self.filter_radius}
        fluxes = map_fluxes(reduction, psfs, **options)
        inner = reduction.fwhm_arcsec if self.inner is None else self.inner
        outer = np.inf if self.outer is None else self.outer
        field = {
            "fwhm": reduction.fwhm_arcsec,
            "inner": inner,
            "outer": outer,
            "masked": known_companions(self, reduction),
            "robust": self.robust,
        }
        searched = fluxes
        if self.remove_companions:

            def without(places: Sequence[tuple[float, float]]) -> FluxMap:
                return map_without(reduction, psfs, places, fluxes, **options)[0]

            cleared = clear_lobes(fluxes, without, **field)
            searched = cleared.flux_map
            for place in cleared.places:
                log.info('Companion at %.2f": its lobes are taken out', np.hypot(*place))
        found = find_candidates(searched, **field, false_alarm=self.false_alarm)
        still = stim(reduction.parts, fluxes.grid, inner=inner, outer=outer)
        unit = jansky(reduction)
        result = ImageModel(data=(fluxes.flux * unit).astype(np.float32))
        result.update(reduction.models[0])
        extend(result).extend_schema(
            flux_schema(_IMAGES, {"candidates": ("Candidates", "CANDIDATES", CANDIDATES)})
        )
        describe(result, reduction, star, fluxes.grid)
        result.meta.bunit_data = result.meta.bunit_err = "Jy"
        record = result.meta.coronx
        record.false_alarm, record.threshold = self.false_alarm, found.threshold
        if np.isfinite(still.threshold):
            record.stim_threshold = still.threshold
        result.err = (found.noise.sigma * unit).astype(np.float32)
        result.dq = np.where(np.isfinite(result.data), 0, 1).astype(np.uint32)
        result.snr, result.sigmas = (a.astype(np.float32) for a in (found.snr, found.sigmas))
        result.throughput = fluxes.throughput.astype(np.float32)
        result.transmission = fluxes.transmission.astype(np.float32)
        result.stim, result.stim_inverse = (
            a.astype(np.float32) for a in (still.map, still.inverse)
        )
        result.candidates = _table(
            result, found, still, reduction, star, self.star_error(reduction)
        )
        log.info(
            "%d candidates above %.2f sigma (probability of a false one in the field: %g)",
            len(found.candidates), found.threshold, self.false_alarm,
        )  # fmt: skip
        return result


def _table(
    model: ImageModel,
    found: Detections,
    still: Stim,
    reduction: Reduction,
    star: Any,
    star_error: float,
) -> np.ndarray:
    table = np.zeros(len(found.candidates), model.get_dtype("candidates"))
    first, half = reduction.models[0], model.data.shape[0] // 2
    sky = sky_of(first, find_star(first))
    unit = jansky(reduction)
    for n, (row, one) in enumerate(zip(table, found.candidates, strict=True), start=1):
        row["number"] = n
        for name in ("east", "north", "separation", "pa", "snr", "sigmas"):
            row[name] = getattr(one, name)
        error = float(np.hypot(one.position_error, star_error))
        for name in ("east", "north", "separation"):
            row[f"{name}_sigma"] = error
        row["pa_sigma"] = np.degrees(np.arctan2(error, one.separation))
        row["star_sigma"] = 1e3 * star_error
        row["false_alarm_place"] = one.false_alarm_place
        row["false_alarm_field"] = one.false_alarm_field
        row["flux"], row["flux_sigma"] = one.flux * unit, one.flux_error * unit
        row["contrast"], row["contrast_sigma"] = _contrast(one, unit, star)
        there = sky.spherical_offsets_by(*(v * arcsec for v in (one.east, one.north)))
        row["ra"], row["dec"] = there.ra.deg, there.dec.deg
        at = (half + round(one.north / reduction.scale_arcsec),
              half - round(one.east / reduction.scale_arcsec))  # fmt: skip
        row["stim"] = still.map[at]
    return table


def _contrast(one: Candidate, unit: float, star: Any) -> tuple[float, float]:
    if star is None:
        return np.nan, np.nan
    doubt = np.nan_to_num(star.relative_sigma)
    share = unit / star.jansky
    return one.flux * share, share * float(np.hypot(one.flux_error, one.flux * doubt))
