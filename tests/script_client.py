"""Ask tests/script_server.py to run scripts."""

import json
import os
import subprocess
import sys
from pathlib import Path

_SERVER = Path(__file__).with_name("script_server.py")
# They differ from test to test, and nothing looks at them; the last is a note of CRDS to itself.
_PASSING = ("COVERAGE_PROCESS_START", "PYTEST_CURRENT_TEST", "CRDS_CONFIG_URI")


def plain_environment() -> dict[str, str]:
    """Return the environment without what only the tests' own process needs."""
    return {name: value for name, value in os.environ.items() if name not in _PASSING}


class ScriptServer:
    """The server; it is started when it is first needed.

    Parameters
    ----------
    folder : Path
        Where the scripts' output goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[str] | None = None
        self._environment: dict[str, str] = {}

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a script of Python, and return what it said and its exit status."""
        env = plain_environment()
        if self._server is None:
            self._environment = env
            self._server = subprocess.Popen(
                [sys.executable, str(_SERVER)],
                env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        if env != self._environment:  # a test has changed it
            return subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        said = {name: self._folder / name for name in ("stdout", "stderr")}
        job = {"command": command, "folder": str(Path.cwd())}
        job |= {name: str(path) for name, path in said.items()}
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        return subprocess.CompletedProcess(
            command, status, *(path.read_text() for path in said.values())
        )

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            with self._server:
                self._server.stdin.close()
            self._server = None
