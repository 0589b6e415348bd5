"""Medians of interleaved repeats on one thread, and tables of them."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

__all__ = ["interleaved", "markdown", "ratio", "without_kernel"]


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Run cases in turn (A B A B), on one thread, and return the median CPU seconds of each.

    CPU time of a single thread is what a quiet machine's clock would show, and is
    disturbed least by what else the machine does.
    """
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, run in cases.items():
            with threadpool_limits(1):
                start = clock()
                run()
                spent[name].append(clock() - start)
    return {name: float(np.median(values)) for name, values in spent.items()}


def without_kernel() -> float:
    """Return the CPU seconds of this process less what the operating system took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def ratio(other: float, ours: float) -> str:
    """Return how many times the other's cost is ours."""
    value = other / ours
    return f"{value:.0f}x" if value >= 10 else f"{value:.2g}x"


def markdown(title: str, note: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table under its title, the note below."""
    lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", note, ""])
