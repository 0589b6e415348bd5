"""Calibrated contrast of the reference stars, each against the other two and its other roll."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from coronx.ops.contrast import contrast_curve
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.images import Images
from coronx.ops.shift import shift_image
from coronx.ops.stamp import Stamp
from coronx.ops.subtracted import Subtracted
from coronx.ops.throughput_profile import throughput_profile
from coronx.ops.zones import annular_zones
from tests.benchmarks.contrast_data import (
    CENTER,
    FWHM,
    PIXEL,
    SCIENCE,
    STARS,
    Companion,
    Frame,
    frames,
)  # fmt: skip
from tests.benchmarks.contrast_methods import EDGES, PADDING, colored

__all__ = ["Limit", "contrast", "curve", "draw", "limit_table", "subtracted"]

# AU Mic in F356W from Ks = 4.529 +- 0.020 (2MASS, Cutri et al. 2003) and Ks - F356W of an M1
# dwarf, that is K - L = 0.15 +- 0.05 (Bessell & Brett 1988, PASP 100, 1134); Vega has 279 Jy at
# 3.563 um, between W1 (309.5 Jy at 3.353 um, Jarrett et al. 2011) and IRAC 1 (280.9 Jy at
# 3.550 um, Reach et al. 2005).
_KS, _COLOUR, _VEGA_JY = 4.529, 0.15, 279.0
_JANSKY = _VEGA_JY * 10 ** (-0.4 * (_KS - _COLOUR))
_JANSKY_SIGMA = 0.4 * np.log(10) * np.hypot(0.020, 0.05)
_SEPARATIONS = np.arange(0.3, 6.01, 0.05)
_CORE, _CORE_ADI = 1.5, 0.8  # window of the matched filter in FWHM, as `coronx_contrast` has it
# Where the throughput of ARDI is measured, arcsec, by companions of this contrast.
_PLACES = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 4.5, 6.0])
_FAINT = 1e-5
_PUBLISHED = "contrast/carter2023_HIP65426_F356W_contrast.txt"


@dataclass(frozen=True)
class Limit:
    """A star's 5-sigma contrast.

    Attributes
    ----------
    star, strategy : str
    jansky, relative_sigma : float
        Its flux density in F356W, and how well its ratio to AU Mic's is known.
    separation, contrast : ndarray (n,)
        Arcsec, and the limit over the star's flux.
    """

    star: str
    strategy: str
    jansky: float
    relative_sigma: float
    separation: np.ndarray
    contrast: np.ndarray


def contrast(data: Path, scratch: Path, companion: Companion) -> list[Limit]:
    """Return the limits of all reference stars, both rolls together, all modes.

    By the other two stars (RDI), and by these and the star's own other roll (ARDI).
    """
    science = [frame.scale for frame in frames(data, SCIENCE, scratch)]
    names = [star for star in STARS if star != SCIENCE]
    limits = []
    for n, star in enumerate(names):
        # Each of the star's two frames in units of each of AU Mic's.
        ratios = np.array([scale[2 * n : 2 * n + 2] for scale in science]).ravel()
        jansky = _JANSKY * ratios.mean()
        spread = float(ratios.std(ddof=1) / ratios.mean())
        for strategy in ("RDI", "ARDI"):
            rolls = frames(data, star, scratch, other_roll=strategy == "ARDI")
            flux = jansky / (1e6 * float(rolls[0].pixel_area[0]))
            values = curve(rolls, companion, flux, other_roll=strategy == "ARDI")
            limits.append(Limit(star, strategy, jansky, spread, _SEPARATIONS, values))
    return limits


def curve(
    rolls: list[Frame], companion: Companion, flux: float, *, other_roll: bool = False
) -> np.ndarray:
    """Return the contrast at each separation, both rolls together."""
    parts = [
        subtracted(frame, companion, other=other if other_roll else None)
        for frame, other in zip(rolls, rolls[::-1], strict=True)
    ]
    source = _Source(companion.psf, companion.transmission)
    grid = FluxGrid(round(_SEPARATIONS[-1] / PIXEL) + 3, PIXEL)
    core = (_CORE_ADI if other_roll else _CORE) * FWHM
    left: Any = None
    if other_roll:
        known = throughput_profile(
            parts, [source] * 2, _PLACES, flux=_FAINT * flux, half=round(3 * core), core=core
        )

        def left(separation: np.ndarray) -> np.ndarray:
            return np.interp(separation, _PLACES, known)

    found = flux_map(parts, lambda _: source, grid=grid, core=core, throughput=left)
    return contrast_curve(
        found, fwhm=FWHM * PIXEL, star_flux=flux, separations=_SEPARATIONS
    ).calibrated


def subtracted(frame: Frame, companion: Companion, *, other: Frame | None = None) -> Subtracted:
    """Return a roll's subtraction; `other` is the other roll, if it is its last reference."""
    references = _images(frame.references, frame.reference_err)
    count = len(references.data)
    matrices = np.full((count, 2, 2), np.nan)
    if other is not None:
        matrices[-1] = _matrix(other)
    stack = colored(references, np.isnan(matrices).all(axis=(1, 2)))
    return Subtracted(
        _images(frame.target[None], frame.target_err[None]),
        stack,
        star=CENTER,
        matrices=_matrix(frame)[None],
        reference_matrices=np.concatenate([matrices, np.full((1, 2, 2), np.nan)]),
        truncate=count + 1,
        zones=annular_zones(companion.shape, CENTER, edges=EDGES, padding=PADDING, smallest=FWHM),
    )


@dataclass(frozen=True)
class _Source:
    """The PSF, and the mask's transmission at every pixel."""

    kernel: np.ndarray
    passed: np.ndarray

    def transmission(self, shape: tuple[int, int]) -> np.ndarray:
        assert shape == self.passed.shape
        return self.passed

    def __call__(self, x: float, y: float) -> Stamp:
        """Return the image of unit flux at 0-based (x, y)."""
        half = self.kernel.shape[0] // 2
        col, row = round(x), round(y)
        moved = shift_image(np.pad(self.kernel, 8), np.array([x - col, y - row]))[8:-8, 8:-8]
        return Stamp(moved * self.passed[row, col], row - half, col - half)


def _matrix(frame: Frame) -> np.ndarray:
    """Return pixels (x, y) per arcsec (east, north): east is to the left of north."""
    cos, sin = np.cos(np.radians(frame.angle)), np.sin(np.radians(frame.angle))
    return np.array([[-cos, sin], [sin, cos]]) / PIXEL


def _images(data: np.ndarray, err: np.ndarray) -> Images:
    return Images(data, err, np.zeros(data.shape, bool))


def limit_table(limits: list[Limit]) -> str:
    """Return a table of limits, and the words that belong to it."""
    at = (0.5, 1.0, 2.0)
    head = " | ".join(f'{s:g}"' for s in at)
    rows = [
        f"| {one.star} | {one.strategy} | {one.jansky:.3f} | {100 * one.relative_sigma:.1f} % | "
        + " | ".join(f"{np.interp(s, one.separation, one.contrast):.2e}" for s in at)
        + " |"
        for one in limits
    ]
    return "\n".join([
        f"Fluxes: AU Mic has {_JANSKY:.2f} Jy in F356W, known to {100 * _JANSKY_SIGMA:.0f} %: "
        "2MASS Ks = 4.529 and Ks - F356W = 0.15 +- 0.05, an M1 dwarf's K - L. The others follow "
        "from the ratio of their speckles to AU Mic's, as `coronx_align_refs` fits it; its error "
        "here is the scatter over both rolls and frames.\n",
        f"| star | references | Jy | ratio's scatter | {head} |",
        "|---|---|---|---|" + "---|" * len(at), *rows, "",
        "5 sigma with the small-sample factor of Mawet et al. (2014), from the matched-filter flux "
        "of both rolls on the sky; all modes, the zones of the first row above and its reference "
        "of colour; throughput and the mask's transmission corrected for. RDI: the two other "
        "stars; ARDI: the star's other roll, 10 degrees away, as well, in all zones (with "
        "`least_rotation = 1` only beyond the first), what it takes of a companion measured by "
        "forward modelling. The goal is 1e-5 at 1\". G 161-71 was "
        "observed 55 days after the others, in which the wavefront has changed: only its own other "
        "roll shows that. The published curve is of another star, with ADI and RDI together.",
    ])  # fmt: skip


def draw(limits: list[Limit], data: Path, path: Path) -> None:
    """Draw the limits beside Carter et al. 2023, ApJ 951, L20 (HIP 65426, ADI and RDI)."""
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    colors = {star: f"C{n}" for n, star in enumerate(dict.fromkeys(one.star for one in limits))}
    for one in limits:
        style = colors[one.star] + {"RDI": "-", "ARDI": ":"}[one.strategy]
        label = f"{one.star}, {one.jansky:.2f} Jy, {one.strategy}"
        axes.plot(one.separation, one.contrast, style, label=label)
    separation, published, _ = np.loadtxt(data / _PUBLISHED).T
    seen = separation < _SEPARATIONS[-1]
    label = "HIP 65426, Carter et al. 2023, ADI + RDI"
    axes.plot(separation[seen], published[seen], "k--", label=label)
    axes.plot(1.0, 1e-5, "v", color="gray", label='goal: 1e-5 at 1"')
    axes.set(xlabel="separation (arcsec)", ylabel="5-sigma contrast in F356W", yscale="log")
    axes.set(xlim=(0.0, _SEPARATIONS[-1]), ylim=(3e-7, 1e-3))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
