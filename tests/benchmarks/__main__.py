"""Run the benchmarks: ``python -m tests.benchmarks [--quick] [--only TABLE] [--out FILE]``."""

import argparse
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tests.benchmarks import klip, operations, paths, pipeline, registration

TABLES = {
    "operations": operations.table,
    "registration": registration.table,
    "klip": klip.table,
    "peers": klip.peers,
    "paths": paths.table,
    "pipeline": pipeline.table,
}


def main() -> None:
    """Print the tables, and write them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", choices=TABLES, action="append", help="leave the others out")
    parser.add_argument("--out", type=Path, help="write the tables to this file as well")
    parser.add_argument("--scratch", type=Path, help="folder for some 10 GB, emptied again")
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("coronx", "jwst", "numpy", "scipy"))
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    parts = [f"Python {platform.python_version()}, {packages}, {blas}; {_processor()}.\n"]
    print(parts[0], flush=True)
    with tempfile.TemporaryDirectory(prefix="coronx-bench-", dir=options.scratch) as folder:
        for name in options.only or TABLES:
            parts.append(TABLES[name](options.quick, Path(folder)))
            print(parts[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(parts))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
