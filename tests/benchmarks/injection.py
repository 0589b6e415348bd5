"""Companions put into the NACO cube one at a time and fitted again.

``python -m tests.benchmarks.injection [--data FOLDER] [--count N]``

S/N is a companion's flux over the noise of the empty cube's map of fluxes at its separation
(`noise_profile`), the same that `naco_detections` looks for them by.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from coronx.ops.companion_fit import CompanionFit, fit_companion
from tests.benchmarks.naco import APERTURE, FWHM, SCALE, Naco, flux_noise, open_naco

__all__ = ["Recovery", "peer_companion", "places", "recover"]

_GOLDEN = 2.399963  # radians: no two companions at one position angle
_PEER = ((831.33, 4.56), (239.92, 0.24), (390.8, 21.7))  # mas, degrees, flux: VIP's MCMC


@dataclass(frozen=True)
class Recovery:
    """What was put in, and what was found, (n, 3): east and north in pixels, flux."""

    truth: np.ndarray
    found: np.ndarray
    sigma: np.ndarray
    converged: np.ndarray
    snr: float

    def report(self) -> str:
        miss = self.found - self.truth
        share = miss[:, 2] / self.truth[:, 2]
        rms = np.sqrt(np.mean(miss[:, :2] ** 2, axis=0))
        inside = np.mean(np.abs(miss) < self.sigma, axis=0)
        limit = FWHM / 2.355 / self.snr
        return (
            f"S/N {self.snr:g}: {len(miss)} companions, {self.converged.sum()} converged; "
            f"flux {share.mean():+.2%} +- {share.std() / np.sqrt(len(share)):.2%}, "
            f"scatter {share.std():.1%}; position rms {rms[0]:.3f}, {rms[1]:.3f} pixels, "
            f"{np.sqrt(np.mean(rms**2)) / limit:.2f} of the limit {limit:.3f}; "
            f"within one sigma {inside[0]:.0%}, {inside[1]:.0%}, {inside[2]:.0%}; "
            f"S/N found {np.median(self.found[:, 2] / self.sigma[:, 2]):.1f}, "
            f"{np.mean(self.found[:, 2] > 3.0 * self.sigma[:, 2]):.0%} over 3"
        )


def places(count: int, low: float = 0.25, high: float = 1.0) -> list[tuple[float, float]]:
    """Return places (east, north) in arcsec, evenly in separation, all around."""
    radii = np.linspace(low, high, count)
    angles = _GOLDEN * np.arange(count)
    return [(r * np.sin(a), r * np.cos(a)) for r, a in zip(radii, angles, strict=True)]


def fit_one(naco: Naco, place: tuple[float, float], flux: float, angle: float) -> CompanionFit:
    """Put a companion in, subtract, and fit from a guess half an FWHM off at an angle."""
    part = naco.subtracted(naco.with_companion(*place, flux))
    off = 0.5 * FWHM * SCALE
    guess = (place[0] + off * np.cos(angle), place[1] + off * np.sin(angle))
    return fit_companion([part], naco.psf, guess=guess, fwhm=FWHM)


def recover(
    naco: Naco,
    where: list[tuple[float, float]],
    snr: float,
    error: tuple[np.ndarray, np.ndarray],
    *,
    angle: float | None = None,
) -> Recovery:
    """Fit companions of a given S/N at places, one at a time, from guesses half an FWHM off.

    They are off in any direction, or all in that of an angle (radians, from east to north).
    """
    rng = np.random.default_rng(1)
    truth, found, sigma, converged = [], [], [], []
    unit = np.array([1.0 / SCALE, 1.0 / SCALE, 1.0])
    for place in tqdm(where, desc=f"S/N {snr:g}"):
        flux = snr * np.exp(np.interp(np.hypot(*place), error[0], np.log(error[1])))
        off = rng.uniform(0.0, 2.0 * np.pi) if angle is None else angle
        fit = fit_one(naco, place, flux, off)
        truth.append([*place, flux] * unit)
        found.append([fit.east, fit.north, fit.flux] * unit)
        sigma.append(fit.sigma * unit)
        converged.append(fit.converged)
    return Recovery(*(np.array(a) for a in (truth, found, sigma, converged)), snr)


def peer_companion(naco: Naco) -> np.ndarray:
    """Return separation (mas), angle from +x (degrees) and flux with errors, (3, 2).

    Truth: 30.5 pixels, 240 degrees, 400 times the PSF as it is given.
    """
    angle, r = np.radians(240.0), 30.5 * SCALE
    place = (-r * np.cos(angle), r * np.sin(angle))
    fit = fit_one(naco, place, 400.0 * APERTURE, 1.6)
    return np.array([
        [1e3 * fit.separation, 1e3 * fit.separation_sigma],
        [(fit.pa + 90.0) % 360.0, fit.pa_sigma],
        [fit.flux / APERTURE, fit.sigma[2] / APERTURE],
    ])  # fmt: skip


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.injection")
    parser.add_argument("--data", type=Path, default=os.environ.get("CORONX_DATA"))
    parser.add_argument("--count", type=int, default=40, help="companions of each S/N")
    options = parser.parse_args()
    naco = open_naco(Path(options.data))
    start = time.monotonic()
    for (value, error), (peer, other) in zip(peer_companion(naco), _PEER, strict=True):
        print(f"{value:.2f} +- {error:.2f}; peer {peer} +- {other}", flush=True)
    error = flux_noise(naco)[1]
    for snr, angle in ((20.0, None), (20.0, 1.0), (5.0, None), (5.0, 1.0)):
        done = recover(naco, places(options.count), snr, error, angle=angle)
        print("guesses off in", "any direction" if angle is None else f"that of {angle:.1f} rad")
        print(done.report(), flush=True)
        out = (done.found - done.truth) / done.sigma
        print(np.round(np.c_[np.hypot(*done.truth[:, :2].T), out, done.converged], 2), flush=True)
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
