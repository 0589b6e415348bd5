"""Companions put into two-roll scenes in truth: throughput beside it, and errors that hold it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from coronx.models.recipe import Recipe
from coronx.models.reduction import Inputs, images_of
from coronx.ops.companion_fit import fit_companion
from coronx.ops.images import Images
from coronx.ops.stamp import OffAxisPsf
from coronx.ops.subtracted import Subtracted
from tests.benchmarks.two_rolls import TwoRolls

__all__ = ["Rolls", "chain_errors", "coverage", "places", "throughput_errors"]

_GOLDEN = 2.399963  # radians: no two places at one position angle


@dataclass(frozen=True)
class Rolls:
    """Exposures of a star about to be subtracted, in arrays.

    Attributes
    ----------
    inputs : list of Inputs
        Of each exposure.
    recipe : Recipe
        How the star is subtracted.
    psfs : list of OffAxisPsf
        Of each exposure.
    """

    inputs: list[Inputs]
    recipe: Recipe
    psfs: list[OffAxisPsf]

    @classmethod
    def of(cls, seen: TwoRolls, psfs: list[OffAxisPsf], **recipe: Any) -> "Rolls":
        """Return the exposures of a scene; keywords are those of a recipe."""
        how = Recipe(**recipe)
        found = []
        for target, aligned in zip(seen.targets, seen.aligned, strict=True):
            images = images_of(target.data, target.err, target.dq)
            found.append(Inputs.of(target, images, aligned, how))
        return cls(found, how, psfs)

    def subtract(
        self, east: float = 0.0, north: float = 0.0, flux: float = 0.0
    ) -> tuple[Subtracted, ...]:
        """Subtract the star, a companion being there in all frames of the star.

        It is where the star's own motion puts it: in a target as it was measured, and in the
        aligned references of the other rolls.
        """
        parts = []
        for given, psf in zip(self.inputs, self.psfs, strict=True):
            count = len(given.targets.data)
            matrices = np.repeat(given.matrix[None], count, axis=0)
            targets, references = given.targets, given.references
            if flux:
                star = np.array([given.star.x, given.star.y])
                moves = np.zeros((count, 2)) if given.shifts is None else given.shifts
                offset = np.array([east, north])
                targets = _lit(targets, psf, star + moves + matrices @ offset, flux)
                references = _lit(references, psf, star + given.matrices @ offset, flux)
            parts.append(
                Subtracted(
                    targets,
                    references,
                    star=(given.star.x, given.star.y),
                    matrices=matrices,
                    reference_matrices=given.matrices,
                    truncate=self.recipe.kl_truncate,
                    err=given.targets.err,
                    method=self.recipe.method,
                    zones=given.plan.zones,
                    chosen=given.plan.chosen,
                    kept_out=given.plan.kept_out,
                    shifts=given.shifts,
                )
            )
        return tuple(parts)


def places(count: int, low: float, high: float) -> list[tuple[float, float]]:
    """Return places (east, north) in arcsec, evenly in separation, all around."""
    radii = low + (high - low) * (np.arange(count) + 0.5) / count
    angles = _GOLDEN * np.arange(count)
    return [(r * np.sin(a), r * np.cos(a)) for r, a in zip(radii, angles, strict=True)]


def throughput_errors(
    rolls: Rolls, where: Sequence[tuple[float, float]], flux: float, *, half: int = 8
) -> np.ndarray:
    """Return relative errors of what the subtraction says of companions, beside true injection.

    Returns
    -------
    ndarray (n, 3)
        At each place: of the share of the flux that is left, of the same in integrations that
        were not moved, and largest error of a pixel over the largest pixel.
    """
    before = rolls.subtract()
    found = []
    for east, north in where:
        after = rolls.subtract(east, north, flux)
        sums, still, worst, peak = np.zeros(3), np.zeros(3), 0.0, 0.0
        for part, new, given, psf in zip(before, after, rolls.inputs, rolls.psfs, strict=True):
            told = part.response(psf, east, north, flux, half=half)
            true = new.patches(east, north, half=half).values
            true = true - part.patches(east, north, half=half).values
            moves = np.zeros((len(true), 2)) if given.shifts is None else given.shifts
            for n, (x, y) in enumerate(part.places(east, north)):
                image = np.zeros(part.shape[1:])
                psf(float(x), float(y)).add_to(image, flux)
                own = _cut(image, told.rows[n], told.cols[n], 2 * half + 1)
                good = np.isfinite(told.values[n]) & np.isfinite(true[n]) & np.isfinite(own)
                row = [float((own * image)[good].sum()) for image in (told.values[n], true[n], own)]
                sums += row
                still += row if not moves[n].any() else np.zeros(3)
                if good.any():
                    worst = max(worst, float(np.abs(told.values[n] - true[n])[good].max()))
                    peak = max(peak, float(np.abs(true[n])[good].max()))
        told_share, true_share = sums[0] / sums[2], sums[1] / sums[2]
        quiet = abs(still[0] / still[1] - 1.0) if still[1] else np.nan
        found.append([abs(told_share / true_share - 1.0), quiet, worst / peak])
    return np.array(found)


def chain_errors(
    seen: TwoRolls,
    rolls: Rolls,
    where: Sequence[tuple[float, float]],
    flux: float,
    *,
    half: int = 8,
) -> np.ndarray:
    """Return relative errors of the share left, beside companions put into the exposures.

    Their frames are stacked, registered, aligned and subtracted anew.
    """
    before = rolls.subtract()
    found = []
    for east, north in where:
        offset = np.array([east, north])
        stack = seen.stack.copy()
        targets = []
        plane = len(stack.data) - sum(len(target.data) for target in seen.targets)
        for target, given, psf in zip(seen.targets, rolls.inputs, rolls.psfs, strict=True):
            moves = 0.0 if given.shifts is None else given.shifts
            at = np.array([given.star.x, given.star.y]) + moves + given.matrix @ offset
            new = target.copy()
            for n, (x, y) in enumerate(np.broadcast_to(at, (len(target.data), 2))):
                stamp = psf(float(x), float(y))
                stamp.add_to(new.data[n], flux)
                stamp.add_to(stack.data[plane + n], flux)
            plane += len(target.data)
            targets.append(new)
        aligned = [seen.align(target, stack) for target in targets]
        again = replace(seen, targets=targets, aligned=aligned)
        after = Rolls.of(again, rolls.psfs, **asdict(rolls.recipe)).subtract()
        told = true = 0.0
        for part, new, psf in zip(before, after, rolls.psfs, strict=True):
            response = part.response(psf, east, north, flux, half=half)
            change = new.patches(east, north, half=half).values
            change = change - part.patches(east, north, half=half).values
            for n, (x, y) in enumerate(part.places(east, north)):
                image = np.zeros(part.shape[1:])
                psf(float(x), float(y)).add_to(image, flux)
                own = _cut(image, response.rows[n], response.cols[n], 2 * half + 1)
                good = np.isfinite(response.values[n] + change[n] + own)
                told += float((own * response.values[n])[good].sum())
                true += float((own * change[n])[good].sum())
        found.append(told / true - 1.0)
    return np.array(found)


def coverage(
    rolls: Rolls,
    where: Sequence[tuple[float, float]],
    fluxes: Sequence[float],
    fwhm: float,
    scale: float,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Fit companions put in one at a time.

    Returns
    -------
    ndarray (n, 7)
        Of each: what was found less the truth, and its error, of east, north (arcsec) and flux;
        and the S/N. NaN where the fit did not converge.
    """
    found = []
    for (east, north), flux in zip(where, fluxes, strict=True):
        parts = rolls.subtract(east, north, flux)
        guess = np.array([east, north]) + rng.normal(size=2) * 0.2 * fwhm * scale
        fit = fit_companion(parts, rolls.psfs, guess=guess, fwhm=fwhm)
        miss = np.array([fit.east - east, fit.north - north, fit.flux - flux])
        row = [*miss, *fit.sigma, fit.snr]
        found.append(row if fit.converged else np.full(7, np.nan))
    return np.array(found)


def _lit(images: Images, psf: OffAxisPsf, at: np.ndarray, flux: float) -> Images:
    """Return images with a companion's light at (x, y) of each, NaN for none."""
    data = np.array(images.data, dtype=np.float64)
    for plane, (x, y) in zip(data, at, strict=True):
        if np.isfinite(x):
            psf(float(x), float(y)).add_to(plane, flux)
    return Images(data, images.err, images.bad)


def _cut(image: np.ndarray, row: int, col: int, side: int) -> np.ndarray:
    out = np.full((side, side), np.nan)
    rows = slice(max(row, 0), max(min(row + side, image.shape[0]), 0))
    cols = slice(max(col, 0), max(min(col + side, image.shape[1]), 0))
    out[rows.start - row : rows.stop - row, cols.start - col : cols.stop - col] = image[rows, cols]
    return out
