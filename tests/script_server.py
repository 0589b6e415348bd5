"""Run scripts such as strun in processes of their own, forked of one that has imported the host.

To import it takes seconds, again in each process. Each line of standard input is a job (JSON:
``command``, ``folder``, ``stdout``, ``stderr``, the last three paths), and each of standard output
the exit status of one.
"""

import gc
import json
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

# What strun imports for steps of coronx.
_NEEDED = (
    "stpipe._cli.strun", "jwst.stpipe", "jwst.datamodels", "jwst.outlier_detection",
    "jwst.resample", "coronx.pipelines.coron3", "coronx.pipelines.ground",
)  # fmt: skip


def _prepare() -> None:
    import asdf
    from stpipe import entry_points

    sys.path[0] = str(Path(__file__).parents[1])
    from tests.quicker_host import make_host_quicker

    make_host_quicker()
    for name in _NEEDED:
        import_module(name)
    entry_points.get_steps()
    # These import what other packages add to asdf.
    asdf.get_config().extensions  # noqa: B018
    asdf.get_config().resource_manager  # noqa: B018
    # What is there is not looked at by the processes to come, and so stays shared with them.
    gc.collect()
    gc.freeze()


def _become(job: dict) -> None:
    """Do a job in this process, as if it had been started for it."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        opened = os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.chdir(job["folder"])
    sys.argv = job["command"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit(0)


def main() -> None:
    """Serve until there is no more input."""
    _prepare()
    # A line at a time: a job is sent when that before it has ended.
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
