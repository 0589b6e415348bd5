"""Align reference images to a target exposure."""

import logging
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of
from coronx.models.companions import beside
from coronx.models.flags import OUTSIDE
from coronx.models.members import check_alike
from coronx.models.option_text import parse_companions
from coronx.models.pointing import find_star, pixel_scale, sky_matrix
from coronx.models.psfalign import PsfAlignModel
from coronx.models.schema import planes_shown, shift_table
from coronx.ops.alignment import (
    AlignedStack,
    Exposure,
    align_stack,
    clean_exposure,
    registration_noise,
)
from coronx.ops.registration import Template
from coronx.refdata.psfmask import PsfMask
from coronx.steps.coron._base import CoronStep, bit_mask
from coronx.steps.coron._registering import name_failures, psfmask_of

__all__ = ["AlignRefsStep"]

log = logging.getLogger(__name__)


class AlignRefsStep(CoronStep):
    """Align a stack of reference images to every integration of a target exposure.

    Bad pixels of both are replaced by local medians, every reference and every integration is
    registered to the first integration, and the shifts are added up. The result's plane
    [n, m] is the m-th reference moved to the n-th integration.
    """

    class_alias = "coronx_align_refs"

    spec = """
        median_box_length = integer(default=3,min=0)  # Side of the box whose median replaces a bad pixel
        bad_bits = force_list(default=list("DO_NOT_USE"))  # DQ flags of bad pixels, names or integers; none: ""
        per_integration = boolean(default=True)  # Align to every integration (4-D), not the first alone (3-D)
        mask_convention = option("use", "block", default="use")  # What 1 means in the PSFMASK file
        recenter_mask = boolean(default=False)  # Move a hole that is off the mask's centre in flight onto it
        companions = force_list(default=list())  # Known bright companions left out of the registration: arcsec and PA in degrees, as 1.2:40
        companion_radius = float(default=1.0,min=0.0)  # Radius left out, in arcsec
        max_shift = float(default=20.0,min=1.0)  # Largest shift searched, in pixels
        suffix = string(default='psfalign')  # Suffix of the product
    """  # noqa: E501

    reference_file_types = ["psfmask"]  # noqa: RUF012 (the host's interface)

    def check_options(self) -> None:
        """Raise an `InputError` for options that make no sense, whatever the exposures."""
        super().check_options()
        parse_companions(self.companions)

    def process(self, target: Any, psf: Any) -> Any:
        """Align references to a target.

        Parameters
        ----------
        target : str, Path or CubeModel
            Science exposure, ``_calints``.
        psf : str, Path or CubeModel
            Stack of reference images, ``_psfstack``.

        Returns
        -------
        PsfAlignModel or CubeModel
            4-D (nints, npsfs, ny, nx), or 3-D with ``per_integration = False``; a copy of
            `psf`, marked SKIPPED, where CRDS says that no PSFMASK applies.

        Raises
        ------
        InputError
            If the inputs do not belong together, hold nothing, or no mask can be had.
        """
        self.check_options()
        science, references = self.open_cube(target), self.open_cube(psf)
        check_alike([science, references])
        mask = self.psfmask(science)
        if mask is None:
            log.warning("No PSFMASK applies to %s: references are not aligned", name_of(science))
            result = references.copy()
            result.meta.cal_step.align_psfs = "SKIPPED"
            return result
        frames, stack = self._clean(science), self._clean(references)
        weight, variance = registration_noise(mask.data, frames, stack)
        if self.companions:
            weight = np.where(self._near_companions(science, references), 0.0, weight)
        template = self._template(science, frames, weight, variance)
        aligned = align_stack(stack, template, outside=OUTSIDE, overwrite=True)
        shifts = self._checked(references, shift_table(references, aligned.registration))
        if self.per_integration:
            found = template.register(frames.data, frames.bad)
            result = self._quad(references, aligned)
            result.integration_shifts = self._places(shift_table(science, found, inverse=True))
        else:
            result = self._cube(references, aligned)
        result.reference_shifts = shifts
        if (planes := array_of(references, "planes")) is not None:
            result.planes = planes
        self._record_mask(result, mask)
        result.meta.cal_step.align_psfs = "COMPLETE"
        return result

    def psfmask(self, science: CubeModel) -> PsfMask | None:
        """Return the mask for an exposure's frame; None where CRDS says that none applies.

        Raises
        ------
        InputError
            If there is no mask, or it does not fit.
        """
        return psfmask_of(self, science)

    def _clean(self, model: CubeModel) -> Exposure:
        # MIRI's field stop leaves wide areas that see no sky: zero, as in the host's step.
        blank = pixel["NON_SCIENCE"] if model.meta.instrument.name == "MIRI" else 0
        frames = clean_exposure(
            model.data,
            model.err,
            model.dq,
            bad_bits=bit_mask(self.bad_bits),
            box=self.median_box_length,
            blank=blank,
            repaired=pixel["FLUX_ESTIMATED"],
            unusable=pixel["DO_NOT_USE"],
        )
        if frames.bad.all():
            raise InputError(f"{name_of(model)}: no good pixel in it; take it out")
        return frames

    def _near_companions(self, science: CubeModel, references: CubeModel) -> np.ndarray:
        """Return the pixels (ny, nx) near companions, in the target and in its other rolls."""
        star = find_star(science)
        _, turned = planes_shown(references, len(references.data))
        turned = turned[np.isfinite(turned).all(axis=(1, 2))]
        matrices = [sky_matrix(science, star), *np.unique(turned, axis=0)]
        radius = self.companion_radius / pixel_scale(science, star)
        known = parse_companions(self.companions)
        return beside(known, science.shape[1:], (star.x, star.y), matrices, radius)

    def _template(
        self, science: CubeModel, frames: Exposure, weight: np.ndarray, variance: np.ndarray
    ) -> Template:
        try:
            return Template(
                frames.data[0],
                weight,
                variance=variance,
                bad=frames.bad[0],
                max_shift=self.max_shift,
            )
        except ValueError as err:
            raise InputError(
                f"{name_of(science)}: {err}; take out its first integration, to which all else "
                "is aligned"
            ) from err

    @staticmethod
    def _quad(references: CubeModel, aligned: AlignedStack) -> PsfAlignModel:
        err = np.sqrt(aligned.variance, out=aligned.variance)
        result = PsfAlignModel.from_common(aligned.data, err, aligned.flags)
        result.update(references)
        return result

    def _cube(self, references: CubeModel, aligned: AlignedStack) -> CubeModel:
        err = np.sqrt(aligned.variance, out=aligned.variance)
        for data, error, flags in zip(aligned.data, err, aligned.flags, strict=True):
            gone = (flags & OUTSIDE) == OUTSIDE
            data[gone] = error[gone] = np.nan
        return self.new_like(references, data=aligned.data, err=err, dq=aligned.flags)

    @staticmethod
    def _checked(references: CubeModel, table: np.ndarray) -> np.ndarray:
        """Return the table of shifts; name what could not be registered, raise if nothing could."""
        if not table["converged"].any():
            raise InputError(
                f"{name_of(references)}: no reference image could be registered to the target; "
                "check that they show the same scene, or raise max_shift"
            )
        name_failures(table, "left out of the references")
        return table

    @staticmethod
    def _places(table: np.ndarray) -> np.ndarray:
        # The first lies on itself, whatever its noise; one that shows no star, nowhere else.
        unknown = name_failures(table, "taken to lie on the first")
        unknown[0] = True
        table["dx"][unknown] = table["dy"][unknown] = 0.0
        return table

    @staticmethod
    def _record_mask(result: Any, mask: PsfMask) -> None:
        record = result.meta.coronx
        record.mask_recentered = mask.recentered
        if mask.hole is not None:
            record.mask_x, record.mask_y = mask.hole[0] + 1.0, mask.hole[1] + 1.0
