"""Simulated two-roll scenes, taken to where the star is to be subtracted, and measured."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer

import coronx
from coronx.models.reduction import Reduction
from coronx.ops.contrast import contrast_map
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.stamp import OffAxisPsf
from coronx.refdata.off_axis_psf import off_axis_psf
from coronx.simulate import SCENES, Coronagraph, Scene, simulate
from coronx.simulate.plan import plan
from coronx.steps.coron.klip import KlipStep

__all__ = ["SEPARATIONS", "Limits", "TwoRolls", "forward_throughput", "observe", "rolls_apart"]

SEPARATIONS = (0.5, 1.0, 1.5, 2.0)  # arcsec
_ANGLES = 6  # position angles at which the throughput of ADI is measured
_MARGIN = 0.5  # arcsec of the maps beyond the largest separation
_FAINT = 1e-6  # contrast of the companions that tell the throughput


@dataclass(frozen=True)
class Limits:
    """What a subtraction reaches at some separations, each (n,).

    Attributes
    ----------
    contrast : ndarray
        Calibrated 5-sigma limit over the star's flux, median of the position angles.
    throughput : ndarray
        Share of a source's flux that is left.
    excess : ndarray
        Noise of the residuals over that of photons and read-out.
    """

    contrast: np.ndarray
    throughput: np.ndarray
    excess: np.ndarray


@dataclass(frozen=True)
class TwoRolls:
    """A scene ready for the subtraction.

    Attributes
    ----------
    scene : Scene
        What was observed.
    targets, aligned : list of models
        Science exposures, and the references aligned to each: the other star's and, for ADI,
        the other rolls'.
    unocculted : Path or CubeModel
        The exposure of the star beside the mask.
    stack : CubeModel
        The references before they were aligned: the other star's, then the targets'.
    align : callable
        Aligns a stack to a target.
    """

    scene: Scene
    targets: list[Any]
    aligned: list[Any]
    unocculted: Any
    stack: Any
    align: Callable[[Any, Any], Any]

    def subtracted(
        self, strategy: str, counts: Sequence[int], **options: Any
    ) -> dict[int, list[Any]]:
        """Return the subtracted exposures for each number of modes."""
        found: dict[int, list[Any]] = {count: [] for count in counts}
        for target, aligned in zip(self.targets, self.aligned, strict=True):
            made = KlipStep.call(
                target, aligned, strategy=strategy, truncate=[str(c) for c in counts], **options
            )
            made = made if isinstance(made, ModelContainer) else [made]
            for count, model in zip(counts, made, strict=True):
                found[count].append(model)
        return found

    def reduction(self, models: Sequence[Any]) -> Reduction:
        """Return the reduction of subtracted exposures."""
        return Reduction.of(models, self.aligned)

    def psfs(self, reduction: Reduction, fov_pixels: int = 65) -> list[OffAxisPsf]:
        """Return the PSF of each exposure, from the unocculted one."""
        return [
            off_axis_psf(
                reduction.mode,
                reduction.filter,
                mask_place=place,
                shape=model.shape[-2:],
                unocculted=self.unocculted,
                fov_pixels=fov_pixels,
            )
            for model, place in zip(reduction.models, reduction.mask_places, strict=True)
        ]

    def star_flux(self, reduction: Reduction) -> float:
        """Return the star's flux in MJy/sr times a pixel."""
        return self.scene.star_jy * 1e-6 / reduction.pixel_area_sr

    def limits(
        self,
        reduction: Reduction,
        psfs: Sequence[OffAxisPsf],
        separations: Sequence[float] = SEPARATIONS,
    ) -> Limits:
        """Measure what is reached at some separations."""
        at = np.array(separations)
        star = self.star_flux(reduction)
        half = int((at.max() + _MARGIN) / reduction.scale_arcsec)
        grid = FluxGrid(half, reduction.scale_arcsec)
        of = dict(zip(map(id, reduction.parts), psfs, strict=True))
        left: Any = None
        if not all(part.linear for part in reduction.parts):
            known = forward_throughput(reduction, psfs, at, star * _FAINT)

            def left(separation: np.ndarray) -> np.ndarray:
                seen = np.isfinite(known)
                return np.interp(separation, at[seen], known[seen])

            if not np.isfinite(known).any():
                return Limits(*np.full((3, at.size), np.nan))
        made = flux_map(reduction.parts, lambda part: of[id(part)], grid=grid, throughput=left)
        found = contrast_map(made, fwhm=reduction.fwhm_arcsec, star_flux=star)
        rows = []
        for separation in at:
            ring = np.abs(grid.separation - separation) < 0.25 * reduction.fwhm_arcsec
            ring &= np.isfinite(found.calibrated)
            # Half of the places are better: the shadow of a bar has not all the say.
            maps = (found.calibrated, made.throughput, found.noise.sigma / made.sigma)
            rows.append([np.median(each[ring]) if ring.any() else np.nan for each in maps])
        return Limits(*np.transpose(rows))


def observe(folder: Path, name: str = "nircam-round", **changes: Any) -> TwoRolls:
    """Simulate a scene without companions, and take it through the chain and the registration."""
    scene = replace(SCENES[name], companions=(), unocculted_arcsec=5.0, **changes)
    made = simulate(folder, scene)
    targets, aligned, before = [], [], []

    class Kept(coronx.Coron3Pipeline):
        def _subtract(self, target: Any, references: Any) -> list[tuple[str, Any]]:
            targets.append(target)
            aligned.append(references)
            return super()._subtract(target, references)

        def _align(self, target: Any, stack: Any, name: str) -> Any:
            before[:] = [stack, self.align_refs.process]
            return super()._align(target, stack, name)

    logging.disable(logging.INFO)
    Kept.call(
        str(made.asn),
        save_results=False,
        steps={"klip": {"strategy": "ardi", "truncate": ["1"]}, "resample": {"skip": True}},
    )
    return TwoRolls(scene, targets, aligned, Path(made.unocculted), *before)


def rolls_apart(scene: Scene) -> float:
    """Return by how many mas the star stands elsewhere behind the mask in the second roll."""
    optics_rng, pointing_rng, *_ = np.random.default_rng(scene.seed).spawn(5)
    optics = Coronagraph(scene.coronagraph, scene.filter, wavelengths=1, center=scene.mask_center)
    first, second = (
        exposure.pixel + exposure.shift.mean(axis=0)
        for exposure in islice(plan(scene, optics.pupil, optics_rng, pointing_rng), 2)
    )
    return 1e3 * float(np.hypot(*(np.subtract(second, first) * scene.coronagraph.scale)))


def forward_throughput(
    reduction: Reduction, psfs: Sequence[OffAxisPsf], separations: np.ndarray, flux: float
) -> np.ndarray:
    """Return which share of a faint companion's flux is left, by re-reduction with it.

    Median of six position angles; NaN where nothing is subtracted.
    """
    half = max(round(3.0 * reduction.fwhm_arcsec / reduction.scale_arcsec), 4)
    found = np.full((len(separations), _ANGLES), np.nan)
    for k, separation in enumerate(separations):
        for n, angle in enumerate(2.0 * np.pi * (np.arange(_ANGLES) + 0.25) / _ANGLES):
            place = separation * np.sin(angle), separation * np.cos(angle)
            above = below = 0.0
            for part, psf in zip(reduction.parts, psfs, strict=True):
                got = part.response(psf, *place, flux, half=half)
                for values, row, col, at in zip(
                    got.values, got.rows, got.cols, part.places(*place), strict=True
                ):
                    image = np.zeros(part.shape[1:])
                    psf(float(at[0]), float(at[1])).add_to(image, flux)
                    own = image[row : row + 2 * half + 1, col : col + 2 * half + 1]
                    if own.shape != values.shape:
                        continue
                    good = np.isfinite(values)
                    above += float((own * values)[good].sum())
                    below += float((own * own)[good].sum())
            found[k, n] = above / below if below > 0.0 else np.nan
    some = np.isfinite(found).any(axis=1)
    out = np.full(len(separations), np.nan)
    out[some] = np.nanmedian(found[some], axis=1)
    return out
