"""Companions put into the NACO cube one at a time, and looked for in the map of fluxes.

``python -m tests.benchmarks.naco_detections [--data FOLDER] [--count N] [--plain]``
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates, maximum_filter
from scipy.stats import norm
from tqdm import tqdm

from coronx.ops.detection import find_candidates
from coronx.ops.field_statistics import expected_peaks, gaussian_sigmas, t_value
from coronx.ops.flux_map import FluxMap
from coronx.ops.ring_noise import RingNoise, ring_noise
from coronx.ops.subtracted import Subtracted
from coronx.ops.summit import summit
from tests.benchmarks.injection import places
from tests.benchmarks.naco import CORE, FWHM, GRID, SCALE, Naco, flux_noise, open_naco

__all__ = ["Field", "Looked", "look", "throughput_scatter"]

RARE = 1e-3  # false-alarm probability at one place
SIGMAS = float(norm.isf(RARE))
INNER, OUTER = 0.2, 1.25  # arcsec: where false ones are counted
_FWHM = FWHM * SCALE


@dataclass(frozen=True)
class Field:
    """The empty cube's subtraction, and what it says: throughput and noise by separation."""

    naco: Naco
    empty: Subtracted
    core: float | None
    throughput: tuple[np.ndarray, np.ndarray]
    noise: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, naco: Naco, *, core: float | None = CORE, step: float = 0.4) -> "Field":
        """Measure throughput of companions of S/N 5 every `step` FWHM, and noise."""
        throughput, noise = flux_noise(naco, core=core, step=step)
        return cls(naco, naco.subtracted(naco.cube), core, throughput, noise)

    def sigma(self, separation: float) -> float:
        """Return the flux of S/N 1."""
        return float(np.exp(np.interp(separation, self.noise[0], np.log(self.noise[1]))))

    def fluxes(self, part: Subtracted) -> FluxMap:
        """Return a subtraction's map of fluxes."""
        return self.naco.fluxes(part, self.throughput, core=self.core)


@dataclass(frozen=True)
class Looked:
    """What was found of companions, each (n,)."""

    sigmas: np.ndarray  # of the highest peak within half an FWHM; -inf if there is none
    flux: np.ndarray  # there, over the truth
    at_truth: np.ndarray  # flux at the place itself, over the truth
    off: np.ndarray  # pixels from the truth, (n, 2)
    candidate: np.ndarray  # whether `find_candidates` names it at 1 % in the field
    snr: float

    def report(self) -> str:
        """Return a line."""
        seen = self.sigmas > SIGMAS
        flux, truth = self.flux[seen], self.at_truth
        rms = np.sqrt(np.mean(self.off[seen] ** 2))
        limit = FWHM / 2.355 / self.snr
        n = np.sqrt(len(truth))
        return (
            f"S/N {self.snr:g}: {seen.mean():.1%} of {seen.size} detected at {SIGMAS:.2f} sigma, "
            f"{self.candidate.mean():.1%} candidates at 1 % in the field; median "
            f"{np.median(self.sigmas):.1f} sigma; flux at detected peaks {flux.mean() - 1:+.1%} "
            f"+- {flux.std() / np.sqrt(flux.size):.1%}, at all places {truth.mean() - 1:+.1%} "
            f"+- {truth.std() / n:.1%}, scatter {truth.std():.1%}; position rms {rms:.3f} pixels, "
            f"{rms / limit:.2f} of the limit {limit:.3f}"
        )


def significance(fluxes: FluxMap) -> tuple[np.ndarray, RingNoise]:
    """Return the sigmas of a Gaussian as rare as each value, and the noise."""
    noise = ring_noise(fluxes.flux, GRID, fwhm=_FWHM, correlation=fluxes.correlation,
                       scale=fluxes.sigma)  # fmt: skip
    with np.errstate(invalid="ignore"):
        found = gaussian_sigmas(noise.t(fluxes.flux), noise.freedom)
    return np.where(np.isfinite(found), found, -np.inf), noise


def peaks(sigmas: np.ndarray, where: np.ndarray) -> list[tuple[int, int]]:
    """Return the local maxima in a region, highest first."""
    top = (maximum_filter(sigmas, 3) == sigmas) & where & np.isfinite(sigmas)
    rows, cols = np.nonzero(top)
    order = np.argsort(-sigmas[rows, cols])
    return [(int(rows[k]), int(cols[k])) for k in order]


def look(field: Field, where: Sequence[tuple[float, float]], snr: float) -> Looked:
    """Put a companion in at each place, subtract, and look for it."""
    out: list[tuple[float, ...]] = []
    for east, north in tqdm(where, desc=f"S/N {snr:g}"):
        truth = snr * field.sigma(float(np.hypot(east, north)))
        part = field.naco.subtracted(field.naco.with_companion(east, north, truth))
        fluxes = field.fluxes(part)
        sigmas, noise = significance(fluxes)
        near = np.hypot(GRID.east - east, GRID.north - north) < 0.5 * _FWHM
        found = peaks(sigmas, near)
        named = any(
            np.hypot(c.east - east, c.north - north) < 0.5 * _FWHM
            for c in find_candidates(fluxes, fwhm=_FWHM, inner=INNER, outer=OUTER).candidates
        )
        height = _value(fluxes, (east, north)) / truth
        if not found:
            out.append((-np.inf, np.nan, height, np.nan, np.nan, named))
            continue
        y, x, peak = summit(fluxes.flux / fluxes.sigma, *found[0])
        at = GRID.offsets(y, x)
        flux = (peak * fluxes.sigma[found[0]] - noise.mean[found[0]]) / truth
        miss = np.subtract(at, (east, north)) / SCALE
        out.append((float(sigmas[found[0]]), flux, height, *miss, named))
    table = np.array(out, float)
    return Looked(*table[:, :3].T, table[:, 3:5], table[:, 5] > 0.0, snr)


def _value(fluxes: FluxMap, place: tuple[float, float]) -> float:
    """Return the flux at a place (east, north) between pixels."""
    at = [[GRID.half + place[1] / SCALE], [GRID.half - place[0] / SCALE]]
    return float(map_coordinates(np.nan_to_num(fluxes.flux), at, order=5)[0])


def false_ones(field: Field) -> str:
    """Return a line about the peaks of the empty cube."""
    fluxes = field.fluxes(field.empty)
    sigmas, noise = significance(fluxes)
    where = (GRID.separation >= INNER) & (GRID.separation <= OUTER) & np.isfinite(sigmas)
    high = [sigmas[at] for at in peaks(sigmas, where) if sigmas[at] > SIGMAS]
    area = np.where(where, SCALE**2 * fluxes.correlation.roughness, 0.0)[where]
    expected = expected_peaks(
        SIGMAS, area / (1.0 + 1.0 / noise.mean_count[where]), noise.freedom[where]
    )
    named = find_candidates(fluxes, fwhm=_FWHM, inner=INNER, outer=OUTER)
    t = t_value(SIGMAS, noise.freedom[where])
    return (
        f"empty cube, {INNER} to {OUTER} arcsec: {len(high)} peaks above {SIGMAS:.2f} sigma "
        f"(t of {t.max():.2f} to {t.min():.2f}; {expected:.1f} expected of Gaussian noise), "
        f"the highest {max(high, default=np.nan):.2f}; {len(named.candidates)} candidates above "
        f"{named.threshold:.2f} sigma, 1 % in the field"
    )


def throughput_scatter(
    field: Field, separations: Sequence[float], angles: int, snr: float = 10.0
) -> np.ndarray:
    """Return recovered over injected flux, the throughput undone, (separations, angles)."""
    before = field.fluxes(field.empty)
    out = np.empty((len(separations), angles))
    for n, r in enumerate(tqdm(separations, desc="throughput")):
        flux = snr * field.sigma(r)
        for k in range(angles):
            angle = 2.0 * np.pi * (k + 0.31) / angles
            place = (r * np.sin(angle), r * np.cos(angle))
            after = field.fluxes(field.naco.subtracted(field.naco.with_companion(*place, flux)))
            out[n, k] = (_value(after, place) - _value(before, place)) / flux
    return out


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.naco_detections")
    parser.add_argument("--data", type=Path, default=os.environ.get("CORONX_DATA"))
    parser.add_argument("--count", type=int, default=40, help="companions of each S/N")
    parser.add_argument("--plain", action="store_true", help="filter with the whole PSF")
    options = parser.parse_args()
    start = time.monotonic()
    field = Field.of(open_naco(options.data), core=None if options.plain else CORE)
    for r in (0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
        print(f"{r} arcsec: throughput {np.interp(r, *field.throughput):.3f}, "
              f"flux of S/N 1 {field.sigma(r):.1f}")  # fmt: skip
    print(false_ones(field), flush=True)
    for snr in (20.0, 5.0):
        done = look(field, places(options.count), snr)
        print(done.report(), flush=True)
        lost = np.flatnonzero(done.sigmas <= SIGMAS)
        where = np.hypot(*np.array(places(options.count)).T)
        print("missed:", [(round(where[k], 2), round(done.sigmas[k], 1)) for k in lost])
    at = (0.3, 0.45, 0.6, 0.8, 1.0)
    shares = throughput_scatter(field, at, 10)
    for r, share in zip(at, shares, strict=True):
        print(f"{r} arcsec: recovered {share.mean() - 1:+.1%}, scatter {share.std(ddof=1):.1%}, "
              f"of the mean {share.std(ddof=1) / np.sqrt(share.size):.1%}")  # fmt: skip
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
