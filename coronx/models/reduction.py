"""A star's subtraction as its products tell it: what was done, and how to ask what it does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel, QuadModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of
from coronx.models.members import check_alike, open_cube
from coronx.models.pointing import StarPlace, find_star, mask_place, pixel_scale, sky_matrix
from coronx.models.psf_width import psf_width
from coronx.models.psfalign import PsfAlignModel
from coronx.models.recipe import Plan, Recipe
from coronx.models.schema import planes_shown
from coronx.models.star_places import star_error
from coronx.ops.color_reference import color_reference
from coronx.ops.images import Images
from coronx.ops.subtracted import Subtracted
from coronx.refdata.modes import CoronagraphMode, find_mode

__all__ = ["Inputs", "Reduction", "images_of", "open_references"]


@dataclass(frozen=True)
class Inputs:
    """An exposure and its references as the subtraction takes them.

    Attributes
    ----------
    targets, references : Images
        (nint, ny, nx) and (nref, ny, nx); last of them, if the recipe has one, that of colour.
    shifts : ndarray (nint, 2) or None
        (dx, dy) in pixels from the references' frame to each integration's.
    star : StarPlace
        Where the star is in the references' frame.
    matrix : ndarray (2, 2) or None
        Pixels per arcsec (east, north); None without a WCS.
    matrices : ndarray (nref, 2, 2)
        The same of references that show the same star; NaN for others.
    plan : Plan
        What the recipe comes to.
    """

    targets: Images
    references: Images
    shifts: NDArray[np.float64] | None
    star: StarPlace
    matrix: NDArray[np.float64] | None
    matrices: NDArray[np.float64]
    plan: Plan

    @classmethod
    def of(
        cls, model: CubeModel, targets: Images, references: CubeModel | PsfAlignModel, how: Recipe
    ) -> "Inputs":
        """Return what a recipe needs of an exposure and the references aligned to it.

        Raises
        ------
        InputError
            If no reference is left, or the WCS is needed and missing.
        """
        shifts = None
        common = references.common if isinstance(references, PsfAlignModel) else None
        if common is not None:
            shifts = references.shifts
            stack = images_of(common["data"], common["err"], common["dq"])
        else:
            stack = images_of(references.data, references.err, references.dq)
        star = find_star(model)
        if shifts is not None:
            dx, dy = shifts.mean(axis=0)
            star = StarPlace(float(star.x - dx), float(star.y - dy), star.source)
        matrix = sky_matrix(model, star) if getattr(model.meta, "wcs", None) is not None else None
        science, matrices = planes_shown(references, len(stack.data))
        plan = how.plan(
            model, targets, stack, star=star, matrix=matrix, science=science, matrices=matrices
        )
        if how.strategy == "rdi":
            matrices = np.full_like(matrices, np.nan)  # not among the references used
        done = cls(targets, stack, shifts, star, matrix, matrices, plan)
        return done._with_color(how.color_change) if how.color_change else done

    def _with_color(self, change: float) -> "Inputs":
        # Of other stars alone: what is beside the star itself, or its disk, is not to be in it.
        others = self.plan.chosen & np.isnan(self.matrices).all(axis=(1, 2))
        known, used = self.references, others.any(axis=(0, 1))
        try:
            added = color_reference(known, (self.star.x, self.star.y), change=change, used=used)
        except ValueError as err:
            raise InputError(f"color_change: of other stars {err}") from err
        every = [self.plan.chosen, others.any(axis=2, keepdims=True)]
        return replace(
            self,
            references=known.joined(added),
            matrices=np.concatenate([self.matrices, np.full((1, 2, 2), np.nan)]),
            plan=replace(self.plan, chosen=np.concatenate(every, axis=2)),
        )


@dataclass(frozen=True, repr=False)
class Reduction:
    """All exposures of a star, subtracted in one way.

    Attributes
    ----------
    models : tuple of CubeModel
        The subtracted exposures.
    parts : tuple of Subtracted
        Their subtractions, to be asked what they do to light beside the star.
    recipe : Recipe
        How the star was subtracted.
    mode : CoronagraphMode
        The coronagraph.
    filter : str
        The filter.
    scale_arcsec : float
        Size of a pixel.
    fwhm_arcsec : float
        Width of the PSF.
    pixel_area_sr : float
        Solid angle of a pixel, by which surface brightness becomes flux.
    mask_places : tuple of (float, float)
        0-based (x, y) of the mask's centre in the frame of each part.
    """

    models: tuple[CubeModel, ...]
    parts: tuple[Subtracted, ...]
    recipe: Recipe
    mode: CoronagraphMode
    filter: str
    scale_arcsec: float
    fwhm_arcsec: float
    pixel_area_sr: float
    mask_places: tuple[tuple[float, float], ...]

    def __repr__(self) -> str:
        """Return the names of the exposures."""
        return f"Reduction({', '.join(name_of(model) for model in self.models)})"

    def star_error_arcsec(self) -> float:
        """Return the 1-sigma error of the star's place along an axis; NaN where it is not known.

        That of one exposure, rms of all: what misleads it in one misleads it in the others.
        """
        errors = np.array([star_error(model) for model in self.models])
        return float(np.sqrt(np.mean(errors**2))) * self.scale_arcsec

    @classmethod
    def of(cls, models: Sequence[CubeModel], references: Sequence[Any]) -> "Reduction":
        """Return the reduction of subtracted exposures, each with the references aligned to it.

        Parameters
        ----------
        models : sequence of CubeModel
            ``_psfsub`` products.
        references : sequence of PsfAlignModel or CubeModel
            ``_psfalign`` products, in the same order.

        Raises
        ------
        InputError
            If they do not belong together, or are not products of coronx_klip.
        """
        if not models or len(models) != len(references):
            raise InputError(
                f"{len(models)} subtracted exposures and {len(references)} stacks of references; "
                "give as many _psfalign products as _psfsub ones, at least one"
            )
        check_alike([*models, *references])
        recipe = Recipe.of(models[0])
        for model in models[1:]:
            if Recipe.of(model) != recipe:
                raise InputError(
                    f"{name_of(model)}: its star was subtracted in another way than that of "
                    f"{name_of(models[0])}; measure them apart"
                )
        first = models[0]
        mode = find_mode(first.meta.instrument.coronagraph)
        if mode is None:
            raise InputError(
                f"{name_of(first)}: CORONMSK {first.meta.instrument.coronagraph!r} is no "
                "coronagraph that coronx knows"
            )
        star = find_star(first)
        scale = pixel_scale(first, star)
        area = first.meta.photometry.pixelarea_steradians
        parts = [_part(*pair, recipe) for pair in zip(models, references, strict=True)]
        return cls(
            tuple(models),
            tuple(part for part, _ in parts),
            recipe,
            mode,
            str(first.meta.instrument.filter),
            scale,
            psf_width(first) * scale,
            float(area) if area else (scale / 206264.806) ** 2,
            tuple(place for _, place in parts),
        )


def open_references(path: Path) -> CubeModel | QuadModel:
    """Open aligned references, 4-D (of which the first integration's are read) or 3-D.

    Raises
    ------
    InputError
        If the file cannot be read as such.
    """
    if path.is_file():
        try:
            with fits.open(path) as hdulist:
                if "SCI" in hdulist and hdulist["SCI"].header.get("NAXIS") == 4:
                    return PsfAlignModel.open(path)
        except OSError as err:
            raise InputError(f"{path}: cannot be read ({err}); fetch the file again") from err
    return open_cube(path)


def images_of(data: Any, err: Any, dq: Any) -> Images:
    """Return images with the pixels flagged DO_NOT_USE bad."""
    bad = np.empty(dq.shape, bool)
    for plane, flags in zip(bad, dq, strict=True):
        np.not_equal(flags & np.uint32(pixel["DO_NOT_USE"]), 0, out=plane)
    return Images(data, err, bad)


def _part(
    model: CubeModel, references: Any, recipe: Recipe
) -> tuple[Subtracted, tuple[float, float]]:
    star_model = array_of(model, "psf_model")
    if star_model is None:
        raise InputError(
            f"{name_of(model)}: the star's model (PSFMODEL) is not in it; subtract the star by "
            "coronx_klip again"
        )
    if isinstance(references, QuadModel) and getattr(references, "common", None) is None:
        raise InputError(
            f"{name_of(references)}: does not tell the integrations' shifts; align the references "
            "by coronx_align_refs again"
        )
    data = model.data.astype(np.float64) + star_model
    bad = ~np.isfinite(model.data)
    targets = Images(data, model.err, bad)
    inputs = Inputs.of(model, targets, references, recipe)
    if inputs.matrix is None:
        raise InputError(f"{name_of(model)}: no WCS (gwcs) in it; run calwebb_image2 on it again")
    try:
        part = Subtracted(
            targets,
            inputs.references,
            star=(inputs.star.x, inputs.star.y),
            matrices=np.repeat(inputs.matrix[None], len(data), axis=0),
            reference_matrices=inputs.matrices,
            truncate=recipe.kl_truncate,
            err=model.err,
            method=recipe.method,
            zones=inputs.plan.zones,
            chosen=inputs.plan.chosen,
            kept_out=inputs.plan.kept_out,
            shifts=inputs.shifts,
        )
    except ValueError as err:
        raise InputError(f"{name_of(model)}: {err}") from err
    star = find_star(model)
    mask = mask_place(model) or (star.x, star.y)
    # The mask stays where it is while the star moves behind it: their distance is the mean one.
    return part, (
        mask[0] + inputs.star.x - star.x,
        mask[1] + inputs.star.y - star.y,
    )
