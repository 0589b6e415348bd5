"""Depth on real frames beside other packages, and calibrated contrast beside a published curve.

``python -m tests.benchmarks.contrast_peers --data FOLDER --out docs/contrast_peers.md``
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tests.benchmarks.contrast_data import (
    CENTER,
    FWHM,
    PIXEL,
    SCIENCE,
    STARS,
    Companion,
    Frame,
    frames,
    star_psf,
)  # fmt: skip
from tests.benchmarks.contrast_limits import contrast, draw, limit_table
from tests.benchmarks.contrast_methods import METHODS, Subtract

__all__ = ["Score", "main", "score"]

SEPARATIONS = (0.5, 1.0, 2.0)  # arcsec
_ANGLES = 8  # position angles at which companions are injected
_STRENGTH = 20.0  # their peak, in standard deviations of the frame's ring
PAGE = """# Depth on real frames

AU Mic and three reference stars at two rolls each, F356W behind MASK335R (JWST programme 1184),
aligned once by `coronx_align_refs`, the same for all packages. A reference star is a target against
the four exposures of the two others, AU Mic against all six. Made by
`python -m tests.benchmarks.contrast_peers --data FOLDER --out docs/contrast_peers.md` ({versions}).

## Beside other packages

Residual rms in a ring one lambda/D wide, MJy/sr, over the throughput of companions injected there
(one at a time, eight position angles; the PSF is that of the Lyot stop by stpsf, times the mask's
transmission; throughput is the injected image's amplitude in what it changes). Of the numbers of
modes from 1 to all, the one that is best at each separation, for every package alike; the
reference of colour makes one more.

{depths}

The same over that of the first row, geometric means of all rolls: left with the best number of
modes at each separation, right with the one that is best at 1". More than 1 is worse.

{ratios}

With four to six references all packages subtract the same projection over the whole frame. What
differs are zones, and what else is fitted:

- **Colour.** The speckles of a redder star are stretched about it. The fit finds the same at both
  rolls, and the same sign within 0.75", from there to 1.75", and beyond: in thousandths, against
  the mean of the references, AU Mic -1.6 and -2.2, G 80-21 -2.4 and -2.0, G 7-34 +2.1 and +2.4.
  `color_change = 0.003` of [klip](steps/klip.md) takes this as one more reference, of the size by
  which black bodies from 10000 K to 2800 K differ in F356W; three times that does alike (below).
- **Annuli.** Over the whole frame, the noise far from the star takes part in the fit; a cut at 12.5
  lambda/D, where the speckles end, takes it out. The inner cut, at 7 lambda/D, and the padding of 6
  were chosen on the first rolls, of 25 pairs, by the mean over stars and separations (AU Mic off
  the disk); on the second rolls they are the best, too.
- **Small zones** follow a companion, too, and lose as much throughput as residual; they gain on AU
  Mic, whose disk is then taken for starlight: at 1 and 2", pyKLIP's and the 8 sectors go below what
  keeps the disk, which is most of what is left. Rows off the disk leave out 20 degrees on both
  sides of it.

## What was tried besides

Ratios as above to two annuli without colour, at 0.5, 1 and 2": of the reference stars, then of AU
Mic off the disk. Measured once, on all rolls, in two annuli.

| | reference stars | AU Mic off the disk |
|---|---|---|
| slopes of the mean reference along x and y | 1.004 1.009 1.000 | 1.013 1.009 1.001 |
| its slope along the radius (colour), always fitted | 0.930 0.975 0.995 | 0.934 1.041 0.994 |
| as a reference of size 0.003: taken here | 0.939 0.962 1.000 | 0.946 0.997 0.998 |
| as a reference of size 0.01 | 0.928 0.973 0.998 | 0.932 1.019 0.992 |
| every reference also stretched by 0.003 | 0.933 0.963 1.002 | 0.945 1.008 1.002 |
| second slope along the radius, too | 0.938 0.984 0.993 | 0.939 1.011 0.989 |
| turn about the star | 1.000 1.002 1.001 | 1.000 1.005 1.001 |
| unlike stretch along two axes | 1.003 1.004 0.999 | 0.991 1.017 0.998 |
| Laplacian (blur) | 1.020 1.025 1.000 | 0.979 0.989 0.975 |
| Laplacian times brightness (brighter-fatter) | 1.023 1.021 0.996 | 0.947 1.021 1.010 |
| square of the mean (non-linearity) | 1.029 1.026 0.988 | 0.929 1.043 1.038 |
| mean times x and y | 1.015 1.061 1.022 | 1.028 1.069 1.014 |
| pixels weighted by the inverse power of speckles | 2.080 1.673 1.537 | 1.774 1.686 2.444 |
| by its root | 1.232 1.067 0.997 | 1.158 1.133 0.981 |

What a drift of the wavefront changes can be simulated where the wavefront is known; no measured one
is among these data. One found from the frames themselves, by least squares in 108 modes of the
segments from several starts, leaves 30 to 70 % of the speckles' rms: too much to take slopes of
it. Of single integrations nothing can be told: each frame is one coadded exposure.

## Calibrated contrast

{limits}

![Contrast]({figure})
"""
_CORE = 0.02  # throughput is measured where a companion is brighter than this, of its peak


@dataclass(frozen=True)
class Score:
    """Residual scatter and throughput of one frame, each (number of modes, separation).

    `off_disk` is the scatter where AU Mic's disk is not.
    """

    rms: np.ndarray
    off_disk: np.ndarray
    throughput: np.ndarray

    def best(self, name: str = "rms") -> np.ndarray:
        """Scatter over throughput by the number of modes that is best at each separation."""
        return (getattr(self, name) / self.throughput).min(axis=0)

    def at_one(self, name: str = "rms") -> np.ndarray:
        """The same by the number of modes that is best at 1 arcsec."""
        depth = getattr(self, name) / self.throughput
        return depth[depth[:, SEPARATIONS.index(1.0)].argmin()]


def score(subtract: Subtract, frame: Frame, companion: Companion) -> Score:
    """Subtract a frame with each number of modes, as it is and with companions one at a time."""
    rings = [_ring(frame.target.shape, s / PIXEL, FWHM) for s in SEPARATIONS]
    injected, sources = [], []
    for separation, ring in zip(SEPARATIONS, rings, strict=True):
        for angle in 2 * np.pi * (np.arange(_ANGLES) + 0.3) / _ANGLES:
            place = np.array([np.cos(angle), np.sin(angle)]) * separation / PIXEL + CENTER
            source = companion(*place)
            sources.append(source * _STRENGTH * frame.target[ring].std() / source.max())
            injected.append(frame.target + sources[-1])
    done = subtract(np.stack([frame.target, *injected]), frame.references)
    modes = range(len(done))
    away = _away_from_disk(frame)
    rms, off = (
        np.array([[np.nanstd(plane[ring & some]) for ring in rings] for plane in done[:, 0]])
        for some in (np.True_, away)
    )
    found = np.empty((len(modes), len(sources)))
    for n, source in enumerate(sources):
        near = source > _CORE * source.max()
        left = done[:, 1 + n, near] - done[:, 0, near]
        found[:, n] = np.nansum(left * source[near], axis=1) / np.sum(source[near] ** 2)
    return Score(rms, off, found.reshape(len(modes), len(SEPARATIONS), _ANGLES).mean(axis=2))


def _ring(shape: Sequence[int], radius: float, width: float) -> np.ndarray:
    y, x = np.indices(shape)
    return np.abs(np.hypot(x - CENTER[0], y - CENTER[1]) - radius) < width / 2


def _away_from_disk(frame: Frame) -> np.ndarray:
    """Return what is more than 20 degrees from AU Mic's edge-on disk, at PA 128.5 degrees."""
    y, x = np.indices(frame.target.shape)
    # North is `angle` clockwise of y as seen from the star; east is to the left of north.
    position = np.degrees(np.arctan2(CENTER[0] - x, y - CENTER[1])) + frame.angle
    return np.abs((position - 128.5 + 90.0) % 180.0 - 90.0) > 20.0


def depths(data: Path, scratch: Path, companion: Companion) -> dict[str, dict[str, list[Score]]]:
    """Return the scores of each star's rolls by every method."""
    return {
        star: {
            name: [score(subtract, frame, companion) for frame in frames(data, star, scratch)]
            for name, subtract in METHODS.items()
        }
        for star in STARS
    }


def depth_table(scores: dict[str, dict[str, list[Score]]]) -> str:
    """Return a table of residual rms over throughput, means of a star's rolls."""
    head = " | ".join(f'{s:g}"' for s in SEPARATIONS)
    lines = [f"| star | method | {head} | throughput | modes |", "|---|---|" + "---|" * 5]
    for star, methods in scores.items():
        lines += [f"| {star} | {name} | {_cells(rolls)} |" for name, rolls in methods.items()]
    return "\n".join(lines)


def ratio_table(scores: dict[str, dict[str, list[Score]]]) -> str:
    """Return a table of scatter over throughput in units of the first method's, geometric means."""
    three = " | ".join(f'{s:g}"' for s in SEPARATIONS)
    lines = [f"| frames | method | {three} | {three} |", "|---|---|" + "---|" * 6]
    others = [star for star in scores if star != SCIENCE]
    every, second = slice(None), slice(1, None)
    for label, some, kind, rolls in (
        ("reference stars", others, "rms", every),
        ("the same, second rolls", others, "rms", second),
        (SCIENCE, [SCIENCE], "rms", every),
        (f"{SCIENCE}, off the disk", [SCIENCE], "off_disk", every),
        ("the same, second roll", [SCIENCE], "off_disk", second),
    ):
        for name in METHODS:
            cells = " | ".join(
                f"{value:.3f}"
                for choice in ("best", "at_one")
                for value in _ratio(scores, some, name, choice, kind, rolls)
            )
            lines.append(f"| {label} | {name} | {cells} |")
    return "\n".join(lines)


def _ratio(
    scores: dict[str, dict[str, list[Score]]],
    stars: Sequence[str],
    name: str,
    choice: str,
    kind: str,
    rolls: slice,
) -> np.ndarray:
    ours = next(iter(METHODS))
    logs = [
        np.log(getattr(theirs, choice)(kind) / getattr(mine, choice)(kind))
        for star in stars
        for theirs, mine in zip(scores[star][name][rolls], scores[star][ours][rolls], strict=True)
    ]
    return np.exp(np.mean(logs, axis=0))


def _cells(rolls: list[Score]) -> str:
    at = [(one.rms / one.throughput).argmin(axis=0) for one in rolls]
    columns = range(len(SEPARATIONS))
    depth = np.mean([one.best() for one in rolls], axis=0)
    passed = np.mean([one.throughput[k, columns] for one, k in zip(rolls, at, strict=True)], axis=0)
    modes = "; ".join(",".join(str(n + 1) for n in k) for k in at)
    return " | ".join([
        *(f"{value:.3g}" for value in depth), " ".join(f"{value:.2f}" for value in passed), modes,
    ])  # fmt: skip


def main() -> None:
    """Write the page and its figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real frames")
    parser.add_argument("--out", type=Path, required=True, help="page to write")
    parser.add_argument("--scratch", type=Path, help="folder that keeps the aligned frames")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = options.scratch or Path(folder)
        shape = frames(options.data, SCIENCE, scratch)[0].target.shape
        companion = Companion(star_psf(options.data), shape)
        scores = depths(options.data, scratch, companion)
        limits = contrast(options.data, scratch, companion)
    draw(limits, options.data, options.out.with_suffix(".png"))
    versions = ", ".join(f"{name} {version(name)}" for name in ("coronx", "vip_hci", "pyklip"))
    page = PAGE.format(
        depths=depth_table(scores), ratios=ratio_table(scores), versions=versions,
        limits=limit_table(limits), figure=f"{options.out.stem}.png",
    )  # fmt: skip
    options.out.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
