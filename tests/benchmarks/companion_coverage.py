"""How often the errors of a companion's fit hold the truth, in correlated noise.

``python -m tests.benchmarks.companion_coverage [--count N]``
"""

import argparse
import time

import numpy as np

from coronx.ops.companion_fit import fit_companion
from tests.ops.companion_scenes import FWHM, SCALE, make_parts

# Name, separation in pixels, flux, how the frames are made.
CASES = (
    ("two rolls", 15.0, 110.0, {}),
    ("two rolls, close", 8.0, 210.0, {}),
    ("two rolls, faint", 15.0, 47.0, {}),
    (
        "six rolls, slow speckles", 15.0, 110.0,
        {"rolls": (0.0, 2.0, 4.0, 6.0, 8.0, 10.0), "frames": 1, "still": 0.8, "slow": 0.9},
    ),
)  # fmt: skip


def case(radius: float, flux: float, count: int, options: dict) -> str:
    """Return what is found of `count` companions, each in noise of its own."""
    miss, sigma, snr, least, done = [], [], [], [], 0
    begun = time.process_time()
    for seed in range(count):
        rng = np.random.default_rng(seed)
        angle = rng.uniform(0.0, 2.0 * np.pi)
        place = radius * SCALE * np.array([np.sin(angle), np.cos(angle)])
        parts, psf = make_parts(rng, companion=(*place, flux), **options)
        guess = place + rng.normal(size=2) * 0.3 * FWHM * SCALE
        fit = fit_companion(parts, psf, guess=guess, fwhm=FWHM)
        miss.append([*(np.array([fit.east, fit.north]) - place), fit.flux - flux])
        sigma.append(fit.sigma)
        snr.append(fit.snr)
        least.append(fit.inflation)
        done += fit.converged
    miss, sigma = np.array(miss), np.array(sigma)
    inside = np.mean(np.abs(miss) < sigma, axis=0)
    plain = np.mean(np.abs(miss) < sigma / np.array(least)[:, None], axis=0)
    rms = np.sqrt(np.mean(miss[:, :2] ** 2)) / SCALE
    limit = FWHM / 2.355 * miss[:, 2].std() / flux
    return (
        f"S/N {np.median(snr):.1f}, {done}/{count} converged; within one sigma (east, north, flux) "
        f"{inside[0]:.0%} {inside[1]:.0%} {inside[2]:.0%}, by least squares alone "
        f"{plain[0]:.0%} {plain[1]:.0%} {plain[2]:.0%}; flux {miss[:, 2].mean() / flux:+.1%}, "
        f"position rms {rms:.3f} pixels, {rms / limit:.2f} of FWHM / (2.355 S/N); "
        f"{(time.process_time() - begun) / count:.2f} s each, frames included"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.companion_coverage")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    for name, radius, flux, more in CASES:
        print(f"{name}: {case(radius, flux, options.count, more)}", flush=True)


if __name__ == "__main__":
    main()
