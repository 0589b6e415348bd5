"""References aligned to every integration (4-D) beside to the first alone (3-D)."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel

from coronx.ops.fourier import apply_ramp, forward, without_nyquist
from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf
from coronx.steps.coron.align_refs import AlignRefsStep
from coronx.steps.coron.klip import KlipStep
from tests.benchmarks.frames import Frames, make_frames
from tests.benchmarks.klip_methods import MODES
from tests.benchmarks.memory import peak_memory
from tests.benchmarks.timing import interleaved, markdown, ratio

__all__ = ["METHODS", "table"]

_BRUTE = 3  # integrations reduced by brute force
_EDGE = 5  # pixels at the edges, where a Fourier shift rings, that are not compared
_HEAD = (
    "path",
    "CPU s",
    "time / 3-D's",
    "peak MB",
    "peak / stack",
    "rms residual (sigma)",
    "from brute force: rms, max (sigma), share beyond 0.05",
    "from own planes: the same",
)
_NOTE = (
    "{nsci} science frames and {nref} references of {size}x{size}, star moving by 0.05 pixels "
    f"rms, {MODES} modes with ERR: the align_refs and klip steps in a row, one thread. Peak: "
    "memory above the inputs, over SCI+ERR+DQ of the reference stack. Brute force: a basis "
    "for each integration, of all references shifted to it; 'own planes': of the planes of the "
    f"4-D product itself. {_BRUTE} integrations, without {_EDGE} pixels at the edges, where a "
    "Fourier shift rings. Goals: 1.5x, 2x, 0.05 sigma."
)


def _reduce(frames: Frames, *, per_integration: bool) -> tuple[object, CubeModel]:
    align = AlignRefsStep()
    align.per_integration = per_integration
    # In place of the reference file.
    align.psfmask = lambda _: SimpleNamespace(data=frames.mask, recentered=False, hole=None)
    target = CubeModel(data=frames.science, err=frames.science_err, dq=frames.science_dq)
    stack = CubeModel(data=frames.references, err=frames.reference_err, dq=frames.reference_dq)
    aligned = align.process(target, stack)
    klip = KlipStep()
    klip.truncate = MODES
    return aligned, klip.process(target, aligned)


METHODS: Mapping[str, Callable[[Frames], object]] = MappingProxyType(
    {
        "4-D": partial(_reduce, per_integration=True),
        "3-D": partial(_reduce, per_integration=False),
    }
)


def table(quick: bool, folder: Path) -> str:
    nsci, nref, size, repeats = (6, 60, 96, 1) if quick else (40, 200, 320, 3)
    frames = make_frames(nsci, nref, size=size)
    saved = frames.save(folder / "frames_paths")
    METHODS["4-D"](frames.cut(2, 4, 64))  # load every library
    spent = interleaved({key: lambda run=run: run(frames) for key, run in METHODS.items()}, repeats)
    stack = frames.references.size * 12 / 2**20
    done = {key: run(frames) for key, run in METHODS.items()}
    aligned = done["4-D"][0]
    table = aligned.reference_shifts
    moved = np.stack([table["dx"], table["dy"]], axis=1)
    brute = _brute_force(frames, lambda n, m: _moved(frames, m, moved[m] + aligned.shifts[n]))
    own = _brute_force(frames, lambda n, m: aligned.plane("data", n, m))
    rows = []
    for key in METHODS:
        peak = peak_memory(__name__, key, saved)
        residual = done[key][1].data[:_BRUTE] / frames.science_err[:_BRUTE]
        rows.append((
            key, f"{spent[key]:.2f}", ratio(spent[key], spent["3-D"]), f"{peak:.0f}",
            ratio(peak, stack), f"{np.sqrt(np.nanmean(residual**2)):.3f}",
            _difference(residual, brute), _difference(residual, own),
        ))  # fmt: skip
    note = _NOTE.format(nsci=nsci, nref=nref, size=size)
    return markdown("Alignment to every integration", note, _HEAD, rows)


def _moved(frames: Frames, reference: int, shift: np.ndarray) -> np.ndarray:
    # As the product's planes are made: without Nyquist terms, which no shift can move.
    image = frames.references[reference].astype(float)
    return apply_ramp(without_nyquist(forward(image), image.shape), shift, image.shape)


def _brute_force(frames: Frames, plane: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """Reduce the first integrations with a basis for each, and return residuals over ERR."""
    residuals = []
    for n in range(_BRUTE):
        planes = np.stack([plane(n, m) for m in range(len(frames.references))])
        bad = np.broadcast_to(~np.isfinite(planes).all(axis=0), planes.shape)
        references = Images(planes, frames.reference_err, bad)
        target = Images(
            *(array[n : n + 1] for array in (frames.science, frames.science_err)), bad[:1]
        )
        done = subtract_psf(target, references, truncate=(MODES,), propagate=False)
        residuals.append(done.residual[0, 0])
    return np.array(residuals) / frames.science_err[:_BRUTE]


def _difference(one: np.ndarray, other: np.ndarray) -> str:
    inside = (one - other)[:, _EDGE:-_EDGE, _EDGE:-_EDGE]
    beyond = np.mean(np.abs(inside) > 0.05)
    return f"{np.sqrt(np.nanmean(inside**2)):.4f}, {np.nanmax(np.abs(inside)):.3f}, {beyond:.0e}"
