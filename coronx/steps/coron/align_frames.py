"""Align the frames of all exposures."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.flags import MENDED, OUTSIDE
from coronx.models.members import check_alike, role_of
from coronx.models.pointing import displace
from coronx.models.sampling import chosen_blur, fit_blur, record_blur
from coronx.models.schema import shift_table
from coronx.models.star_places import (
    has_star,
    record_places,
    registration_by_header,
    star_error,
    star_places,
)
from coronx.models.variance import set_moved_error
from coronx.ops.frame_alignment import make_template, mean_variance, measure_frames, move_frames
from coronx.ops.registration import Registration, Template
from coronx.steps.coron._base import CoronStep
from coronx.steps.coron._registering import fit_mask, name_failures

__all__ = ["AlignFramesStep"]


@dataclass(frozen=True)
class _Aim:
    """What all frames are aligned to.

    Attributes
    ----------
    first : CubeModel
        The exposure whose first integration it is.
    found : Registration
        Of its integrations.
    template : Template or None
        That integration, to register others to; None where headers tell.
    star : ndarray (2,)
        0-based (x, y) of the star in it.
    error : ndarray (2,)
        1-sigma of that; NaN where it is not known.
    further : ndarray (2,)
        Shift of all frames beyond that.
    """

    first: CubeModel
    found: Registration
    template: Template | None
    star: NDArray[np.float64]
    error: NDArray[np.float64]
    further: NDArray[np.float64]


class AlignFramesStep(CoronStep):
    """Align all frames of all exposures to one, each in one interpolation.

    Science exposures of every roll and reference exposures alike are moved onto the first
    integration of the first science exposure, or onto a file's; on request the star goes to the
    frame's middle in the same interpolation.
    """

    class_alias = "coronx_align_frames"
    once = True

    spec = """
        align_algo = option("leastsq", "header", default="leastsq")  # Measure the shifts, or take them from what headers tell
        measure_only = boolean(default=False)  # Write down the shifts and the star's places; move nothing
        align_to_file = string(default=None)  # Align to the first integration of this exposure
        recenter = boolean(default=False)  # Move the star to the frame's middle, (n - 1) / 2, as well
        star_center = float_list(min=2,max=2,default=None)  # Star's 0-based x, y in the frame that is aligned to; by default as recorded
        interpolation = option("fourier", "spline", "lanczos", default="fourier")  # How frames are moved
        blur = string(default="none")  # Blur in the same interpolation: none, auto (PSF to 3.45 pixels), or a sigma in pixels
        mask = option("psfmask", "circle", "annulus", "rectangle", "none", default="psfmask")  # What is fitted: PSFMASK, or what is within a shape about the star
        mask_shape = float_list(default=None)  # Radius; inner, outer radius; or width (x), height (y); in pixels
        mask_convention = option("use", "block", default="use")  # What 1 means in the PSFMASK file
        recenter_mask = boolean(default=False)  # Move a hole that is off the mask's centre in flight onto it
        max_shift = float(default=20.0,min=1.0)  # Largest shift searched, in pixels
        bad_bits = force_list(default=list("DO_NOT_USE"))  # DQ flags of bad pixels, names or integers; none: ""
        suffix = string(default='aligned')  # Suffix of the products
    """  # noqa: E501

    reference_file_types = ["psfmask"]  # noqa: RUF012 (the host's interface)

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Align exposures.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An association, an exposure, or several exposures.

        Returns
        -------
        CubeModel or ModelContainer
            The exposures with all frames aligned; backgrounds, which show no star, as they were.

        Raises
        ------
        InputError
            If the exposures are not alike, nothing can be aligned to the first frame, or the
            star's place is needed and not known.
        """
        models = self._open(init)
        stars = [model for model in models if _shows_star(model)]
        if not stars:
            raise InputError(f"{init!r}: no exposure of a star in it; give at least one")
        science = [model for model in stars if role_of(model) == "science"] or stars
        first = self.open_cube(self.align_to_file) if self.align_to_file else science[0]
        check_alike([first, *stars])
        aim = self._aim(first, stars)
        return self.together(
            models if isinstance(models, ModelContainer) else models[0],
            lambda todo: self._aligned(todo, aim),
        )

    def _aim(self, first: CubeModel, stars: list[CubeModel]) -> _Aim:
        if self.recenter and self.star_center is None and not has_star(first):
            raise InputError(
                f"{name_of(first)}: recenter needs the star's place, and none is recorded; run "
                "coronx_recenter_frames before, or give star_center"
            )
        places, _ = star_places(first)
        start = places[0] if self.star_center is None else np.array(self.star_center)
        template = None
        if self.align_algo == "leastsq":
            template = self._template(first, [first, *stars], start)
        found = self._registered(first, start, template)
        # The first frame lies on itself, whatever its noise.
        found.shift[0], found.converged[0] = 0.0, True
        star = start
        if self.star_center is None:
            # By the shifts between them, the places in all its integrations tell that in its first.
            star = (places + found.shift)[found.converged].mean(axis=0)
        ny, nx = first.shape[-2:]
        middle = np.array([(nx - 1) / 2, (ny - 1) / 2])
        further = middle - star if self.recenter else np.zeros(2)
        if (np.abs(further) >= (nx, ny)).any():
            raise InputError(
                f"{name_of(first)}: with the star at ({star[0]:.1f}, {star[1]:.1f}) moved to the "
                f"middle nothing is left of frames of {nx} x {ny} pixels; give another star_center"
            )
        error = star_error(first) if self.star_center is None else np.full(2, np.nan)
        return _Aim(first, found, template, star, error, further)

    def _template(
        self, first: CubeModel, models: list[CubeModel], star: NDArray[np.float64]
    ) -> Template:
        variance = mean_variance(first.err[:1]) + mean_variance(e for m in models for e in m.err)
        mask = fit_mask(self, first, star)
        try:
            return make_template(
                first.data[0],
                self.bad_pixels(first)[0],
                mask=mask,
                variance=variance,
                max_shift=self.max_shift,
                blur=fit_blur(first),
            )
        except ValueError as err:
            raise InputError(
                f"{name_of(first)}: {err}; take out its first integration, to which all else is "
                "aligned"
            ) from err

    def _registered(
        self, model: CubeModel, star: NDArray[np.float64], template: Template | None
    ) -> Registration:
        if template is None:
            return registration_by_header(model, star)
        return measure_frames(template, model.data, self.bad_pixels(model), blur=fit_blur(model))

    def _aligned(self, models: list[CubeModel], aim: _Aim) -> list[CubeModel]:
        stars = [m for m in models if _shows_star(m)]
        found = [
            aim.found if m is aim.first else self._registered(m, aim.star, aim.template)
            for m in stars
        ]
        others = [f.converged[m is aim.first :] for m, f in zip(stars, found, strict=True)]
        if others and np.concatenate(others).size and not np.concatenate(others).any():
            raise InputError(
                f"{name_of(aim.first)}: no other frame could be registered to its first "
                "integration; check that they show the same scene, or raise max_shift"
            )
        known = {id(m): f for m, f in zip(stars, found, strict=True)}
        return [self._one(model, known.get(id(model)), aim) for model in models]

    def _one(self, model: CubeModel, found: Registration | None, aim: _Aim) -> CubeModel:
        if found is None:
            result = self.copy_of(model)
            self.mark(result, "SKIPPED")
            return result
        result = self.copy_of(model, renewed=not self.measure_only)
        found = replace(found, shift=found.shift + aim.further)
        places = np.tile(aim.star + aim.further, (len(found.shift), 1))
        result.frame_shifts = table = shift_table(model, found)
        if self.measure_only:
            name_failures(table, "where its star is is not known")
            self.mark(result, "MEASURED")
            places -= found.shift
        else:
            name_failures(table, "nothing is left of it")
            self._move(result, model, found)
        record_places(
            result, places, found.sigma, found.converged, source=self.class_alias, error=aim.error
        )
        return result

    def _move(self, result: CubeModel, model: CubeModel, found: Registration) -> None:
        sigma = chosen_blur(model, self.blur)
        moved = move_frames(
            model.data,
            model.err,
            model.dq,
            self.bad_pixels(model),
            found.shift,
            lost=~found.converged,
            outside=OUTSIDE,
            method=self.interpolation,
            blur=sigma,
            **MENDED,
        )
        result.data, result.dq = moved.data, moved.flags
        set_moved_error(result, model, np.sqrt(moved.variance), found.shift)
        # The pointing is that of the integrations' mean.
        good = found.converged if found.converged.any() else np.s_[:]
        displace(result, *(float(step) for step in found.shift[good].mean(axis=0)))
        record_blur(result, sigma)


def _shows_star(model: CubeModel) -> bool:
    return role_of(model) in ("science", "psf")
