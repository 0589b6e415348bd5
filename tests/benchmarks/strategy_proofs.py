"""Tables of true injections into two-roll scenes: what is left of them, and errors that hold."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel

from coronx.ops.stamp import PsfImage
from tests.benchmarks.injected_rolls import (
    Rolls,
    chain_errors,
    coverage,
    places,
    throughput_errors,
)
from tests.benchmarks.two_rolls import TwoRolls, observe

__all__ = ["coverage_table", "injection_table", "table"]

_RINGS = (0.5, 1.0, 1.5, 2.0, 3.0)
_CASES: dict[str, dict[str, Any]] = {
    "RDI": {"strategy": "rdi"},
    "ADI": {"strategy": "adi"},
    "ARDI": {"strategy": "ardi"},
    "ARDI, annuli": {"strategy": "ardi", "annuli": _RINGS},
}
_FITTED = ("RDI", "ARDI")
_INNER, _OUTER = 0.8, 3.0  # arcsec
_PLACES = 50
_CHAIN = 4
_FITS = 100  # of each scene


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def injection_table(work: Path) -> str:
    """Return median and largest errors of what is said of companions."""

    def made() -> dict[str, Any]:
        seen = _scene(1)
        found = {}
        for name, recipe in _CASES.items():
            psfs, star, _, _, _ = _measure(seen, recipe)
            plain = Rolls.of(seen, [PsfImage(psf.kernel) for psf in psfs], **recipe)
            where = places(_PLACES, _INNER, _OUTER)
            found[name] = throughput_errors(plain, where, 1e-5 * star).tolist()
            some = places(_CHAIN, _INNER, _OUTER)
            found[f"{name}/chain"] = chain_errors(seen, plain, some, 1e-5 * star).tolist()
        return found

    kept = _kept(work / "injection.json", made)
    rows = []
    for name in _CASES:
        errors, chain = np.array(kept[name]), np.abs(kept[f"{name}/chain"])
        rows.append(
            (
                name,
                f"{np.nanmax(errors[:, 1]):.0e}",
                f"{np.median(errors[:, 0]):.0e}",
                f"{np.max(errors[:, 0]):.0e}",
                f"{np.median(chain):.0e}",
                f"{np.max(chain):.0e}",
            )
        )
    head = ("", "integrations not moved", "all: median", "largest", "from exposures on: median",
            "largest")  # fmt: skip
    return table(head, rows)


def coverage_table(work: Path) -> str:
    """Return how many companions fitted lie within one sigma."""

    def made() -> dict[str, Any]:
        found: dict[str, Any] = {name: [] for name in _FITTED}
        for seed in (1, 2):
            seen = _scene(seed)
            rng = np.random.default_rng(seed)
            where = places(_FITS, _INNER, _OUTER)
            turn = rng.uniform(0.0, 2.0 * np.pi)
            cos, sin = np.cos(turn), np.sin(turn)
            where = [(cos * e + sin * n, cos * n - sin * e) for e, n in where]
            ratio = np.exp(rng.uniform(np.log(7.0), np.log(30.0), _FITS))
            for name in _FITTED:
                psfs, star, fwhm, scale, noise = _measure(seen, _CASES[name])
                away = np.hypot(*np.transpose(where))
                fluxes = ratio * star * np.exp(np.interp(away, noise[0], np.log(noise[1])))
                rolls = Rolls.of(seen, psfs, **_CASES[name])
                got = coverage(rolls, where, fluxes, fwhm, scale, rng=rng)
                got[:, [2, 5]] /= fluxes[:, None]
                found[name] += got.tolist()
        return found

    kept = _kept(work / "coverage.json", made)
    rows = []
    for name in _FITTED:
        got = np.array(kept[name], float)
        done = np.isfinite(got).all(axis=1)
        got = got[done]
        inside = np.mean(np.abs(got[:, :3]) < got[:, 3:6], axis=0)
        pulls = got[:, :3] / got[:, 3:6]
        rows.append(
            (
                name,
                f"{done.sum()} of {done.size}",
                f"{np.percentile(got[:, 6], 5):.0f} to {np.percentile(got[:, 6], 95):.0f}",
                *(f"{share:.0%}" for share in inside),
                ", ".join(f"{v:.2f}" for v in pulls.std(axis=0)),
                f"{np.mean(got[:, 2]):+.1%} +- {np.std(got[:, 2]) / np.sqrt(len(got)):.1%}",
            )
        )
    head = ("", "converged", "S/N (90 %)", "east", "north", "flux", "scatter / error",
            "flux too high by")  # fmt: skip
    return table(head, rows)


def _kept(path: Path, make: Any) -> dict[str, Any]:
    if not path.is_file():
        path.write_text(json.dumps(make()))
    return json.loads(path.read_text())


def _scene(seed: int) -> TwoRolls:
    with tempfile.TemporaryDirectory() as folder:
        seen = observe(Path(folder), seed=seed, wavelengths=3)
        with CubeModel(str(seen.unocculted)) as star:
            return replace(seen, unocculted=star.copy())


def _measure(seen: TwoRolls, recipe: dict[str, Any]) -> tuple[Any, ...]:
    """Return PSFs, the star's flux, FWHM and scale, and (separation, 1-sigma contrast)."""
    options = {key: value for key, value in recipe.items() if key != "strategy"}
    if "annuli" in options:
        options["annuli"] = list(options["annuli"])
    (models,) = seen.subtracted(recipe["strategy"], (50,), **options).values()
    reduction = seen.reduction(models)
    psfs = seen.psfs(reduction)
    at = np.arange(0.7, 3.15, 0.1)
    noise = seen.limits(reduction, psfs, at).contrast / 5.0
    good = np.isfinite(noise)
    return (
        psfs,
        seen.star_flux(reduction),
        reduction.fwhm_arcsec / reduction.scale_arcsec,
        reduction.scale_arcsec,
        (at[good], noise[good]),
    )
