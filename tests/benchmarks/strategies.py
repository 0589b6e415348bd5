"""Which strategy reaches deepest, on simulated two-roll scenes.

``python -m tests.benchmarks.strategies [--out docs/strategies.md]``: a quarter of an hour. Figures
are kept in the folder ``--work``, and only what is missing there is measured.
"""

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from coronx.simulate import SCENES
from tests.benchmarks.strategy_proofs import coverage_table, injection_table, table
from tests.benchmarks.two_rolls import SEPARATIONS, TwoRolls, observe, rolls_apart

__all__ = ["main"]

_STUDIED = ("default", "drift 5 nm", "bar", "4QPM")  # in zones and with few modes, too
_ROUND = {
    "default": {},
    "drift 5 nm": {"drift_nm": 5.0},
    "drift 10 nm": {"drift_nm": 10.0},
    "pointing 1 mas": {"pointing_error_mas": 1.0, "dither_error_mas": 0.5},
    "both stars 30 x fainter": {"star_jy": 0.083, "reference_jy": 0.1},
    "one reference exposure": {"references": 1},
}
_OTHERS = {"bar": "nircam-bar", "4QPM": "miri-4qpm"}
_MIRI = (1.0, 2.0, 3.0, 4.0)
_COUNTS = {"rdi": (1, 2, 3, 5, 10, 50), "adi": (50,), "ardi": (1, 2, 3, 5, 10, 50)}
_ANNULI = (0.5, 1.0, 1.5, 2.0, 3.0)  # arcsec; MIRI's are twice as wide
# Where lambda/D is wide, 10 deg are not one of them at 1 arcsec, and ADI would be refused.
_LEAST = {"bar": 0.4, "4QPM": 0.4}
_ZONES: dict[str, dict[str, Any]] = {
    "annuli": {},
    "annuli, padded": {"zone_padding": 0.5},
    "annuli x 4 sectors": {"sectors": 4},
}


def study(name: str, seen: TwoRolls) -> dict[str, Any]:
    """Return the figures of one scene: {strategy/zones/modes: limits}."""
    at = separations(name)
    found: dict[str, Any] = {}
    wide = 2.0 if name == "4QPM" else 1.0
    few = name in _STUDIED
    runs = []
    for strategy, counts in _COUNTS.items():
        runs.append((strategy, "frame", {}, counts if few else (50,)))
        for zones, options in _ZONES.items() if few else [("annuli", {})]:
            changes = {"annuli": [wide * edge for edge in _ANNULI], **options}
            changes["zone_padding"] = wide * options.get("zone_padding", 0.0)
            runs.append((strategy, zones, changes, (50,)))
    least = _LEAST.get(name, 1.0)
    for strategy, zones, options, counts in runs:
        for count, models in seen.subtracted(
            strategy, counts, least_rotation=least, **options
        ).items():
            reduction = seen.reduction(models)
            limits = seen.limits(reduction, seen.psfs(reduction), at)
            found[f"{strategy}/{zones}/{count}"] = {
                key: [round(float(v), 12) for v in getattr(limits, key)]
                for key in ("contrast", "throughput", "excess")
            }
    return found


def separations(name: str) -> tuple[float, ...]:
    """Return where a scene is measured, arcsec."""
    return _MIRI if name == "4QPM" else SEPARATIONS


def measured(name: str, seed: int, work: Path) -> dict[str, Any]:
    """Return the figures of one scene, from the folder if they are there."""
    kept = _file(name, seed, work)
    if not kept.is_file():
        with tempfile.TemporaryDirectory() as folder:
            ready, changes = _OTHERS.get(name, "nircam-round"), _ROUND.get(name, {})
            seen = observe(Path(folder), ready, seed=seed, wavelengths=3, **changes)
            kept.write_text(json.dumps(study(name, seen)))
        print(kept.name, flush=True)
    return json.loads(kept.read_text())


def _file(name: str, seed: int, work: Path) -> Path:
    return work / f"{name.replace(' ', '-').replace(',', '')}-{seed}.json"


class Figures:
    """Figures of one scene, of several seeds."""

    def __init__(self, seeds: list[dict[str, Any]]) -> None:
        self.seeds = seeds

    def mean(self, key: str, what: str = "contrast") -> np.ndarray:
        """Return the geometric mean over seeds, of each separation."""
        values = np.array([seed[key][what] for seed in self.seeds], float)
        return np.exp(np.log(values).mean(axis=0))

    def has(self, key: str) -> bool:
        """Return whether something was measured."""
        return key in self.seeds[0]


def depth_table(figures: dict[str, Figures]) -> str:
    """Return RDI's limits, and those of the others over them."""
    rows = []
    for name, own in figures.items():
        rdi = own.mean("rdi/frame/50")
        where = ", ".join(f'{s:g}"' for s in separations(name))
        cells = [
            _shares(own.mean(f"{strategy}/{zones}/50") / rdi)
            for zones in ("frame", "annuli")
            for strategy in ("rdi", "adi", "ardi")
        ]
        rows.append((f"{name} ({len(own.seeds)})", where, _limits(rdi), *cells[1:]))
    others = ("ADI", "ARDI", "RDI, annuli", "ADI, annuli", "ARDI, annuli")
    return table(("scene (draws)", "at", "RDI", *others), rows)


def cause_table(figures: dict[str, Figures]) -> str:
    """Return noise over that of photons and read-out, and throughput."""
    rows = []
    for name, own in figures.items():
        cells = []
        for what, show in (("excess", "{:.1f}"), ("throughput", "{:.2f}")):
            for strategy in ("rdi", "adi", "ardi"):
                values = own.mean(f"{strategy}/frame/50", what)
                cells.append(", ".join(show.format(v) for v in values))
        rows.append((name, *cells))
    head = ("scene", *(f"{what} {s}" for what in ("excess", "throughput") for s in
                       ("RDI", "ADI", "ARDI")))  # fmt: skip
    return table(head, rows)


def pointing_table(figures: dict[str, Figures], work: Path) -> str:
    """Return each draw's limits in annuli over RDI's there, by how far the rolls lie apart."""
    rows = []
    for name, own in figures.items():
        if name in _OTHERS:
            continue
        for draw in range(1, len(own.seeds) + 1):
            one = Figures([measured(name, draw, work)])
            scene = replace(SCENES["nircam-round"], seed=draw, **_ROUND[name])
            rdi = one.mean("rdi/annuli/50")[1:]
            cells = [_shares(one.mean(f"{s}/annuli/50")[1:] / rdi) for s in ("adi", "ardi")]
            rows.append((rolls_apart(scene), f"{name}, {draw}", *cells))
    rows.sort()
    where = ", ".join(f'{s:g}"' for s in SEPARATIONS[1:])
    head = ("scene, draw", "rolls apart, mas", f"ADI / RDI at {where}", "ARDI / RDI")
    return table(head, [(name, f"{apart:.0f}", *cells) for apart, name, *cells in rows])


def modes_table(figures: dict[str, Figures]) -> str:
    """Return limits for few modes over those for all."""
    rows = []
    for name, own in figures.items():
        for strategy in ("rdi", "ardi"):
            full, counts = own.mean(f"{strategy}/frame/50"), _COUNTS[strategy]
            cells = [
                _shares(own.mean(f"{strategy}/frame/{n}") / full) if n in counts else ""
                for n in _COUNTS["rdi"][:-1]
            ]
            rows.append((name, strategy.upper(), *cells))
    return table(("scene", "strategy", *(str(n) for n in _COUNTS["rdi"][:-1])), rows)


def zones_table(figures: dict[str, Figures]) -> str:
    """Return limits in zones over those in the whole frame."""
    rows = []
    for name, own in figures.items():
        for strategy in _COUNTS:
            full = own.mean(f"{strategy}/frame/50")
            for zones in _ZONES:
                key = f"{strategy}/{zones}/50"
                cells = (_shares(own.mean(key) / full), _shares(own.mean(key, "throughput")))
                rows.append((name, strategy.upper(), zones, *cells))
    return table(("scene", "strategy", "zones", "limit / whole frame", "throughput"), rows)


def _limits(values: np.ndarray) -> str:
    return ", ".join("-" if np.isnan(v) else f"{v:.1e}" for v in values)


def _shares(values: np.ndarray) -> str:
    return ", ".join("-" if np.isnan(v) else f"{v:.2f}" for v in values)


def put(page: str, name: str, text: str) -> str:
    """Return a page with a table between its marks."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def main() -> None:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.strategies")
    parser.add_argument("--out", type=Path, help="page whose tables are written anew")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strategies")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kept", action="store_true", help="only the scenes measured before")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if "CRDS_PATH" not in os.environ:
        from coronx.simulate.crds_cache import build_crds_cache

        os.environ["CRDS_PATH"] = str(build_crds_cache(options.work / "crds"))
    figures = {}
    for name in (*_ROUND, *_OTHERS):
        seeds = [
            n for n in options.seeds if not options.kept or _file(name, n, options.work).is_file()
        ]
        if seeds:
            figures[name] = Figures([measured(name, seed, options.work) for seed in seeds])
    studied = {name: figures[name] for name in _STUDIED if name in figures}
    tables = {
        "depth": depth_table(figures),
        "causes": cause_table(figures),
        "pointing": pointing_table(figures, options.work),
        "modes": modes_table(studied),
        "zones": zones_table(studied),
    }
    for name, made in (("injection", injection_table), ("coverage", coverage_table)):
        if not options.kept or (options.work / f"{name}.json").is_file():
            tables[name] = made(options.work)
    if options.out is None:
        print("\n\n".join(tables.values()))
        return
    page = options.out.read_text()
    for name, text in tables.items():
        page = put(page, name, text)
    options.out.write_text(page)


if __name__ == "__main__":
    main()
