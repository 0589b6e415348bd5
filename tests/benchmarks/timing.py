"""Medians of interleaved repeats on one thread, and tables of them."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

__all__ = ["interleaved", "markdown", "ratio"]


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    rest: float = 0.0,
    twice: bool = False,
) -> dict[str, float]:
    """Run cases in turn (A B A B), on one thread, and return the median CPU seconds of each.

    CPU time of a single thread is what a quiet machine's clock would show, and is
    disturbed least by what else the machine does.

    Parameters
    ----------
    cases : mapping of str to callable
        What is run.
    repeats : int
        How often.
    rest : float
        Seconds of sleep before each run, in which free memory may go back to where it came from.
    twice : bool
        Run each twice at once, and count the second run, which finds the first one's memory.
    """
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, run in cases.items():
            time.sleep(rest)
            with threadpool_limits(1):
                if twice:
                    run()
                start = time.process_time()
                run()
                spent[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in spent.items()}


def ratio(other: float, ours: float) -> str:
    """Return how many times the other's cost is ours."""
    value = other / ours
    return f"{value:.0f}x" if value >= 10 else f"{value:.2g}x"


def markdown(title: str, note: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table under its title, the note below."""
    lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", note, ""])
