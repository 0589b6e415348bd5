"""Measure where the star is in every integration, and on request move it to the frame's middle."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.members import check_good, role_of
from coronx.models.pointing import (
    StarPlace,
    displace,
    find_star,
    mask_place,
    pixel_scale,
    record_mask,
    record_star,
)
from coronx.models.psfalign import OUTSIDE
from coronx.models.star_measurement import Measured, by_model, by_symmetry, mode_and_mask
from coronx.models.star_places import record_places
from coronx.models.variance import set_moved_error
from coronx.ops.centering import robust_mean
from coronx.ops.frame_alignment import move_frames
from coronx.refdata.psf_file import StarImage, read_star_image
from coronx.refdata.psf_model import StarModel, star_model
from coronx.refdata.psf_opd import EXAMPLE
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
        self._stars: dict[object, StarModel | StarImage] = {}
        self._expected: dict[object, Any] = {}
        self._told: set[str] = set()
        return self.each(init, self._change)

    def _change(self, model: CubeModel) -> CubeModel:
        result = self.copy_of(model)
        if role_of(model) not in ("science", "psf"):
            self.mark(result, "SKIPPED")
            return result
        if self.measure_only and self._status(model) == "MEASURED":
            log.info("%s: the star's place was measured before; left as it is", name_of(model))
            self.mark(result, "MEASURED")
            return result
        check_good(model)
        found = self._measured(model)
        if not found.good.any():
            pointed = _pointed(model, find_star(model))
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
        mean = _record(result, found)
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
            return _at(model, self.star_center, "given")
        if method == "mask":
            return _pointed(model, StarPlace(*mode_and_mask(model)[1], "mask centre"))
        bits = {"bad_bits": bit_mask(self.bad_bits), "max_offset": self.max_offset}
        if method == "symmetry":
            return by_symmetry(model, **bits)
        return by_model(model, self._star(model), self._expected, drift_nm=self.drift_nm, **bits)

    def _method(self, model: CubeModel) -> str:
        """Return the method for an exposure, and say once why where it was not asked for."""
        if self.method != "auto":
            return self.method
        if self.star_center is not None:
            return "given"
        if mode_and_mask(model)[0].instrument == "MIRI":
            method, why = "mask", "for MIRI nothing is fitted unless method says so"
        elif self.model_psf or self._has_wavefront():
            method, why = "model", "optics with a wavefront, or an image, are given"
        else:
            method, why = "symmetry", "neither optics with a wavefront nor a model_psf are given"
        if method not in self._told:
            self._told.add(method)
            log.info("The star is found by method = %s: %s", method, why)
        return method

    def _has_wavefront(self) -> bool:
        """Whether there are optics data with a wavefront: without it a model is worse than none."""
        named = (self.data_path, os.environ.get("STPSF_PATH"), os.environ.get("WEBBPSF_PATH"))
        folder = next((Path(name).expanduser() for name in named if name), None)
        if folder is None or (self.opd or "").lower() == "none":
            return False
        return bool(self.opd) or (folder / EXAMPLE).is_file()

    def _star(self, model: CubeModel) -> StarModel | StarImage:
        """Return the model of the star in an exposure, made once for those that are alike."""
        mode, name = mode_and_mask(model)[0], model.meta.instrument.filter
        if self.model_psf:
            path = self.input_path(self.model_psf)
            if (mode.name, path) not in self._stars:
                self._stars[mode.name, path] = read_star_image(path, mode)
            return self._stars[mode.name, path]
        # A folder of wavefronts is asked for each date: the nearest may be another.
        folder = Path(self.opd).expanduser() if self.opd else None
        folder = folder if folder is not None and folder.is_dir() else None
        date = str(model.meta.observation.date_beg or model.meta.observation.date or "")
        key = (mode.name, name, date if folder else None)
        if key not in self._stars:
            log.info("%s: the star behind %s is simulated", name_of(model), mode.coronmsk)
            self._stars[key] = star_model(
                mode, name, data_path=self.data_path, spectral_type=self.spectral_type,
                spectrum=self.spectrum, opd=None if folder else self.opd, opd_folder=folder,
                date=date or None,
            )  # fmt: skip
        return self._stars[key]

    def _move(
        self, result: CubeModel, model: CubeModel, found: Measured, mean: NDArray[np.float64]
    ) -> None:
        ny, nx = model.shape[-2:]
        middle = np.array([(nx - 1) / 2, (ny - 1) / 2])
        own = self.per_integration & found.good[:, None]
        shifts = middle - np.where(own, found.places, mean)
        bits = np.uint32(bit_mask(self.bad_bits))
        moved = move_frames(
            model.data, model.err, model.dq, (model.dq & bits) != 0, shifts,
            outside=OUTSIDE, method=self.interpolation,
            repaired=pixel["FLUX_ESTIMATED"], unusable=pixel["DO_NOT_USE"],
            blank=pixel["NON_SCIENCE"],
        )  # fmt: skip
        result.data, result.dq = moved.data, moved.flags
        set_moved_error(result, model, np.sqrt(moved.variance), shifts)
        displace(result, *(float(step) for step in middle - mean))
        table = result.star_places.copy()
        places = np.where(found.good[:, None], found.places, mean) + shifts + 1.0
        table["x"], table["y"] = places.T
        result.star_places = table


def _at(model: CubeModel, place: Any, source: str) -> Measured:
    count = model.shape[0]
    places = np.tile(np.asarray(place, dtype=np.float64), (count, 1))
    return Measured(places, np.full((count, 2), np.nan), np.ones(count, bool), source)


def _pointed(model: CubeModel, star: StarPlace) -> Measured:
    """Return where the pointing puts the star: the dither is in no other keyword."""
    offset = np.array([model.meta.dither.x_offset or 0.0, model.meta.dither.y_offset or 0.0])
    place = np.array([star.x, star.y])
    if offset.any():
        place += offset / pixel_scale(model, star)
    return _at(model, place, star.source)


def _record(result: CubeModel, found: Measured) -> NDArray[np.float64]:
    """Write the places, their robust mean and scatter, and the mask's; return the mean."""
    mean, scatter = robust_mean(found.places, found.good)
    record_places(result, found.places, found.sigma, found.good, source=found.source)
    record_star(result, StarPlace(float(mean[0]), float(mean[1]), found.source))
    record = result.meta.coronx
    # What was not measured has no scatter.
    known = np.isfinite(scatter).all() and np.isfinite(found.sigma[found.good]).all()
    record.star_sigma_x, record.star_sigma_y = (float(s) if known else None for s in scatter)
    mask = mask_place(result)
    if mask is not None:
        record_mask(result, *mask)
    return mean
