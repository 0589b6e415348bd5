"""KLIP: coronx beside the host, and beside other packages."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.frames import Frames, make_frames
from tests.benchmarks.klip_methods import (
    HOST,
    METHODS,
    MODES,
    PEERS,
    WITH_ERR,
    WITHOUT_ERR,
    installed,
)  # fmt: skip
from tests.benchmarks.memory import peak_memory
from tests.benchmarks.timing import interleaved, markdown, ratio

__all__ = ["peers", "table"]

_MODULE = "tests.benchmarks.klip_methods"
_HEAD = (
    "nsci x nref", "code", "CPU s", "time / ERR's", "time / no ERR's",
    "peak MB", "peak / ERR's", "max diff (sigma)",
)  # fmt: skip
_NOTE = (
    f"Frames of {{size}}x{{size}}, {MODES} modes over the full frame, one thread. Peak: memory "
    "above the inputs, results included, each run in a process of its own. Difference: largest "
    "over all pixels and frames, from coronx's, over the input ERR. "
)
_HOST_NOTE = (
    "The host repeats the same work for every integration: it is timed on two and scaled; its "
    "memory is that of two, which is the same but for the result. Goals at 40 x 200: 100x with "
    "the new ERR, 150x without; at 40 x 500: an eighth of the peak."
)
_PEER_NOTE = (
    "pyKLIP: `klip_math` on every frame with the covariance made once, timed on two frames and "
    "scaled (the covariance apart). VIP: what `pca` does with `cube_ref` and `spat-mean` before "
    "derotating, with each of its exact CPU decompositions, fed float64; fed float32 it is not "
    "exact. Neither makes an ERR. "
    "Goal: 3x of VIP's best."
)


def table(quick: bool, folder: Path) -> str:
    """KLIP beside the host."""
    return _table("KLIP beside the host", (HOST,), _HOST_NOTE, quick, folder)


def peers(quick: bool, folder: Path) -> str:
    """KLIP beside other packages."""
    return _table("KLIP beside other packages", PEERS, _PEER_NOTE, quick, folder)


def _table(title: str, others: Sequence[str], note: str, quick: bool, folder: Path) -> str:
    sizes, side = (((4, 60), (6, 70)), 96) if quick else (((10, 50), (40, 200), (40, 500)), 320)
    whole = make_frames(max(s[0] for s in sizes), max(s[1] for s in sizes), size=side)
    rows = []
    for nsci, nref in sizes:
        frames = whole.cut(nsci, nref)
        saved = frames.save(folder / f"frames_{nsci}_{nref}")
        rows += _rows(frames, saved, others, 1 if quick else 3)
    versions = ", ".join(sorted({installed(other) or f"{other}: none" for other in others}))
    return markdown(title, _NOTE.format(size=side) + note + f" ({versions}.)", _HEAD, rows)


def _rows(frames: Frames, saved: Path, others: Sequence[str], repeats: int) -> list[list[str]]:
    nsci, nref = len(frames.science), len(frames.references)
    here = [other for other in others if installed(other) and not _hopeless(other, nref)]
    for name in (WITH_ERR, WITHOUT_ERR, *here):
        METHODS[name](frames.cut(2, MODES + 2, 64))  # load every library
    few = frames.cut(2, nref)
    cases = {name: lambda name=name: METHODS[name](frames) for name in (WITH_ERR, WITHOUT_ERR)}
    cases |= {
        name: lambda name=name: METHODS[name](few if _repeats(name) else frames) for name in here
    }
    if "pyKLIP" in here:
        flat = frames.references.reshape(nref, -1)
        cases["covariance"] = lambda: np.cov(flat.astype(np.float64))
    spent = interleaved(cases, repeats)
    fixed = spent.get("covariance", 0.0)
    ours = METHODS[WITH_ERR](frames)
    rows = []
    peaks = {name: peak_memory(_MODULE, name, saved) for name in (WITH_ERR, WITHOUT_ERR)}
    if here:
        few_saved = few.save(saved.with_name(f"{saved.name}_few"))
        for name in here:
            peaks[name] = peak_memory(_MODULE, name, few_saved if name == HOST else saved)
    for name in (WITH_ERR, WITHOUT_ERR, *others):
        label = [f"{nsci} x {nref}", name]
        if name not in here and name not in (WITH_ERR, WITHOUT_ERR):
            missing = "left out" if installed(name) else "not installed"
            rows.append([*label, missing, "", "", "", "", ""])
            continue
        seconds = spent[name]
        if name in here and _repeats(name):
            once = fixed if name == "pyKLIP" else 0.0
            seconds = once + (seconds - once) * nsci / 2
        result = METHODS[name](few)
        differs = np.abs(result - ours[: len(result)]) / frames.science_err[: len(result)]
        rows.append([
            *label, f"{seconds:.3g}", ratio(seconds, spent[WITH_ERR]),
            ratio(seconds, spent[WITHOUT_ERR]), f"{peaks[name]:.0f}",
            ratio(peaks[name], peaks[WITH_ERR]), f"{differs.max():.1e}",
        ])  # fmt: skip
    return rows


def _repeats(name: str) -> bool:
    """Whether a method does the same work for every frame, and can be timed on a few."""
    return name in (HOST, "pyKLIP")


def _hopeless(name: str, nref: int) -> bool:
    """Whether a method is too slow at a size, or cannot give that many modes."""
    return (name == "VIP lapack" and nref > 200) or (name == "VIP arpack" and nref <= MODES)
