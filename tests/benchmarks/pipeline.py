"""From association to products: coronx's pipeline beside the host's, on the same files."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from tests.benchmarks.timing import markdown, ratio

__all__ = ["table"]

_STEPS = {
    "OutlierDetectionStep": "outlier",
    "StackRefsStep": "stack",
    "AlignRefsStep": "align",
    "KlipStep": "klip",
    "ResampleStep": "resample",
    "HlspStep": "hlsp",
}
_HOST = ("jwst.pipeline", "Coron3Pipeline")
_OURS = ("coronx.pipelines.coron3", "Coron3Pipeline")
_CHAIN = "rest of the chain"
_COLUMNS = (_CHAIN, *_STEPS.values(), "saving intermediates", "saving the rest", "other", "total")
_INTERMEDIATE = ("crfints", "psfstack", "psfalign")
_NOTE = (
    "CPU seconds, one thread; {sci} science and {psf} reference "
    "exposures of {nints} integrations, {shape}, from `coronx.simulate`. The host saves a 3-D "
    "`_psfalign`, coronx a 4-D one ({size:.1f} GB in all products; {lean:.2f} GB without "
    "intermediates). `rest of the chain`: what coronx does to exposures before they are stacked, "
    "beside flagging outliers: mask centres, bad pixels, the star's place. `other`: opening "
    "files, metadata, parameters. The host makes no hlsp products here, and cannot leave "
    "intermediates out: its row without them is its total less the time it took to save them. "
    "Goal: 6x."
)


def table(quick: bool, folder: Path) -> str:
    from coronx.simulate.crds_cache import build_crds_cache
    from coronx.simulate.exposures import simulate
    from coronx.simulate.scene import SCENES

    scene = replace(SCENES["nircam-round"], integrations=2 if quick else 20, wavelengths=2)
    made = simulate(folder / "exposures", scene)
    cache = build_crds_cache(folder / "crds")
    runs = {
        "host": (*_HOST, "all"),
        "coronx": (*_OURS, "all"),
        "coronx, 3-D": (*_OURS, "3-D"),
        "coronx, lean": (*_OURS, "lean"),
    }
    found = {name: _run(run, made.asn, folder / "products", cache) for name, run in runs.items()}
    host = found["host"]
    lean = host | {"saving intermediates": 0.0, "total": host["total"] - host[_COLUMNS[-4]]}
    rows = []
    for name, spent, base in (
        ("host", host, host),
        ("coronx", found["coronx"], host),
        ("coronx, 3-D `_psfalign` as the host's", found["coronx, 3-D"], host),
        ("host, no intermediates", lean, lean),
        ("coronx, no intermediates", found["coronx, lean"], lean),
    ):
        cells = [f"{spent.get(column, 0.0):.2f}" for column in _COLUMNS]
        rows.append((name, *cells, ratio(base["total"], spent["total"]), f"{spent['peak']:.0f}"))
    note = _NOTE.format(
        sci=len(made.science), psf=len(made.psf), nints=scene.integrations,
        shape="x".join(str(n) for n in scene.coronagraph.shape),
        size=found["coronx"]["written"] / 1e9, lean=found["coronx, lean"]["written"] / 1e9,
    )  # fmt: skip
    head = ("pipeline", *_COLUMNS, "host / this", "peak MB of the process")
    return markdown("Pipeline", note, head, rows)


def _run(run: tuple[str, str, str], asn: Path, output: Path, cache: Path) -> dict[str, float]:
    output.mkdir()
    command = [sys.executable, "-m", __name__, *run, str(asn), str(output)]
    # The parameters of an offline cache; CRDS reads them when it is imported.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CRDS")}
    try:
        done = subprocess.run(
            command,
            env=environment | {"CRDS_PATH": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(run)} failed:\n{done.stderr[-3000:]}")
        written = sum(path.stat().st_size for path in output.iterdir())
        return json.loads(done.stdout.splitlines()[-1]) | {"written": float(written)}
    finally:
        shutil.rmtree(output)


class _Clock:
    """CPU time by part; time inside an inner part does not count for the outer."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._stack = ["other"]
        self._since = time.process_time()

    def _switch(self) -> None:
        now = time.process_time()
        self.spent[self._stack[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Any:
        self._switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def wrap(self, cls: type, method: str, name: Callable[..., str]) -> None:
        inner = getattr(cls, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name(*args)):
                return inner(*args, **kwargs)

        setattr(cls, method, timed)


def _saving(_: Any, path: Any, *__: Any) -> str:
    intermediate = Path(path).stem.endswith(_INTERMEDIATE)
    return "saving intermediates" if intermediate else "saving the rest"


def _child(module: str, name: str, keep: str, asn: str, output: str) -> None:
    from importlib import import_module

    from stdatamodels.jwst.datamodels import JwstDataModel

    pipeline = getattr(import_module(module), name)
    clock = _Clock()
    for step in pipeline.step_defs.values():
        part = _STEPS.get(step.__name__, _CHAIN)
        clock.wrap(step, "run", lambda *_, part=part: part)
    clock.wrap(JwstDataModel, "save", _saving)
    options: dict[str, Any] = {}
    if keep == "lean":
        options["save_intermediate_results"] = False
    elif keep == "3-D":
        options["steps"] = {"align_refs": {"per_integration": False}}
    with threadpool_limits(1), clock.part("other"):
        pipeline.call(asn, output_dir=output, save_results=True, **options)
    spent = dict(clock.spent)
    status = Path("/proc/self/status").read_text()
    peak = float(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps(spent | {"total": sum(spent.values()), "peak": peak}))


if __name__ == "__main__":
    _child(*sys.argv[1:])
