"""Peak memory of one run, above what its inputs take, each in a process of its own.

The child loads the inputs, runs once on a small cut so that every library is loaded, has
the kernel forget the peak so far, and runs (Linux).
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from threadpoolctl import threadpool_limits

__all__ = ["peak_memory"]


def peak_memory(module: str, name: str, folder: Path) -> float:
    """Return the peak in MB, above the inputs, of ``METHODS[name]`` of a module.

    Parameters
    ----------
    module : str
        With a mapping ``METHODS`` of functions that take `Frames`.
    name : str
        Which of them.
    folder : pathlib.Path
        Where the frames are saved.
    """
    command = [sys.executable, "-m", __spec__.name, module, name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return float(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel does not tell {key}")


def _child(module: str, name: str, folder: str) -> None:
    from tests.benchmarks.frames import Frames

    run = import_module(module).METHODS[name]
    frames = Frames.load(Path(folder))
    with threadpool_limits(1):
        run(frames.cut(2, 60, 64))
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        kept = run(frames)
    print(_status("VmHWM") - before)
    del kept


if __name__ == "__main__":
    _child(*sys.argv[1:])
