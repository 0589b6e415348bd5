"""Calibrate frames with master bias, dark and flat."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of, set_arrays
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_calibration import (
    Chosen,
    check_zero,
    flags_of,
    has_bias,
    master_arrays,
)
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_wcs import set_wcs, wcs_of
from coronx.models.master_choice import choose_master, dark_ratio, fitting_maps
from coronx.ops.ccd_calibration import calibrate
from coronx.ops.overscan import Overscanned, subtract_overscan
from coronx.ops.sky_noise import measure_sky_noise
from coronx.steps.ground._base import GroundStep

__all__ = ["ApplyMastersStep"]

log = logging.getLogger(__name__)

_DONE = {"bias": "bias_subtracted", "dark": "dark_subtracted", "flat": "flat_divided"}
_DOUBT = 0.1  # of the noise: what ERR may be wrong by before it is said


class ApplyMastersStep(GroundStep):
    """Overscan, trim, bias, dark, flat and the map of bad pixels; ERR from gain and read noise.

    Each frame gets the masters that fit it, of those given and of the association's members
    bias, dark and flat. What a frame's header says was done is not done again.
    """

    class_alias = "coronx_apply_masters"

    spec = """
        bias = force_list(default=list())  # Master bias; of several files, each frame takes what fits it
        dark = force_list(default=list())  # Master darks; the nearest exposure time is taken, and scaled
        flat = force_list(default=list())  # Master flats; that of the frame's filter is taken
        bad_pixels = force_list(default=list())  # Maps of bad pixels; all of the frame's shape and binning are taken
        overscan = option("smooth", "rows", "constant", "none", default="smooth")  # How the overscan's level is taken along it; none: only trim
        gain = float(default=None,min=0.0)  # Gain in electron/ADU, in place of the header's
        read_noise = float(default=None,min=0.0)  # Read noise in electrons, in place of the header's
        saturation = float(default=None,min=0.0)  # Raw level in ADU at which pixels are saturated, in place of the header's
        temperature_tolerance = float(default=1.0,min=0.0)  # Degrees C by which the CCD of a dark may differ
        max_dark_ratio = float(default=4.0,min=0.0)  # Times its own exposure that a dark may be scaled to
        check_noise = boolean(default=True)  # Compare ERR with the scatter of blank sky
        suffix = string(default='cal')  # Suffix of the products
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Calibrate frames.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            A frame, an association, or several frames.

        Returns
        -------
        GroundImageModel or GroundFrames
            Calibrated frames in ADU, with ERR and DQ.

        Raises
        ------
        InputError
            If a frame or a master cannot be used, or no master fits a frame.
        """
        self.check_options()
        frames = self.open_frames(init)
        one = not isinstance(init, list | tuple | GroundFrames) and len(frames) == 1
        self._masters = {
            kind: [self.open_frame(Path(name)) for name in getattr(self, kind)]
            + ([] if one else frames.of(kind))
            for kind in _DONE
        }
        self._maps = [self.open_frame(Path(name)) for name in self.bad_pixels]
        return self.each(frames[0] if one else frames, self._calibrated)

    def _calibrated(self, model: GroundImageModel) -> GroundImageModel:
        ground, given = model.meta.ground, arrays_of(model)
        raw = self._trimmed(model)
        shape = raw.data.shape
        chosen = self._chosen(model, [shape, tuple(model.shape)])
        result = self.copy_of(model)
        own = result.meta.ground
        if raw.level.any():
            own.overscan_level = float(np.median(raw.level))
        if shape != tuple(model.shape) and (wcs := wcs_of(model)) is not None:
            set_wcs(result, wcs.slice(raw.trim))
        own.overscan_region = own.trim_region = None
        check_zero(result, chosen.bias)
        gain, noise = self._noise(model, chosen)
        own.gain, own.read_noise = gain, noise
        own.saturation = self.saturation or ground.saturation
        scale = dark_ratio(model, chosen.dark) if chosen.dark else 1.0
        err = given.get("err")
        made = calibrate(
            raw.data,
            gain=gain or 1.0,
            read_noise=noise or 0.0,
            err=None if err is None else err[raw.trim],
            bias=master_arrays(chosen.bias, raw.trim, shape),
            dark=master_arrays(chosen.dark, raw.trim, shape),
            dark_scale=scale,
            dark_has_bias=has_bias(model, chosen.dark, chosen.bias),
            flat=master_arrays(chosen.flat, raw.trim, shape),
            level_err=raw.level_err,
        )
        dq = model.dq[raw.trim] | flags_of(chosen, raw.trim, shape)
        if own.saturation and not (ground.flat_divided or ground.bias_subtracted):
            dq |= np.where(model.data[raw.trim] >= own.saturation, np.uint32(FLAGS["SATURATED"]), 0)
        lost = made.unusable | ~np.isfinite(made.data)
        dq |= np.where(lost, np.uint32(FLAGS["BAD_PIXEL"] | FLAGS["DO_NOT_USE"]), np.uint32(0))
        errors = made.err
        if err is None and gain is None:
            errors = np.where(lost, np.nan, measure_sky_noise(made.data, None, dq != 0).sigma)
        arrays = {"data": made.data, "err": errors}
        set_arrays(result, {n: a.astype(np.float32) for n, a in arrays.items()} | {"dq": dq})
        self._told(result, chosen, scale)
        return result

    def _trimmed(self, model: GroundImageModel) -> Overscanned:
        ground = model.meta.ground
        bare = self.overscan == "none"
        strip = None if bare else ground.overscan_region
        unusable = (model.dq & np.uint32(FLAGS["DO_NOT_USE"])) != 0
        try:
            return subtract_overscan(
                model.data, strip or None, ground.trim_region or None,
                method="smooth" if bare else self.overscan, bad=unusable,
            )  # fmt: skip
        except ValueError as err:
            raise InputError(
                f"{name_of(model)}: {err}; correct BIASSEC = {strip} and TRIMSEC = "
                f"{ground.trim_region}"
            ) from err

    def _chosen(self, model: GroundImageModel, shapes: list[tuple[int, ...]]) -> Chosen:
        chosen = Chosen(maps=fitting_maps(self._maps, model, shapes))
        for kind, done in _DONE.items():
            if getattr(model.meta.ground, done):
                if self._masters[kind]:
                    log.info("%s: its header says %s; not again", name_of(model), done)
                continue
            master = choose_master(
                kind, self._masters[kind], model, shapes,
                temperature_tolerance=self.temperature_tolerance,
                max_dark_ratio=self.max_dark_ratio,
            )  # fmt: skip
            setattr(chosen, kind, master)
        return chosen

    def _noise(self, model: GroundImageModel, chosen: Chosen) -> tuple[float | None, float | None]:
        """Return gain and read noise: as given, else the frame's, else the bias's."""
        ground = model.meta.ground
        gain, noise = self.gain or ground.gain, self.read_noise
        if noise is None:
            noise = ground.read_noise
        if noise is None and chosen.bias is not None:
            noise = chosen.bias.meta.ground.read_noise
        if not gain or gain <= 0:
            log.warning(
                "%s: no gain in its header: ERR is the scatter of blank sky, too small on stars; "
                "give --gain", name_of(model),
            )  # fmt: skip
            return None, noise
        if noise is None:
            log.warning("%s: no read noise: taken as 0; give --read_noise", name_of(model))
        return gain, noise

    def _told(self, result: GroundImageModel, chosen: Chosen, scale: float) -> None:
        """Record what was done to a frame, and whether its errors are those of its sky."""
        ground = result.meta.ground
        used = []
        for kind, done in _DONE.items():
            master = getattr(chosen, kind)
            if master is not None:
                setattr(ground, done, True)
                setattr(ground, f"{kind}_file", name_of(master))
                by = f" x {scale:.4g}" if kind == "dark" else ""
                used.append(f"{kind} {name_of(master)}{by}")
        if chosen.dark is not None and not ground.bias_subtracted:
            ground.bias_subtracted = True  # with the dark, which has it
        if chosen.maps:
            ground.badpix_file = ", ".join(name_of(each) for each in chosen.maps)
        if not used:
            self.mark(result, "SKIPPED")
        log.info("%s: %s", name_of(result), ", ".join(used) or "no master applied")
        if not self.check_noise:
            return
        try:
            sky = measure_sky_noise(result.data, result.err, result.dq != 0)
        except ValueError as err:
            log.info("%s: ERR not compared with the sky: %s", name_of(result), err)
            return
        ground.noise_ratio = round(sky.ratio, 4)
        if abs(sky.ratio - 1.0) > _DOUBT:
            log.warning(
                "%s: blank sky scatters %.2f times what ERR says; check gain (%s) and read noise "
                "(%s)", name_of(result), sky.ratio, ground.gain, ground.read_noise,
            )  # fmt: skip
