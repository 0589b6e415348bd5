"""Find bad pixels and repair them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.pixel_map import read_pixel_map
from coronx.models.psf_width import psf_width
from coronx.models.variance import set_repaired_error
from coronx.ops.bad_pixel_detection import detect_spatial
from coronx.ops.bad_pixel_gradients import detect_gradients
from coronx.ops.bad_pixel_repair import METHODS, repair_pixels
from coronx.ops.bad_pixel_transients import FEWEST, detect_transients
from coronx.steps.coron._base import CoronStep, bit_mask

__all__ = ["FixBadPixelsStep"]

log = logging.getLogger(__name__)

_DETECT = ("dq", "sigclip", "timeints", "gradient", "custom")
_BAD, _ESTIMATED, _OUTLIER = (
    np.uint32(pixel[name]) for name in ("DO_NOT_USE", "FLUX_ESTIMATED", "OUTLIER")
)
_NO_SKY = np.uint32(pixel["NON_SCIENCE"] | pixel["REFERENCE_PIXEL"])


class FixBadPixelsStep(CoronStep):
    """Find bad pixels by a list of methods, and repair them by another.

    Pixels found are flagged OUTLIER and, until they are repaired, DO_NOT_USE; repaired ones
    are flagged FLUX_ESTIMATED. No other flag changes.
    """

    class_alias = "coronx_fix_bad_pixels"

    spec = """
        detect = force_list(default=list("dq", "timeints", "sigclip"))  # Ways to find bad pixels, in order: dq, sigclip, timeints, gradient, custom; or none
        repair = force_list(default=list("timemed", "interp2d", "medfilt"))  # Ways to repair them; each takes what those before it left: timemed, localmed, medfilt, interp2d, kernel; or none
        bad_bits = force_list(default=list("DO_NOT_USE"))  # dq: flags of bad pixels, names or integers
        sigma = float(default=3.8,min=1.0)  # sigclip: threshold of pixels too bright
        neg_sigma = float(default=4.0,min=1.0)  # sigclip: threshold of pixels too dark
        guard = float(default=1.25,min=0.0)  # sigclip, gradient: times the sharpest feature the PSF permits, which is no bad pixel
        timeints_sigma = float(default=5.0,min=1.0)  # timeints: threshold
        jitter = float(default=0.01,min=0.0)  # timeints: shift in pixels allowed for beside the measured jitter
        gradient_sigma = float(default=5.0,min=1.0)  # gradient: threshold
        custom_map = string(default=None)  # custom: FITS or ASDF file, not zero where pixels are bad
        fwhm = float(default=None,min=0.5)  # FWHM of the PSF in pixels; by default from instrument and filter
        localmed_box = integer(default=3,min=3)  # localmed: side of the box in pixels, odd
        medfilt_size = integer(default=5,min=3)  # medfilt: side of the box in pixels, odd
        kernel_fwhm = float(default=None,min=0.5)  # kernel: FWHM in pixels; by default the PSF's
        suffix = string(default='bpfix')  # Suffix of the products
    """  # noqa: E501

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Fix the bad pixels of exposures.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An exposure, an association, or several exposures.

        Returns
        -------
        CubeModel or ModelContainer
            The exposures with what was found flagged, and repaired.

        Raises
        ------
        InputError
            If a method is not known, or an exposure or the map cannot be used.
        """
        return self.each(init, self._fixed)

    def check_options(self) -> None:
        """Refuse methods that are not known, and boxes without a middle."""
        super().check_options()
        _chosen("detect", self.detect, _DETECT)
        _chosen("repair", self.repair, METHODS)
        for name in ("localmed_box", "medfilt_size"):
            if getattr(self, name) % 2 == 0:
                raise InputError(f"{name} is {getattr(self, name)}; give an odd number of pixels")

    def _fixed(self, model: CubeModel) -> CubeModel:
        result = self.copy_of(model)
        given = arrays_of(model)
        data, dq = given["data"], model.dq
        err = given.get("err", np.zeros(model.shape, dtype=np.float32))
        avoid = (dq & _NO_SKY) != 0
        # Nothing is learned from what was estimated: a second run would find more.
        kept = (dq & _ESTIMATED != 0) & (dq & _BAD == 0) & np.isfinite(data)
        width = self._width(model)
        flagged, found, counts = self._detect(model, data, err, avoid | kept, width)
        bad = flagged | found
        fixed = repair_pixels(
            data,
            err,
            bad,
            avoid | kept | ((dq & _BAD != 0) & ~bad),
            methods=_chosen("repair", self.repair, METHODS),
            fwhm=width,
            localmed_box=self.localmed_box,
            medfilt_size=self.medfilt_size,
            kernel_fwhm=self.kernel_fwhm,
        )
        left = fixed.left
        repaired = bad & ~left
        flags = np.where(found, dq | _OUTLIER, dq)
        flags = np.where(left, flags | _BAD, flags)
        result.dq = np.where(repaired, (flags | _ESTIMATED) & ~_BAD, flags)
        if repaired.any():
            result.data = np.where(repaired, fixed.images, data).astype(np.float32)
        if "err" in given and repaired.any():
            errors = np.where(repaired, fixed.err, err).astype(np.float32)
            set_repaired_error(result, model, errors, repaired)
        log.info(
            "%s: bad pixels found: %s; repaired: %s; left as they are: %d",
            name_of(model),
            _list(counts),
            _list(fixed.counts),
            int(left.sum()),
        )
        return result

    def _detect(
        self, model: CubeModel, data: NDArray, err: NDArray, leave: NDArray[np.bool_], width: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], dict[str, int]]:
        """Return pixels that are known to be bad, those found, and how many by which method."""
        flagged, found = np.zeros((2, *data.shape), dtype=bool)
        usable = np.isfinite(data) & ~leave & (model.dq & _BAD == 0)
        counts: dict[str, int] = {}
        for method in _chosen("detect", self.detect, _DETECT):
            rest = usable & ~flagged & ~found
            if method in ("dq", "custom"):
                mask = np.uint32(bit_mask(self.bad_bits))
                there = (model.dq & mask != 0) | ~np.isfinite(data)
                new = (there if method == "dq" else self._map(model)) & ~leave & ~flagged
                flagged |= new
            else:
                new = self._search(method, data, err, rest, width)
                found |= new
            counts[method] = int(new.sum())
        if "timeints" in counts and len(data) < FEWEST:
            log.info("%s: timeints needs %d integrations; left out", name_of(model), FEWEST)
        return flagged, found & ~flagged, counts

    def _search(
        self, method: str, data: NDArray, err: NDArray, usable: NDArray[np.bool_], width: float
    ) -> NDArray[np.bool_]:
        if method == "timeints":
            options = {"sigma": self.timeints_sigma, "jitter": self.jitter}
            return detect_transients(data, err, usable, **options)
        options = {"fwhm": width, "guard": self.guard}
        if method == "gradient":
            return detect_gradients(data, err, usable, sigma=self.gradient_sigma, **options)
        options |= {"sigma": self.sigma, "neg_sigma": self.neg_sigma}
        return detect_spatial(data, err, usable, **options)

    def _map(self, model: CubeModel) -> NDArray[np.bool_]:
        if not self.custom_map:
            raise InputError("detect has custom: give the map's file with --custom_map")
        return read_pixel_map(self.input_path(Path(self.custom_map)), model.shape)

    def _width(self, model: CubeModel) -> float:
        needed = {"sigclip", "gradient"} & set(self.detect) or {"interp2d", "kernel"} & set(
            self.repair
        )
        return self.fwhm or (psf_width(model) if needed else 2.0)


def _chosen(option: str, given: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """Return the methods of a list; none for an empty one or "none"."""
    names = tuple(str(name).strip() for name in given or () if str(name).strip())
    if tuple(name.lower() for name in names) == ("none",):
        return ()
    for name in names:
        if name not in known:
            raise InputError(f"{option} {name!r}: no such method; known are {', '.join(known)}")
    return names


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"
