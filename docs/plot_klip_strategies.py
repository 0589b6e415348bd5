"""Draw the figure of ``steps/klip.md``, and print its table.

``python docs/plot_klip_strategies.py PRODUCTS EAST NORTH [folder]``, where PRODUCTS is where
``coronx_coron3 --steps.klip.strategy=ardi`` wrote, and a companion is EAST and NORTH arcsec from
the star.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Circle

from coronx import KlipStep
from coronx.models.members import open_cube
from coronx.models.pointing import find_star, record_star
from coronx.models.reduction import Reduction, open_references
from coronx.ops.stamp import Stamp

ZONES = {"annuli": [0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.6], "zone_padding": 0.1}
CASES = {
    **{name: {"strategy": name} for name in ("rdi", "adi", "ardi")},
    **{f"{name}, annuli": {"strategy": name, **ZONES} for name in ("rdi", "adi", "ardi")},
    "classical": {"method": "classical"},
    "nmf": {"method": "nmf", "truncate": 10},
}
SHOWN = 6  # cases of the figure
RINGS = (0.5, 1.0, 2.0)
ANGLES = np.radians(np.arange(15, 375, 30))
HALF = 3


class Point:
    """A Gaussian of unit flux."""

    def __init__(self, fwhm: float) -> None:
        self.sigma = fwhm / 2.355

    def __call__(self, x: float, y: float) -> Stamp:
        """Return it at a place."""
        row, col = round(y) - 7, round(x) - 7
        rows, cols = np.indices((15, 15))
        image = np.exp(-0.5 * ((cols + col - x) ** 2 + (rows + row - y) ** 2) / self.sigma**2)
        return Stamp(image / image.sum(), row, col)


def kept(found: Reduction, radius: float, flux: float = 50.0) -> float:
    """Return the share of a companion's matched flux that is left at a radius."""
    psf = Point(found.fwhm_arcsec / found.scale_arcsec)
    shares = []
    for part in found.parts:
        for angle in ANGLES:
            place = radius * np.sin(angle), radius * np.cos(angle)
            left = part.response(psf, *place, flux, half=HALF)
            for n, (x, y) in enumerate(part.places(*place)):
                size = 2 * HALF + 1
                own = Stamp(np.empty((size, size)), left.rows[n], left.cols[n])
                frame = np.zeros(part.shape[1:])
                psf(float(x), float(y)).add_to(frame)
                kernel = np.where(np.isfinite(left.values[n]), own.cut(frame), 0.0)
                if kernel.any():
                    shares.append(np.nansum(left.values[n] * kernel) / flux / np.sum(kernel**2))
    return float(np.mean(shares)) if shares else np.nan


def noise(found: Reduction, radius: float, companion: np.ndarray) -> float:
    """Return the rms of a roll's mean residual at a radius, away from the companion."""
    values = []
    for part in found.parts:
        y, x = np.indices(part.shape[1:])
        away = np.hypot(x - part.star[0], y - part.star[1]) * found.scale_arcsec
        ring = np.abs(away - radius) < 0.15 * max(radius, 0.7)
        for other in found.parts:
            at = np.array(part.star) + other.matrices[0] @ companion
            ring &= np.hypot(x - at[0], y - at[1]) > 7.0
        seen = np.isfinite(part.residual).any(axis=0) & ring
        values.append(np.nanmean(part.residual[:, seen], axis=0).std() if seen.any() else np.nan)
    return float(np.mean(values))


def main(folder: Path, companion: np.ndarray, out: Path) -> None:
    """Subtract the star in every way; draw and print."""
    stacks = sorted(folder.glob("*_psfalign.fits"))
    aligned = [open_references(path) for path in stacks]
    exposures = []
    for path in stacks:
        stem = str(path).removesuffix("_psfalign.fits")
        exposures.append(open_cube(Path(f"{stem}_crfints.fits")))
        record_star(exposures[-1], find_star(open_cube(Path(f"{stem}_psfsub.fits"))))
    fig, panels = plt.subplots(2, 3, figsize=(7.5, 5.4), layout="constrained")
    rows = ["| | " + " | ".join(f'{r}"' for r in RINGS) + " |", "|---|" + "---|" * len(RINGS)]
    for n, (name, options) in enumerate(CASES.items()):
        pairs = zip(exposures, aligned, strict=True)
        found = Reduction.of([KlipStep.call(*pair, **options) for pair in pairs], aligned)
        cells = []
        for radius in RINGS:
            left, share = noise(found, radius, companion), kept(found, radius)
            cells.append(f"{left:.2f}, {share:.2f}: {left / share:.2f}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
        if n >= SHOWN:
            continue
        part, panel = found.parts[0], panels.flat[n]
        ny, nx = part.shape[1:]
        x, y = part.star
        sides = np.array([-0.5 - x, nx - 0.5 - x, -0.5 - y, ny - 0.5 - y]) * found.scale_arcsec
        seen = np.isfinite(part.residual).any(axis=0)
        image = np.full((ny, nx), np.nan)
        image[seen] = np.nanmean(part.residual[:, seen], axis=0)
        image = np.clip(np.rint(image), -6, 9)  # few colours make a small file
        panel.imshow(image, extent=tuple(sides), origin="lower", vmin=-6, vmax=9, cmap="inferno")
        x, y = part.matrices[0] @ companion * found.scale_arcsec
        panel.add_patch(Circle((x, y), 0.3, fill=False, color="white"))
        panel.set(title=name, xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), facecolor="0.5")
    fig.supxlabel("arcsec along the detector's x")
    fig.savefig(out / "klip_strategies.png", dpi=72)
    print("\n".join(rows))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        np.array([float(sys.argv[2]), float(sys.argv[3])]),
        Path(sys.argv[4]) if len(sys.argv) > 4 else Path(__file__).parent / "steps",
    )
