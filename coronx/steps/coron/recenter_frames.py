"""Measure where the star is in every integration, and on request move it to the frame's middle."""

import logging
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.flags import MENDED, OUTSIDE
from coronx.models.members import check_good, role_of
from coronx.models.pointing import StarPlace, displace, find_star, mask_place
from coronx.models.star_measurement import (
    Measured,
    by_model,
    by_symmetry,
    mode_and_mask,
    place_at,
    pointed_at,
    record_measured,
)
from coronx.models.star_places import record_places
from coronx.models.variance import set_moved_error
from coronx.ops.frame_alignment import move_frames
from coronx.refdata.star_models import StarModels
from coronx.steps.coron._base import CoronStep, bit_mask

__all__ = ["RecenterFramesStep"]

log = logging.getLogger(__name__)


class RecenterFramesStep(CoronStep):
    """Measure the star's place in every integration of every exposure.

    The place is recorded; pixels stay as they are unless ``measure_only`` is off, when every
    integration is moved once so that the star is in the middle of the frame.
    """

    class_alias = "coronx_recenter_frames"
    once = True

    spec = """
        method = option("auto", "model", "symmetry", "given", "mask", default="auto")  # How the star is found; auto: see the documentation
        model_psf = string(default=None)  # FITS image of the star behind the mask, in place of a simulated one
        data_path = string(default=None)  # stpsf's data; by default the folder named by STPSF_PATH or WEBBPSF_PATH
        spectral_type = string(default="G2V")  # The star's spectral type, for the simulated image
        spectrum = string(default=None)  # File of its spectrum instead: micrometres and flux per wavelength
        opd = string(default=None)  # The telescope's wavefront: a file, a folder to choose from by date, or none; by default the example of stpsf's data
        drift_nm = float(default=10.0,min=0.0)  # Expected rms in nm by which the wavefront differs from the model's; 0: not fitted
        star_center = float_list(min=2,max=2,default=None)  # Star's 0-based x, y in every integration, not measured
        max_offset = float(default=0.1,min=0.0)  # Largest offset from the mask's centre along x or y, arcsec
        bad_bits = force_list(default=list("DO_NOT_USE"))  # DQ flags of bad pixels, names or integers; none: ""
        measure_only = boolean(default=True)  # Write down where the star is; move nothing
        per_integration = boolean(default=False)  # Move each integration by its own measurement, not by their mean
        interpolation = option("fourier", "spline", "lanczos", default="fourier")  # How frames are moved
        suffix = string(default='recenter')  # Suffix of the products
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Find the star in exposures.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An exposure, an association, or several exposures.

        Returns
        -------
        CubeModel or ModelContainer
            The exposures with the star's place; backgrounds, which show no star, as they were.

        Raises
        ------
        InputError
            If the mask's place is not known, nothing is good, or the model cannot be made.
        """
        self._stars = StarModels(
            image=self.input_path(self.model_psf) if self.model_psf else None,
            data_path=self.data_path, spectral_type=self.spectral_type, spectrum=self.spectrum,
            opd=self.opd,
        )  # fmt: skip
        self._expected: dict[object, Any] = {}
        self._told: set[str] = set()
        return self.each(init, self._change)

    def _change(self, model: CubeModel) -> CubeModel:
        result = self.copy_of(model)
        if role_of(model) not in ("science", "psf"):
            self.mark(result, "SKIPPED")
            return result
        asked = self.method != "auto" or self.star_center is not None
        if self.measure_only and not asked and self._status(model) == "MEASURED":
            log.info("%s: the star's place was measured before; left as it is", name_of(model))
            self.mark(result, "MEASURED")
            return result
        if not asked and mask_place(model) is None:
            log.warning("%s: where the mask is is not known; no star is looked for", name_of(model))
            self.mark(result, "SKIPPED")
            return result
        check_good(model)
        found = self._measured(model)
        if not found.good.any():
            pointed = pointed_at(model, find_star(model))
            log.warning(
                "%s: no star is found by %s within max_offset of the mask's centre; by the "
                "pointing (%s) it is at (%.2f, %.2f)",
                name_of(model), found.source, pointed.source, *(pointed.places[0] + 1.0),
            )  # fmt: skip
            if self.measure_only:
                # Nothing is known that was not known before.
                record_places(result, found.places, found.sigma, found.good, source=found.source)
                self.mark(result, "MEASURED")
                return result
            found = pointed
        mean = record_measured(result, found)
        log.info(
            "%s: star at (%.3f, %.3f), %d of %d integrations, by %s",
            name_of(model), *(mean + 1.0), found.good.sum(), len(found.good), found.source,
        )  # fmt: skip
        if self.measure_only:
            self.mark(result, "MEASURED")
        else:
            self._move(result, model, found, mean)
        return result

    def _measured(self, model: CubeModel) -> Measured:
        method = self._method(model)
        if method == "given":
            if self.star_center is None:
                raise InputError("method = given: no place is given; give star_center (x, y)")
            return place_at(model, self.star_center, "given")
        if method == "mask":
            return pointed_at(model, StarPlace(*mode_and_mask(model)[1], "mask centre"))
        bits = {"bad_bits": bit_mask(self.bad_bits), "max_offset": self.max_offset}
        if method == "symmetry":
            return by_symmetry(model, **bits)
        mode, observed = mode_and_mask(model)[0], model.meta.observation
        date = observed.date_beg or observed.date
        star = self._stars.of(mode, model.meta.instrument.filter, str(date) if date else None)
        return by_model(model, star, self._expected, drift_nm=self.drift_nm, **bits)

    def _method(self, model: CubeModel) -> str:
        """Return the method for an exposure, and say once why where it was not asked for."""
        if self.method != "auto":
            return self.method
        if self.star_center is not None:
            return "given"
        if mode_and_mask(model)[0].instrument == "MIRI":
            method, why = "mask", "for MIRI nothing is fitted unless method says so"
        elif self._stars.trusted:
            method, why = "model", "optics with a wavefront, or an image, are given"
        else:
            method, why = "symmetry", "neither optics with a wavefront nor a model_psf are given"
        if method not in self._told:
            self._told.add(method)
            log.info("The star is found by method = %s: %s", method, why)
        return method

    def _move(
        self, result: CubeModel, model: CubeModel, found: Measured, mean: NDArray[np.float64]
    ) -> None:
        ny, nx = model.shape[-2:]
        middle = np.array([(nx - 1) / 2, (ny - 1) / 2])
        own = self.per_integration & found.good[:, None]
        shifts = middle - np.where(own, found.places, mean)
        if (np.abs(shifts) >= (nx, ny)).any():
            raise InputError(
                f"{name_of(model)}: with the star at ({mean[0]:.1f}, {mean[1]:.1f}) moved to the "
                f"middle nothing is left of frames of {nx} x {ny} pixels; give another star_center"
            )
        moved = move_frames(
            model.data, model.err, model.dq, self.bad_pixels(model), shifts,
            outside=OUTSIDE, method=self.interpolation, **MENDED,
        )  # fmt: skip
        result.data, result.dq = moved.data, moved.flags
        set_moved_error(result, model, np.sqrt(moved.variance), shifts)
        displace(result, *(float(step) for step in middle - mean))
        table = result.star_places.copy()
        places = np.where(found.good[:, None], found.places, mean) + shifts + 1.0
        table["x"], table["y"] = places.T
        result.star_places = table
